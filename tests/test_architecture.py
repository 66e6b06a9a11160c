"""Tests the layout of the package: imports go down only, and CONTRIBUTING.md shows all rooms."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import FAST, ON_BOTH, ONCE, is_fast
from tests.places import ROOT

PACKAGE = ROOT / 'estimator_lab'
SOURCES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob('*.py'))

# From the bottom up. A room imports rooms on lower floors only.
FLOORS = [
    {'base'},
    {'tf1'},
    {'contrib', 'optimizers'},
    {'core', 'data'},
    {'models'},
    {'runs'},
    {'inference', 'training'},
    {'notebook'},
    {
        'train',
        'evaluate',
        'predict',
        'inspect',
        'export',
        'dream',
        'report',
        'port',
        'run',
        'import_weights',
        '__main__',
        'api',
    },
]
DATA_FLOORS = [
    {'files', 'index_file', 'labels', 'member', 'passes', 'stores', 'tar_headers'},
    {'demo_sets', 'remote', 'shuffling', 'table'},
    {'demo', 'kind', 'sources'},
    {'bad_examples', 'formats', 'images', 'stored', 'trees'},
    {'batches', 'folder', 'lines', 'tar'},
    {'index'},
    {'kinds', 'order'},
    {'archives', 'check', 'examples', 'memory', 'tar_index'},
    {'input_fns', 'pack', 'stream_settings'},
    {'stream'},
]
TENSORFLOW = {
    'data/demo_sets/archives.py',
    'data/input_fns.py',
    'data/kind.py',
    'data/images/export.py',
    'data/images/fast_decode.py',
    'data/images/reader.py',
    'data/trees/reader.py',
}
READ_FLAGS = {*FLOORS[-1], 'data/pack', 'data/demo', 'base/command', 'base/options'}


def imported(source):
    """Yields the dotted names that a file imports, at any level of nesting."""
    for node in ast.walk(ast.parse((PACKAGE / source).read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ''
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def arrows(folder, floors):
    """Yields (source, room, imported room) for each import between rooms of a folder."""
    prefix = '.'.join(['estimator_lab', *folder.parts])
    rooms = {room for floor in floors for room in floor}
    for source in SOURCES:
        if source.parts[: len(folder.parts)] != folder.parts:
            continue
        inside = source.parts[len(folder.parts) :]
        room = inside[0].removesuffix('.py')
        for name in imported(source):
            match = re.match(rf'{re.escape(prefix)}\.(\w+)', name)
            if match and match[1] != room and match[1] in rooms:
                yield source, room, match[1]


@pytest.mark.parametrize(
    ('folder', 'floors'), [(Path(), FLOORS), (Path('data'), DATA_FLOORS)], ids=['all', 'data']
)
def test_imports_go_down(folder, floors):
    floor_of = {room: number for number, floor in enumerate(floors) for room in floor}
    up = [
        f'{source} imports {other}'
        for source, room, other in arrows(folder, floors)
        if room != '__init__' and floor_of[room] <= floor_of[other]
    ]
    assert not up


@pytest.mark.parametrize(
    ('folder', 'floors'), [(Path(), FLOORS), (Path('data'), DATA_FLOORS)], ids=['all', 'data']
)
def test_every_room_has_a_floor(folder, floors):
    rooms = {
        path.stem
        for path in (PACKAGE / folder).iterdir()
        if path.suffix == '.py' or (path / '__init__.py').exists()
    }
    assert rooms - {'__init__'} == set().union(*floors)


def dynamically_imported(source):
    """Yields the arguments of import_module and __import__: text, or '?' followed by a computed name."""
    for node in ast.walk(ast.parse((PACKAGE / source).read_text(encoding='utf-8'))):
        if isinstance(node, ast.Call) and node.args:
            function = (
                node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, 'id', '')
            )
            if function in ('import_module', '__import__'):
                name = node.args[0]
                yield name.value if isinstance(name, ast.Constant) else f'?{ast.unparse(name)}'


def test_only_tf1_imports_tensorflow():
    """Dynamic imports count too. Those with a computed name are in rooms that look names up by purpose."""
    may_compute = ('tf1', 'contrib', 'port.py', 'models/registry.py', '__main__.py')
    for source in map(str, SOURCES):
        names = [*imported(source), *dynamically_imported(source)]
        if not source.startswith('tf1/'):
            assert not [name for name in names if re.match(r'tensorflow(_estimator)?\b|tf_keras\b', name)], (
                source
            )
        if not source.startswith(may_compute):
            assert not [name for name in names if name.startswith('?')], source


def test_the_input_imports_tensorflow_in_a_few_files_only():
    """Where it is wanted: input functions, and TensorFlow's decoders."""
    files = {
        str(source)
        for source in SOURCES
        if source.parts[0] == 'data'
        and any(name.startswith('estimator_lab.tf1') for name in imported(source))
    }
    assert 'data/input_fns.py' in files
    assert files <= TENSORFLOW


def test_only_commands_read_flags():
    readers = {str(source.with_suffix('')) for source in SOURCES if 'absl.flags' in imported(source)}
    assert readers <= READ_FLAGS


def test_no_file_is_longer_than_400_lines():
    long = {
        str(source): count
        for source in SOURCES
        if (count := len((PACKAGE / source).read_text().splitlines())) > 400
    }
    assert not long


def test_tests_mirror_the_package():
    """Each folder of tests has the name of a room, or is one of four without a counterpart."""
    own = {'conformance', 'examples', 'golden', 'robustness'}
    for path in (ROOT / 'tests').rglob('test_*.py'):
        folder = path.parent.relative_to(ROOT / 'tests')
        if folder.parts and folder.parts[0] not in own:
            assert (PACKAGE / folder).is_dir(), path


def test_the_marked_tests_exist():
    assert not [place for place in (*FAST, *ONCE, *ON_BOTH) if not (ROOT / 'tests' / place).exists()]


def test_make_check_tests_every_room():
    files = [path.relative_to(ROOT / 'tests') for path in (ROOT / 'tests').rglob('test_*.py')]
    fast = {path.parts[0] for path in files if is_fast(path)}
    assert {path.parent.name for path in PACKAGE.glob('*/__init__.py')} <= fast
    assert 'test_main.py' in fast  # the commands


def test_the_picture_in_contributing_matches_the_rooms():
    picture = re.search(
        r'## Layout\n\n```\n(.*?)```', (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8'), re.DOTALL
    )[1]
    shown = set(re.findall(r'^  (?:  )?(\w+)/', picture, re.MULTILINE))
    rooms = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
    inner = {path.parent.name for path in PACKAGE.glob('*/*/__init__.py')}
    assert shown == rooms | inner


def test_output_goes_through_base():
    """It escapes control characters, and handles a full disk or a closed pipe."""
    own = {'base', 'contrib'}
    printing = {
        f'{source}:{node.lineno}'
        for source in SOURCES
        if source.parts[0] not in own
        for node in ast.walk(ast.parse((PACKAGE / source).read_text(encoding='utf-8')))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'print'
    }
    assert not printing


@pytest.mark.parametrize(
    ('own', 'others'), [('models', {'core', 'optimizers'}), ('core', {'optimizers'})], ids=['models', 'core']
)
def test_models_and_core_print_nothing_and_read_no_data(own, others):
    """A model imports core, optimizers and what every room may import: see docs/adding_a_model.md."""
    allowed = {'base', 'tf1', *others}
    imports = {room for _, room_of_source, room in arrows(Path(), FLOORS) if room_of_source == own}
    assert imports <= allowed
