"""A sample of the calls that `tests.robustness.faults` fails."""

import itertools
import random

import pytest

from tests.robustness.faults import CASES, Workshop, faults
from tests.robustness.shim import COMPILER, commands

pytestmark = [pytest.mark.once, pytest.mark.skipif(not COMPILER, reason='there is no C compiler')]


@pytest.fixture(scope='module')
def runner():
    with commands() as runner:
        yield runner


@pytest.mark.parametrize(
    ('name', 'share', 'each'), [('predict', 0.05, 1), ('pack', 0.2, 3), ('index', 0.5, 3)]
)
def test_a_call_that_fails_is_one_sentence_and_loses_nothing(name, share, each, runner, tmp_path):
    shop, failed = Workshop(CASES[name], tmp_path, runner), 0
    for _, some in faults(share, random.Random(1)):
        for fault in itertools.islice(some, each):
            done, problems = shop.fail(fault)
            assert not problems, (fault, done)
            failed += bool(done.struck)
    assert failed
