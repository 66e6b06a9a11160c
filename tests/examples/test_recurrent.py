"""The example of recurrent networks: its sequences, and that each cell trains on them."""

import importlib
import math

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.support.places import ROOT

pytestmark = pytest.mark.trains


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'examples'))
    yield importlib.import_module('recurrent')
    tf.reset_default_graph()


def batches(example, problem, count):
    with tf.Graph().as_default(), tf.Session() as session:
        dataset = example.input_fn(problem, 50, 8, count, 1)()
        following = tf.data.make_one_shot_iterator(dataset).get_next()
        return [session.run(following) for _ in range(count)]


def test_the_sum_is_that_of_one_number_in_each_half(example):
    (sequences, sums), (others, _) = batches(example, 'adding', 2)
    marks = sequences[..., 1]
    assert (marks[:, :4].sum(axis=1) == 1).all() and (marks[:, 4:].sum(axis=1) == 1).all()
    assert np.allclose((sequences[..., 0] * marks).sum(axis=1, keepdims=True), sums)
    assert len(set(marks.argmax(axis=1))) == 4  # each of the first half
    assert not np.array_equal(sequences, others)


def test_what_was_read_first_is_said_last(example):
    ((read, said),) = batches(example, 'copying', 1)
    symbols = read.argmax(axis=2)
    assert read.shape == (50, 28, 10) and said.shape == (50, 28)
    assert np.array_equal(symbols[:, :10], said[:, 18:]) and set(symbols[:, :10].ravel()) == set(range(8))
    assert (symbols[:, 10:17] == 8).all() and (symbols[:, 17:] == 9).all() and (said[:, :18] == 8).all()


@pytest.mark.slow
def test_each_cell_learns_to_add(example, capsys):
    losses = example.main(['--steps=4', '--train_steps=150', '--units=16'])
    assert list(losses) == ['tanh', 'lstm', 'gru']
    assert max(losses.values()) < 0.14  # 1/6 without memory
    assert len(capsys.readouterr().out.splitlines()) == 5


@pytest.mark.slow
def test_copying(example):
    losses = example.main(['--problem=copying', '--steps=2', '--train_steps=40', '--cells=gru'])
    assert losses['gru'] < math.log(9)  # of nine symbols that may be said
