"""The example of second-order optimizers, on a few images."""

import importlib

import pytest

from estimator_lab.data.demo_sets.archives import DemoPaths
from estimator_lab.tf1 import tf
from tests.places import ROOT


def test_all_optimizers_of_the_example_learn(archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / 'examples'))
    losses = importlib.import_module('second_order').main(DemoPaths(archive, archive), steps=8)
    tf.reset_default_graph()
    assert list(losses) == ['Adam', 'L-BFGS', 'conjugate gradients', 'Hessian-free']
    assert all(loss < 1.35 for loss in losses.values())  # log 4 = 1.386 is chance
    assert min(losses, key=losses.__getitem__) != 'Adam'
