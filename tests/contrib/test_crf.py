"""tf.contrib.crf compared with an enumeration of all paths; test_golden.py has its other functions."""

from itertools import pairwise, product

import numpy as np
import pytest

from estimator_lab.contrib import crf
from estimator_lab.tf1 import tf

LENGTHS = [4, 1, 3, 2, 0]
STEPS, TAGS = 4, 3


@pytest.fixture
def chain():
    """Potentials [5, 4, 3], transitions [3, 3] and tags [5, 4], with -1 from each length on."""
    random = np.random.default_rng(0)
    tags = random.integers(0, TAGS, [len(LENGTHS), STEPS])
    tags[np.arange(STEPS) >= np.array(LENGTHS)[:, None]] = -1
    shape = (len(LENGTHS), STEPS, TAGS)
    return random.standard_normal(shape), random.standard_normal([TAGS, TAGS]), tags


def score(potentials, transitions, path):
    steps = sum(potentials[step, tag] for step, tag in enumerate(path))
    return steps + sum(transitions[pair] for pair in pairwise(path))


def all_scores(potentials, transitions, length):
    return {path: score(potentials, transitions, path) for path in product(range(TAGS), repeat=length)}


def run(tensors):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(tensors)


def test_likelihoods_and_scores(chain):
    potentials, transitions, tags = chain
    with tf.Graph().as_default():
        inputs = tf.constant(potentials)
        likelihood, same = crf.crf_log_likelihood(
            inputs, tf.constant(tags), LENGTHS, tf.constant(transitions)
        )
        norm = crf.crf_log_norm(inputs, LENGTHS, transitions)
        path = crf.crf_sequence_score(inputs, tf.constant(tags), LENGTHS, transitions)
        found = run([likelihood, norm, path, same])
    np.testing.assert_array_equal(found[3], transitions)
    for row, length in enumerate(LENGTHS):
        scores = all_scores(potentials[row], transitions, length)
        of_path = scores[tuple(tags[row, :length])]
        total = np.log(sum(np.exp(list(scores.values()))))
        np.testing.assert_allclose(
            [line[row] for line in found[:3]], [of_path - total, total, of_path], atol=1e-12
        )


def test_the_best_paths(chain):
    potentials, transitions, _ = chain
    with tf.Graph().as_default():
        tags, best = run(crf.crf_decode(tf.constant(potentials), tf.constant(transitions), LENGTHS))
    assert tags.dtype == np.int32 and tags.shape == (len(LENGTHS), STEPS)
    for row, length in enumerate(max(length, 1) for length in LENGTHS):
        scores = all_scores(potentials[row], transitions, length)
        path = max(scores, key=scores.get)
        assert tags[row].tolist() == [*path] + [0] * (STEPS - length)
        np.testing.assert_allclose(best[row], scores[path])
        alone, value = crf.viterbi_decode(potentials[row, :length], transitions)
        assert tuple(alone) == path
        np.testing.assert_allclose(value, scores[path])


@pytest.mark.parametrize('steps', [1, None])
def test_sequences_of_one_step_and_of_unknown_shape(chain, steps):
    potentials, transitions, _ = chain
    with tf.Graph().as_default():
        inputs = tf.placeholder_with_default(potentials[:, :1], [None, steps, TAGS])
        tags, _ = crf.crf_decode(inputs, transitions, [1] * len(LENGTHS))
        likelihood, _ = crf.crf_log_likelihood(inputs, tags, [1] * len(LENGTHS), tf.constant(transitions))
        found, value = run([tags, likelihood])
    assert found[:, 0].tolist() == potentials[:, 0].argmax(1).tolist()
    softmax = np.exp(potentials[:, 0]) / np.exp(potentials[:, 0]).sum(1, keepdims=True)
    np.testing.assert_allclose(value, np.log(softmax.max(1)))
