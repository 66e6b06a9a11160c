"""tf.contrib compared with the results of TensorFlow 1.15.5 for the same program, remake_contrib.py."""

import json

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from tests.golden.awaiting import AWAITING
from tests.support.places import GOLDEN, load_script

pytestmark = [pytest.mark.both, pytest.mark.trains]


def program():
    return load_script(GOLDEN / 'remake_contrib.py')


def compare(ours, golden, path):
    """Compares names and text exactly, and numbers within the tolerance of another build of the kernels."""
    if isinstance(golden, dict):
        assert ours.keys() == golden.keys(), path
        for key, value in golden.items():
            compare(ours[key], value, f'{path}/{key}')
    elif path.endswith('/values'):
        for index, (one, other) in enumerate(zip(ours, golden, strict=True)):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6, err_msg=f'{path}/{index}')
    else:
        assert json.loads(json.dumps(ours)) == golden, path


PARTS = [part.__name__ for part in program().PARTS if part.__name__ not in AWAITING]


@pytest.mark.parametrize('part', PARTS)
def test_equals_tensorflow_1_15(part, graph):
    golden = json.loads((GOLDEN / 'contrib_tf115.json').read_text())
    compare(getattr(program(), part)(), golden[part], part)
