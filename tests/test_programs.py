"""Runs recipes on a small repository of our own; checks the form of all recipes; runs quick ones where they
are."""

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.support.places import ROOT, load_script

programs = load_script(ROOT / 'benchmarks/programs.py')
files = load_script(ROOT / 'benchmarks/program_files.py')
runs, recipes = sys.modules['program_runs'], sys.modules['program_recipes']
RECIPES = recipes.read_recipes(ROOT / 'benchmarks/programs')
RESULTS = recipes.read_results(ROOT / 'benchmarks/programs/results.json')
QUICK = [
    name
    for name, recipe in RECIPES.items()
    if not recipe.packages
    and (result := RESULTS.get(name, {}).get('2.21', {})).get('outcome') == 'passed'
    and result['seconds'] <= 8
]
LOSSES = "import sys\nfor step in range(4):\n    print('loss', 4.0 - step)\nprint(open(sys.argv[1]).read())\n"
SOURCES = {
    'good.py': LOSSES,
    'bad.py': "print('loss 1.0')\nraise ValueError('no good')\n",
    'endless.py': "import time\nfor step in range(600):\n    print('step', step)\n    time.sleep(0.2)\n",
    'large.py': 'bytearray(16 << 30)\n',
    'package/module.py': "import helper\nprint('helped', helper.VALUE)\n",
    'lib/helper.py': 'VALUE = 3\n',
}


@pytest.fixture
def place(tmp_path):
    """A mirror with one repository, a folder of recipes, and a function that runs them."""
    repository = tmp_path / 'mirror' / 'some+thing'
    for name, text in SOURCES.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    git = ['git', '-C', repository, '-c', 'user.name=x', '-c', 'user.email=x@localhost']
    subprocess.run(['git', 'init', '--quiet', repository], check=True)
    subprocess.run([*git, 'add', '.'], check=True)
    subprocess.run([*git, 'commit', '--quiet', '-m', 'All'], check=True)
    commit = subprocess.check_output([*git, 'rev-parse', 'HEAD'], text=True).strip()
    return Place(tmp_path, commit)


class Place:
    def __init__(self, folder, commit):
        self.folder, self.commit = folder, commit
        (folder / 'recipes').mkdir()

    def recipe(self, name, **fields):
        minor = '.'.join(tf.__version__.split('.')[:2])
        given = {'repository': 'some/thing', 'commit': self.commit, 'tensorflow': [minor], **fields}
        values = {key: json.dumps(value, separators=(', ', ' = ')) for key, value in given.items()}
        lines = [f'{key} = {value}' for key, value in {'title': '"T"', **values}.items()]
        (self.folder / 'recipes' / f'{name}.toml').write_text('\n'.join(lines))

    def run(self, *names):
        flags = {'mirror': 'mirror', 'work': 'work', 'recipes': 'recipes'}
        given = [f'--{flag}={self.folder / name}' for flag, name in flags.items()]
        return programs.main([f'--environment={sys.executable}', *given, *names])

    def result(self, name):
        (found,) = recipes.read_results(self.folder / 'recipes/results.json')[name].values()
        return found

    def left(self, name):
        return list((self.folder / 'work/runs').glob(f'*/{name}/*'))


@pytest.mark.slow
def test_a_program_that_does_what_its_recipe_says_passes_and_is_not_run_again(place, capsys):
    making = [{'make': 'write', 'path': 'in/text', 'text': 'read'}]
    place.recipe('one', files=making, commands=['good.py in/text'], shows=['^read'], falls=[r'loss ([\d.]+)'])
    assert place.run() == 0
    result = place.result('one')
    assert result['outcome'] == 'passed' and result['tensorflow'] == tf.__version__
    assert not place.left('one')
    assert 'one' in capsys.readouterr().out
    assert place.run() == 0
    assert capsys.readouterr().out == ''  # an interrupted night goes on with the others
    place.recipe('one', files=making, commands=['good.py in/text'], shows=['never'])
    assert place.run() == 1  # the recipe is another one
    assert "does not print 'never'" in place.result('one')['reason']


