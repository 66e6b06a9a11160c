"""Every TensorFlow name that tensorflow_estimator uses exists: an early warning for a new TensorFlow."""

import ast
import importlib
import importlib.util
import warnings
from pathlib import Path

import pytest

from estimator_lab.tf1 import tf
from estimator_lab.tf1.uses import uses

pytestmark = pytest.mark.both

NATIVE = tf.__version__.startswith('2.15.')

# Methods of classes that stand-ins replace; they are used with a TPU only.
DELETED = set() if NATIVE else {'tensorflow.python.tpu.tpu_embedding.EnqueueData.from_sparse_tensor'}


def resolves(name: str) -> bool:
    parts = name.split('.')
    found = importlib.import_module(parts[0])
    for index, part in enumerate(parts[1:], 2):
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = importlib.import_module('.'.join(parts[:index]))
            except ImportError:
                return False
    return True


@pytest.mark.slow
def test_every_tensorflow_name_resolves():
    _ = tf.estimator.Estimator  # makes the missing modules available
    folder = Path(importlib.util.find_spec('tensorflow_estimator').origin).parent
    files = [path for path in folder.rglob('*.py') if 'testing_utils' not in path.name]
    found = [use.name for path in files for use in uses(ast.parse(path.read_text(encoding='utf-8')))]
    names = {name for name in found if name.startswith('tensorflow.')}
    assert len(names) > 600
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        missing = {name for name in names if not resolves(name)}
    assert missing == DELETED
