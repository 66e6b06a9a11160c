"""The inputs that the fuzzer kept: each is read, or rejected with a sentence."""

import contextlib
import time

import pytest

from estimator_lab.base.errors import LabError
from tests.robustness.coverage_fuzz import CORPUS
from tests.robustness.targets import TARGETS

pytestmark = [pytest.mark.both, pytest.mark.slow]

MOST_BYTES = 300_000


@pytest.mark.parametrize('name', TARGETS)
def test_the_inputs_of_a_target(name):
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    started = time.thread_time()
    for path in inputs:
        with contextlib.suppress(LabError):
            TARGETS[name](path.read_bytes())
    assert time.thread_time() - started < 10


def test_the_corpus_is_small_and_has_a_folder_for_each_target():
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.glob('*/*')) < MOST_BYTES
