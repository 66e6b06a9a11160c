"""Runs each command that README, docs, examples and benchmarks show, so that none of them rots.

They run in a folder that has the files which they name, in the order of the README, so that one command finds
what another made. To keep this quick, some things are other than a reader's:

- Images are 8x8 and archives hold 24 of them, training takes one pass: `SHORTER`, `World.provide`.
- Nothing is installed or downloaded: of `pip install` the extras are looked up, of `make` a dry run is
  made, and `curl` gives a file of that name.
- What takes minutes, or other machines, only has its flags looked up: examples (`tests/examples` runs them),
  benchmarks, clusters (`tests/test_distribution.py`), and `ONLY_FLAGS`.
"""

import functools
import gzip
import importlib.metadata
import importlib.util
import json
import os
import re
import shlex
import shutil
import string
import subprocess
import sys
from pathlib import Path

import pytest

from estimator_lab import train
from estimator_lab.core.hparams import parse_hparams, resolve
from estimator_lab.data.cache import cache_folder
from estimator_lab.data.demo_sets import listops
from estimator_lab.data.demo_sets.archives import DEMO_VERSION
from estimator_lab.models.registry import find_model
from tests.archive_files import encoded, picture, small_archive
from tests.commands import run_module_here
from tests.documentation import ROOT, all_commands, all_pages, flags_named, flags_of_training

COMMANDS = all_commands()
# Of estimator_lab.train: what these flags become; None leaves them out.
SHORTER = {'image_size': '8', 'epochs': None, 'max_steps': None, 'batch_size': '24'}
# A label can be dreamed by a network that was trained for it, for many minutes; files of weights are others'.
ONLY_FLAGS = ('estimator_lab.dream', 'estimator_lab.import_weights')
# What needs other machines, or weights that others publish.
ELSEWHERE = re.compile(r'--distribution|--warm_start=.*\.(ckpt|h5)$|--hparams=.*\bperceptual=')
PAINTINGS = ('wave',)
OUTPUTS = ('out', 'files')
PLACEHOLDERS = {'ARCHIVE': 'ARCHIVE.tar'}


class World:
    """The folder in which the commands run.

    Args:
      folder: where it is; becomes the current one.
      model_dir: a trained model.
      painter_dir: one that paints, for folders whose name is of a painting.
    """

    def __init__(self, folder, model_dir, painter_dir):
        self._folder = folder
        self._model_dir, self._painter_dir = model_dir, painter_dir
        self._archive = small_archive(folder).read_bytes()
        self.variables = {}  # of the shell

    def provide(self, arguments, makes_models):
        """Puts the files there that a command names and none before it has made."""
        for argument in arguments:
            name = name_of(argument)
            if name in OUTPUTS or (name == 'model_dir' and makes_models):
                continue
            for file in re.split('[,+]', style_images(argument) if name == 'hparams' else value_of(argument)):
                if not matches(file):
                    self._make(name, Path(file.replace('*', '0')), is_folder=file.endswith('/'))

    def _make(self, name, path, is_folder):
        if is_folder:
            path.mkdir(parents=True)
            path /= 'photo.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == 'model_dir':
            shutil.copytree(self._painter_dir if path.name in PAINTINGS else self._model_dir, path)
        elif path.name.endswith('.tar'):
            path.write_bytes(self._archive)
        elif path.name.endswith('.tar.gz'):
            path.write_bytes(gzip.compress(self._archive))
        elif path.suffix == '.py':
            path.write_text('import tensorflow as tf\n')
        elif path.suffix == '.jpg':
            path.write_bytes(encoded(picture(1, 48, 64), 'JPEG'))
        elif path.suffix == '.txt':
            path.write_text(''.join(f'n{number:06}\n' for number in range(4)))


def value_of(argument):
    """Returns 'x.tar' for '--data=x.tar', and what is no flag as it is."""
    return argument.partition('=')[2] if name_of(argument) else argument


def style_images(hparams):
    """Returns the pictures that hyper-parameters name, with + between them."""
    return (re.search(r'\bstyle_image=([^,]+)', hparams) or ['', ''])[1]


def matches(pattern):
    """Returns what a shell makes of a pattern in the current folder."""
    if '*' not in pattern:
        return [pattern] if Path(pattern).exists() else []
    return sorted(map(str, Path().glob(pattern)))


