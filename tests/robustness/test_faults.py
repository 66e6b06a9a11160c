"""A sample of the calls that `tests.robustness.faults` fails."""

import itertools
import random

import pytest

from tests.robustness.faults import CASES, Workshop, faults
from tests.robustness.shim import COMPILER

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not COMPILER, reason='there is no C compiler')]


@pytest.mark.parametrize(
    ('name', 'paths', 'share', 'each'),
    [
        ('best', 'run/e*', 0.03, 1),  # folders of evaluations and exports
        ('evaluate', '*', 0.02, 1),
        ('predict', '*', 0.05, 1),
        ('stream', '*', 0.1, 4),
        ('pack', '*', 0.2, 3),
        ('index', '*', 0.5, 3),
    ],
)
def test_a_call_that_fails_is_one_sentence_and_loses_nothing(name, paths, share, each, runner, tmp_path):
    shop, failed = Workshop(CASES[name], tmp_path, runner), 0
    for _, some in faults(share, random.Random(1), paths):
        for fault in itertools.islice(some, each):
            done, problems = shop.fail(fault)
            assert not problems, (fault, done)
            failed += bool(done.struck)
    assert failed
