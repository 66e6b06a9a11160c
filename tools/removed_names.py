"""Lists the modules and public names that one TensorFlow has and a later one lacks.

    python tools/removed_names.py OLD_SITE_PACKAGES NEW_SITE_PACKAGES

Each argument is a folder that contains `tensorflow`, such as `pip install --target` creates. Files are read
but not imported, so that any two versions can be compared; Keras is left out. For each name that
`estimator_lab.tf1` restores, the new location is printed. The exit status is 1 if any other name is missing.
Needs the standard library only.
"""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

TABLES = Path(__file__).parents[1] / 'estimator_lab' / 'tf1' / '_moved_names.py'
# Restored by _restore.py rather than by the tables.
RESTORED = {
    'tensorflow.python.distribute.estimator_training',
    'tensorflow.python.tpu.session_support',
    'tensorflow.python.tpu.tpu_embedding',
    'tensorflow.python.tpu.tpu_embedding_gradient',
}
RESTORED_NAMES = ('.estimator', 'Parameters')
# Parts that Estimator programs do not import: converters, and protocol buffers of native services.
ASIDE = ('tensorflow.lite.', 'tensorflow.tsl.', 'tensorflow.include.', 'tensorflow.core.kernels')
API = 'tensorflow/_api/v2'


def modules_of(site: Path) -> set[str]:
    """Returns the full names of TensorFlow's Python modules, without its API and Keras."""
    found = set()
    for path in (site / 'tensorflow').rglob('*.py'):
        parts = path.relative_to(site).with_suffix('').parts
        if 'keras' not in parts and '_api' not in parts:
            found.add('.'.join(parts[:-1] if parts[-1] == '__init__' else parts))
    return found


def api_names_of(site: Path) -> set[str]:
    """Returns the public names of `tf`, such as 'compat.v1.train.Saver', without copies of the API."""
    found = set()
    for path in (site / API).rglob('__init__.py'):
        parts = path.relative_to(site / API).parts[:-1]
        if 'keras' in parts or parts.count('compat') > 1 or parts[:2] == ('compat', 'v2'):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom):
                names = [alias.asname or alias.name for alias in node.names]
                found |= {'.'.join([*parts, name]) for name in names if not name.startswith('_')}
    return {name for name in found if not name.startswith('__internal__')}


def tables() -> ModuleType:
    """Returns the tables of `estimator_lab.tf1`, without importing TensorFlow."""
    spec = importlib.util.spec_from_file_location('moved_names', TABLES)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def where_now(module: str, moved: ModuleType) -> str:
    """Returns what `estimator_lab.tf1` provides for a module, or ''."""
    if module in RESTORED:
        return 'restored'
    return ', '.join(moved.sources_of(module))


def name_now(name: str, moved: ModuleType) -> str:
    """Returns what `estimator_lab.tf1` provides for a name of the API, or ''."""
    if name.endswith(RESTORED_NAMES):
        return 'restored'
    module, _, last = name.rpartition('.')
    new_module, new_name = moved.new_names(f'tensorflow._api.v2.{module}').get(last, ('', ''))
    return f'{new_module}.{new_name}'.strip('.')


def removed(old: Path, new: Path) -> Iterator[tuple[str, str, str]]:
    """Yields (kind, name, replacement or '') for everything that is missing in `new`."""
    moved = tables()
    for module in sorted(modules_of(old) - modules_of(new)):
        if not module.startswith(ASIDE):
            yield 'module', module, where_now(module, moved)
    for name in sorted(api_names_of(old) - api_names_of(new)):
        yield 'name', f'tf.{name}', name_now(name, moved)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        raise SystemExit(__doc__)
    old, new = map(Path, arguments)
    for site in (old, new):
        if not (site / 'tensorflow').is_dir():
            raise SystemExit(f'{site} contains no folder tensorflow.')
    missing = 0
    for kind, name, now in removed(old, new):
        print(f'{kind:<7} {name:<70} {now or "MISSING"}')
        missing += not now
    print(f'{missing} missing')
    return int(missing > 0)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
