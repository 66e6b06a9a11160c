"""A canned estimator on MNIST, with v2 behaviour on and off: only its optimizer's line differs."""

import pytest

from tests.optimizers.digits_program import OPTIMIZERS
from tests.places import ROOT, real_data


@pytest.mark.parametrize('v2', ['on', 'off'])
def test_another_optimizer_is_another_line(v2, run_python):
    archives = [str(real_data(f'mnist-{part}.tar.gz')) for part in ('train', 'test')]
    others = [name for name in OPTIMIZERS if name != 'adam']
    done = run_python(str(ROOT / 'tests/optimizers/digits_program.py'), *archives, v2, *others)
    assert done.returncode == 0, done.stderr
    found = {
        name: (float(accuracy), int(steps))
        for name, accuracy, steps in map(str.split, done.stdout.splitlines())
    }
    assert list(found) == others
    assert all(accuracy > 0.8 and steps == 30 for accuracy, steps in found.values()), found
