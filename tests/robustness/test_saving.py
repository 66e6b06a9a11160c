"""Every verb once, next to a process that replaces the newest checkpoint all the time: see `saving`."""

import pytest

from tests.robustness.saving import VERBS, copies, walk

pytestmark = pytest.mark.slow


def test_models_are_used_while_a_training_saves(tmp_path):
    tally = walk(tmp_path, copies, 1)
    assert not tally.problems
    assert tally.counts['checkpoints meanwhile'] > 20 and set(VERBS) <= set(tally.counts)
