"""A canned estimator on MNIST, with v2 behaviour on and off: only its optimizer's line differs."""

import pytest

from tests.optimizers.digits_program import OPTIMIZERS
from tests.places import ROOT, test_data


@pytest.mark.parametrize('v2', ['on', 'off'])
@pytest.mark.parametrize('optimizer', [name for name in OPTIMIZERS if name != 'adam'])
def test_another_optimizer_is_another_line(optimizer, v2, run_python):
    archives = [str(test_data(f'mnist-{part}.tar.gz')) for part in ('train', 'test')]
    done = run_python(str(ROOT / 'tests/optimizers/digits_program.py'), *archives, optimizer, v2)
    assert done.returncode == 0, done.stderr
    accuracy, steps = map(float, done.stdout.split())
    assert accuracy > 0.8 and steps == 30