@pytest.mark.slow
def test_programs_that_fail_are_told_apart(place):
    place.recipe('broken', commands=['bad.py'], shows=['loss'])
    place.recipe('old', commands=['bad.py'], shows=['loss'], outcome='age', reason='Old.', stops='no good')
    place.recipe('impossible', commands=['bad.py'], outcome='cannot', reason='Needs a moon.')
    assert place.run() == 1
    assert place.result('broken')['outcome'] == 'failed by us'
    assert place.result('broken')['reason'] == 'ValueError: no good'
    assert any(path.name == 'output.txt' for path in place.left('broken'))
    assert [place.result('old')[key] for key in ('outcome', 'reason')] == ['failed by its age', 'Old.']
    assert place.result('impossible')['outcome'] == 'needs what cannot be had'


@pytest.mark.slow
def test_a_program_ends_at_its_limits_or_at_what_it_prints(place):
    place.recipe('slow', commands=['endless.py'], shows=['step'], seconds=1)
    place.recipe('stopped', commands=['endless.py'], until='^step 1$', shows=['step 0'])
    place.recipe('large', commands=['large.py'], shows=['never'], gigabytes=4)
    place.run()
    assert place.result('slow')['reason'] == 'takes more than 1 s'
    assert place.result('stopped')['outcome'] == 'passed'
    assert place.result('large')['reason'] == 'MemoryError'


@pytest.mark.slow
def test_a_program_imports_its_folders_and_packages_of_its_own(place):
    version = '.'.join(map(str, sys.version_info[:3]))
    minor = '.'.join(tf.__version__.split('.')[:2])
    installed = place.folder / 'work' / 'packages' / f'{minor}-{version}' / 'helper_1'
    installed.mkdir(parents=True)
    (installed / 'helper.py').write_text('VALUE = 4')
    place.recipe('module', folder='package', path=['lib'], commands=['-m module'], shows=['helped 3'])
    own = {'packages': ['helper<1'], 'commands': ['package/module.py'], 'shows': ['helped 4']}
    place.recipe('installed', only=['package'], **own)
    assert place.run() == 0


@pytest.mark.parametrize(
    ('fields', 'reason'),
    [
        ({'shows': [r'loss (\S+)']}, r"prints 'loss nan'"),
        ({'shows': ['accuracy']}, r"does not print 'accuracy'"),
        ({'falls': [r'rate ([\d.]+)']}, 'does not fall'),
        ({'falls': [r'once ([\d.]+)']}, 'does not fall'),
        ({'least': {r'rate ([\d.]+)': 0.5}}, 'not at least 0.5'),
        ({'least': {r'none ([\d.]+)': 0.5}}, 'not at least 0.5'),
        ({'makes': ['out/*.index']}, r'does not write out/\*.index'),
    ],
)
def test_an_output_is_judged(tmp_path, fields, reason):
    recipe = recipes.Recipe(name='x', title='X', repository='a/b', commit='0' * 40, **fields)
    with pytest.raises(runs.FailedError, match=reason):
        runs.judge(recipe, 'loss 1.0\nloss nan\nrate 0.1\nrate 0.2\nonce 1.0.\n', tmp_path)


def test_an_unknown_recipe_or_field_is_named(place):
    with pytest.raises(SystemExit, match='no recipe nothing'):
        place.run('nothing')
    place.recipe('one', colour='red')
    with pytest.raises(SystemExit, match=r'one\.toml.*colour'):
        place.run()