@pytest.fixture(scope='module')
def world(cnn_dir, style_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp('world')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv('XDG_CACHE_HOME', str(folder / 'cache'))
        made = World(folder, cnn_dir, style_dir)
        patch.setattr(listops, 'TRAIN', 24)
        patch.setattr(listops, 'TEST', 12)
        # The built-in faces are taken for drawn already.
        faces = cache_folder() / f'demo-v{DEMO_VERSION}-seed0-10x160+40'
        faces.mkdir(parents=True)
        for name in ('train.tar', 'test.tar'):
            shutil.copyfile(folder / 'train.tar', faces / name)
        yield made


@pytest.fixture
def stdin():
    """Makes a file this process's standard input."""
    before = os.dup(0)

    def become(path):
        with path.open('rb') as file:
            os.dup2(file.fileno(), 0)

    yield become
    os.dup2(before, 0)
    os.close(before)


@pytest.mark.parametrize('command', COMMANDS, ids=str)
def test_command(command, world, stdin, capfd):
    for line in command.text.split(' && '):
        *sources, line = line.split(' | ')
        for source in sources:
            program, *arguments = shlex.split(source)
            assert program == 'curl', f'a command to be taught to this test: {source}'
            file = Path(arguments[-1]).name
            world.provide([file], makes_models=False)
            stdin(Path(file))
        if assignment := re.fullmatch(r"([A-Z]+)='(.*)'", line):
            world.variables[assignment[1]] = assignment[2]
            continue
        program, *arguments = shlex.split(string.Template(line).safe_substitute(world.variables))
        run_program(program.removeprefix('.venv/bin/'), arguments, world, capfd)


def run_program(program, arguments, world, capfd):
    if program in ('python', 'python3') and arguments[0] == '-m':
        run_module(arguments[1], arguments[2:], world, capfd)
    elif program == 'python' and arguments[0] == '-c':
        world.provide(re.findall(r"'(\w+\.\w+)'", arguments[1]), makes_models=False)
        exec(arguments[1], {})
    elif program == 'python':
        check_script(arguments[0], arguments[1:], capfd)
    elif program == 'saved_model_cli':
        run_saved_model_cli(arguments, world)
    elif program == 'make':
        subprocess.run(['make', '--dry-run', *arguments], cwd=ROOT, check=True, capture_output=True)
    elif program == 'pip':
        check_requirements(arguments)
    elif program == 'export':
        name, _, value = arguments[0].partition('=')
        assert name == 'TF_CONFIG' and set(json.loads(value)) == {'cluster', 'task'}
    else:
        scripts = {script.name for script in importlib.metadata.entry_points(group='console_scripts')}
        assert program in {*scripts, 'ruff'}, f'a command to be taught to this test: {program}'


def run_module(module, arguments, world, capfd):
    if not module.startswith('estimator_lab.'):
        assert importlib.util.find_spec(module)
    elif module in ONLY_FLAGS or '...' in arguments or any(map(ELSEWHERE.match, arguments)):
        check_flags(output_of_module(module, ['--help'], capfd), arguments)
    else:
        trains = module == 'estimator_lab.train'
        arguments = [PLACEHOLDERS.get(argument, argument) for argument in arguments]
        world.provide(arguments, makes_models=trains)
        output_of_module(module, shorter(arguments) if trains else arguments, capfd)


def shorter(arguments):
    kept = [argument for argument in arguments if name_of(argument) not in SHORTER]
    end = '--max_steps=1' if '--data=-' in arguments else '--epochs=1'
    smaller = {name: value for name, value in SHORTER.items() if value}
    if any(argument.endswith('.tsv') for argument in arguments):  # trees have no pixels
        del smaller['image_size']
    if '--model=vgg' in arguments:  # five poolings
        smaller['image_size'] = '32'
    return [*kept, end, *(f'--{name}={value}' for name, value in smaller.items())]


def name_of(argument):
    """Returns 'data' for '--data=x.tar', '' for what is no flag."""
    return argument[2:].partition('=')[0] if argument.startswith('--') else ''


def output_of_module(module, arguments, capfd):
    status = run_module_here(module, *arguments)
    shown = capfd.readouterr()
    assert status == 0, shown.err
    return shown.out


def check_script(path, arguments, capfd):
    script = ROOT / path
    if not any(map(name_of, arguments)):
        compile(script.read_text(), path, 'exec')
        return
    check_flags(help_of_script(script), arguments)


@functools.cache
def help_of_script(script):
    """In a process of its own: some programs change TensorFlow's behaviour for all that comes after."""
    done = subprocess.run([sys.executable, script, '--help'], capture_output=True, text=True, check=False)
    return done.stdout


def check_flags(help_text, arguments):
    known = set(re.findall(r'^ +(?:-\w, )?--(\w+)', help_text, re.MULTILINE))
    assert {name_of(argument) for argument in arguments} - {''} <= known


def run_saved_model_cli(arguments, world):
    world.provide(arguments, makes_models=False)
    found = [match for a in arguments for match in (matches(a) if '*' in a else [a])]
    # In a process of its own: it raises the level of the log for all that comes after.
    program = [sys.executable, '-m', 'tensorflow.python.tools.saved_model_cli', *found]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'Result for output key labels' in done.stdout


def check_requirements(arguments):
    extras = re.findall(r'\[(\w+)\]', ' '.join(arguments))
    assert all(f"'{extra}':" in (ROOT / 'setup.py').read_text() for extra in extras)


@pytest.mark.parametrize('text', sorted({text for page in all_pages() for text in flags_of_training(page)}))
def test_flags_of_training(text):
    chosen = {name_of(part): part.partition('=')[2] for part in text.split()}
    assert set(chosen) <= set(train.FLAGS)
    module = find_model(chosen.get('model', 'cnn')).load()
    if chosen.get('hparams', 'help') != 'help':
        module.check(resolve(module.Params, parse_hparams(module.Params, chosen['hparams'])))


def test_every_flag_that_a_page_names_exists(capfd):
    modules = {m[1] for c in COMMANDS if (m := re.search(r'-m (estimator_lab[.\w]+)', c.text))}
    known = {'help', 'flagfile', 'completion', 'version'}  # of every command; of the list of them
    # Of benchmarks and examples:
    known |= {'train', 'test', 'count', 'rounds', 'seeds', 'kills', 'models', 'perceptual'}
    known |= {'only', 'photos', 'rival', 'seconds', 'side', 'style_weight'}
    known |= {'batch', 'cg_steps', 'checkpoint', 'method', 'minutes', 'rate', 'share'}
    # Of programs of others, in docs/programs.md:
    known |= {'bleu_source', 'export_dir', 'tpu', 'use_tpu'}
    for module in modules:
        help_text = output_of_module(module, ['--help'], capfd)
        known |= set(re.findall(r'^ +--(\w+)', help_text, re.MULTILINE))
    assert set().union(*map(flags_named, all_pages())) <= known
