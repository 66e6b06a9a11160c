"""Every TensorFlow name that tensorflow_estimator uses exists: an early warning for a new TensorFlow."""

import ast
import importlib
import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path

from estimator_lab.tf1 import tf

NATIVE = tf.__version__.startswith('2.15.')

# Methods of classes that stand-ins replace; they are used with a TPU only.
DELETED = set() if NATIVE else {'tensorflow.python.tpu.tpu_embedding.EnqueueData.from_sparse_tensor'}


def package_folder() -> Path:
    spec = importlib.util.find_spec('tensorflow_estimator')
    assert spec and spec.origin
    return Path(spec.origin).parent


def names_in(path: Path) -> Iterator[str]:
    """Yields the dotted TensorFlow names in one source file, in full length."""
    tree = ast.parse(path.read_text())
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split('.')[0] == 'tensorflow':
                    aliases[name.asname or 'tensorflow'] = name.name if name.asname else 'tensorflow'
                    yield name.name
        elif isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'tensorflow':
            for name in node.names:
                aliases[name.asname or name.name] = f'{node.module}.{name.name}'
                yield f'{node.module}.{name.name}'
    inner = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node not in inner:
            dotted = dotted_name(node)
            if dotted and dotted.split('.')[0] in aliases:
                head, _, rest = dotted.partition('.')
                yield f'{aliases[head]}.{rest}'


def dotted_name(node: ast.expr) -> str | None:
    """Returns 'a.b.c' for an expression that consists of names; None for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted_name(node.value)
        return before and f'{before}.{node.attr}'
    return None


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


def test_every_tensorflow_name_resolves():
    _ = tf.estimator.Estimator  # makes the missing modules available
    files = [path for path in package_folder().rglob('*.py') if 'testing_utils' not in path.name]
    names = {name for path in files for name in names_in(path)}
    assert len(names) > 600
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        missing = {name for name in names if not resolves(name)}
    assert missing == DELETED