def test_blocks_that_continue_each_other_are_one_program(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('page.md').write_text(
        'Text\n\n``` python\na = 1\n```\n\n  ```py\n  b = a\n  ```\n\n```sh\nls\n```\n'
    )
    files.program('page.md', before='import os', after='print(a + b)')
    assert subprocess.check_output([sys.executable, 'program.py'], text=True) == '2\n'
    cells = [
        ('code', ['a = 1\n', '!ls\n']),
        ('markdown', ['x']),
        ('code', ['if a:\n', '    %cd x\n', "    print('u')"]),
    ]
    shown = {'cells': [{'cell_type': kind, 'source': source} for kind, source in cells]}
    Path('page.ipynb').write_text(json.dumps(shown))
    files.program('page.ipynb', swaps={"'u'": "'v'"})
    assert subprocess.check_output([sys.executable, 'program.py'], text=True) == 'v\n'
    with pytest.raises(SystemExit, match=r'page\.ipynb has no'):
        files.program('page.ipynb', swaps={'w': 'v'})


def test_files_have_the_formats_that_programs_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.table(['rows.csv'], {'a;b': 'int 0 9', 'c': 'turn x|y', 'd': 'constant 7'}, count=2)
    assert re.fullmatch(r'a,b,c,d\n\d,\d,x,7\n\d,\d,y,7\n', Path('rows.csv').read_text())
    files.records(
        ['x.tfrecord'], {'n': 'int 0 9 3', 'f': 'float 0 1', 's': 'text word', 'j': 'jpeg 8'}, count=2
    )
    found = list(tf.io.tf_record_iterator('x.tfrecord'))
    example = tf.train.Example.FromString(found[1]).features.feature
    assert len(found) == 2 and len(example['n'].int64_list.value) == 3 and example['f'].float_list.value
    assert example['s'].bytes_list.value[0] == b'word' and example['j'].bytes_list.value[0][:2] == b'\xff\xd8'
    files.digits('digits', sizes=[20, 10])
    images = np.fromfile('digits/train-images-idx3-ubyte', np.uint8)[16:].reshape(20, 28, 28)
    labels = np.fromfile('digits/train-labels-idx1-ubyte', np.uint8)[8:]
    assert (images[np.arange(20), 5 + 2 * labels, 10] == 250).all()


@pytest.mark.parametrize('name', RECIPES)
def test_a_recipe_has_the_form(name):
    recipe = RECIPES[name]
    repositories = [f'{recipe.repository}@{recipe.commit}', *recipe.beside]
    assert all(re.fullmatch(r'[\w.-]+/[\w.-]+@[0-9a-f]{40}', one) for one in repositories)
    assert recipe.outcome in recipes.OUTCOMES and {*recipe.tensorflow} <= {'2.15', '2.21'}
    for pattern in [*recipe.shows, *recipe.falls, *recipe.least, recipe.until, recipe.stops]:
        re.compile(pattern)
    for one in recipe.files:
        given = {'make': one} if isinstance(one, str) else dict(one)
        inspect.signature(getattr(files, given.pop('make'))).bind(**given)
    if recipe.outcome == 'passes':
        assert recipe.commands and recipe.what
        assert recipe.shows or recipe.falls or recipe.least or recipe.makes
        assert 'trains' not in recipe.what or recipe.falls or recipe.least
        pages = [one for one in recipe.files if 'page' in one]
        assert (bool(recipe.blocks) == bool(pages) and not recipe.protos) or 'grpcio-tools' in recipe.packages
        assert recipe.replaced or not any(page.get('swaps') for page in pages)
    else:
        assert recipe.reason and bool(recipe.stops) == (recipe.outcome == 'age')


def test_results_are_of_recipes_as_they_are():
    for name, found in RESULTS.items():
        assert {result['recipe'] for result in found.values()} == {RECIPES[name].digest()}, name


def test_the_pages_of_programs_are_up_to_date(tmp_path):
    programs.main(['--pages', f'--docs={tmp_path}'])
    for name in ('programs.md', 'programs_table.md'):
        assert (tmp_path / name).read_text() == (ROOT / 'docs' / name).read_text()


@pytest.mark.programs
@pytest.mark.parametrize('name', QUICK)
def test_a_quick_program_passes(name, tmp_path):
    mirror = os.environ.get('ESTIMATOR_LAB_PROGRAMS')
    if not mirror:
        pytest.skip('ESTIMATOR_LAB_PROGRAMS names no folder of repositories')
    minor = '.'.join(tf.__version__.split('.')[:2])
    place = runs.Place(Path(sys.executable), tmp_path, Path(mirror), minor)
    outcome, _, reason = runs.attempt(RECIPES[name], place)
    assert outcome == 'passed', reason
