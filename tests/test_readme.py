"""Runs every command shown in README, docs, examples and benchmarks.

The commands run in one folder, in the order of the pages, so that one command finds the output of another.
Input files that no earlier command wrote are provided. To keep this quick:

- Images are 8x8, archives hold 24 images, and training takes one pass: `SHORTER`, `World.provide`.
- Nothing is installed or downloaded: for `pip install` the extras are checked, for `make` there is a dry run,
  and `curl` reads a local file of that name.
- For commands that take minutes or several machines, only the flags are checked: examples (run by
  `tests/examples`), benchmarks, clusters (run by `tests/training/test_distribution.py`), and `ONLY_FLAGS`.
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
from estimator_lab.core.model.hparams import parse_hparams, resolve
from estimator_lab.data.cache import cache_folder
from estimator_lab.data.demo_sets import listops
from estimator_lab.data.demo_sets.archives import DEMO_VERSION
from estimator_lab.models.registry import find_model
from tests.archive_files import encoded, picture, small_archive
from tests.commands import flags_of, invoke
from tests.documentation import (
    ROOT,
    all_commands,
    all_pages,
    anchors,
    commands_of_page,
    flags_named,
    flags_of_training,
    links,
)

COMMANDS = all_commands()
# Replacements for flags of estimator_lab.train; None removes the flag.
SHORTER = {'image_size': '8', 'epochs': None, 'max_steps': None, 'batch_size': '24'}
# Class images need a network trained for many minutes; published weight files are not part of the repository;
# a program that `run` starts has a process of its own; and `to_keras` needs the export of a canned Estimator.
ONLY_FLAGS = tuple(f'estimator_lab.{name}' for name in ('dream', 'import_weights', 'run', 'to_keras'))
# Flags that need several machines or published weights.
ELSEWHERE = re.compile(r'--distribution|--warm_start=.*\.(ckpt|h5)$|--hparams=.*\bperceptual=|--data=\w+://')
PAINTINGS = ('wave',)
OUTPUTS = ('out', 'files')
PLACEHOLDERS = {'ARCHIVE': 'ARCHIVE.tar'}


class World:
    """The folder in which the commands run.

    Args:
      folder: an empty folder for the input files.
      model_dir: a trained classifier.
      painter_dir: a trained style network, copied for a --model_dir named after a painting.
    """

    def __init__(self, folder, model_dir, painter_dir):
        self._folder = folder
        self._model_dir, self._painter_dir = model_dir, painter_dir
        self._archive = small_archive(folder).read_bytes()
        self.variables = {}  # shell variables

    def provide(self, arguments, makes_models):
        """Creates the input files that a command names and no earlier command has written."""
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
        if name == 'model_dir' or path.parent.name == 'runs':
            shutil.copytree(self._painter_dir if path.name in PAINTINGS else self._model_dir, path)
        elif path.name.endswith('.tar'):
            path.write_bytes(self._archive)
        elif path.name.endswith('.tar.gz'):
            path.write_bytes(gzip.compress(self._archive))
        elif path.suffix == '.py':
            path.write_text('import tensorflow as tf\n')
        elif path.suffix == '.jpg':
            path.write_bytes(encoded(picture(1, 48, 64), 'JPEG'))
        elif not path.suffix:
            self._make(name, path / 'program.py', is_folder=False)
        elif path.suffix == '.txt':
            path.write_text(''.join(f'n{number:06}\n' for number in range(4)))


def value_of(argument):
    """Returns 'x.tar' for '--data=x.tar', and a positional argument unchanged."""
    return argument.partition('=')[2] if name_of(argument) else argument


def style_images(hparams):
    """Returns the value of style_image in a list of hyper-parameters: paths joined by +."""
    return (re.search(r'\bstyle_image=([^,]+)', hparams) or ['', ''])[1]


def matches(pattern):
    """Returns the paths that a glob pattern matches in the current folder."""
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
        # Fill the cache, so that the built-in faces are not drawn.
        faces = cache_folder() / f'demo-v{DEMO_VERSION}-seed0-10x160+40'
        faces.mkdir(parents=True)
        for name in ('train.tar', 'test.tar'):
            shutil.copyfile(folder / 'train.tar', faces / name)
        yield made


@pytest.fixture
def stdin():
    """Redirects standard input of this process to a file."""
    before = os.dup(0)

    def become(path):
        with path.open('rb') as file:
            os.dup2(file.fileno(), 0)

    yield become
    os.dup2(before, 0)
    os.close(before)


@pytest.mark.parametrize('command', COMMANDS, ids=str)
def test_command(command, world, stdin, capfd):
    run_command(command.text, world, stdin, capfd)


def test_the_five_minutes_can_be_repeated(world, stdin, capfd, cnn_dir, style_dir, tmp_path, monkeypatch):
    """They write below runs/, which git ignores, and nowhere else."""
    section = (ROOT / 'README.md').read_text(encoding='utf-8').split('## Five minutes')[1]
    commands = list(commands_of_page(section.partition('\nNo command')[0]))
    inputs, clone = tmp_path / 'inputs', tmp_path / 'clone'
    inputs.mkdir()
    shutil.copytree(cnn_dir, clone / 'runs' / 'cnn')
    monkeypatch.chdir(clone)
    for text in 2 * commands:
        run_command(text, World(inputs, cnn_dir, style_dir), stdin, capfd)
        (clone / 'runs/exported/temp-9').mkdir(parents=True, exist_ok=True)  # as an export that was killed
    assert len(matches('runs/exported/[0-9]*')) == 2
    assert matches('*') == ['runs']


def test_the_quoted_output_is_what_train_prints(world, capfd):
    """Except numbers, the size of a large checkpoint, and the command that starts Python."""
    smaller = ['--image_size=8', '--max_steps=2', '--model_dir=runs/quoted']
    shown = output_of_module('estimator_lab.train', ['--model=cnn', *smaller], capfd)
    shown = shown.replace('runs/quoted', 'runs/cnn').replace('training images', 'unseen images')
    shown = shown.replace(' --image_size=8', '')
    quoted = re.search(
        r'^```\n(Accuracy .*?)^```', (ROOT / 'README.md').read_text(), re.DOTALL | re.MULTILINE
    )
    assert masked(shown).splitlines()[-4:] == masked(quoted[1]).splitlines()


def masked(text):
    text = re.sub(r'\S*python -m tensorboard\.main', 'tensorboard', re.sub(r' \(.* MB;.*\)', '', text))
    return re.sub(r'\d[\d.,]*', 'N', re.sub(r'\S*python ', 'python ', text))


def run_command(text, world, stdin, capfd):
    for line in replace_substitutions(text).split(' && '):
        *sources, line = line.split(' | ')
        for source in sources:
            program, *arguments = shlex.split(source)
            assert program == 'curl', f'unknown to this test: {source}'
            file = Path(arguments[-1]).name
            world.provide([file], makes_models=False)
            stdin(Path(file))
        if assignment := re.fullmatch(r"([A-Z]+)='(.*)'", line):
            world.variables[assignment[1]] = assignment[2]
            continue
        program, *arguments = shlex.split(string.Template(line).safe_substitute(world.variables))
        run_program(program.removeprefix('.venv/bin/'), arguments, world, capfd)


def replace_substitutions(text):
    """Replaces each $(...) with the output of the shell."""
    return re.sub(
        r'\$\(([^)]*)\)',
        lambda found: subprocess.run(
            found[1], shell=True, capture_output=True, text=True, check=True
        ).stdout.strip(),
        text,
    )


def run_program(program, arguments, world, capfd):
    if program in ('python', 'python3') and arguments[0] == '-m':
        run_module(arguments[1], arguments[2:], world, capfd)
    elif program == 'python' and arguments[0] == '-c':
        world.provide(re.findall(r"open\('([^']+)'", arguments[1]), makes_models=False)
        exec(arguments[1], {})
    elif program == 'python':
        check_script(arguments[0], arguments[1:], capfd)
    elif program == 'saved_model_cli':
        run_saved_model_cli(arguments)
    elif program == 'make':
        subprocess.run(['make', '--dry-run', *arguments], cwd=ROOT, check=True, capture_output=True)
    elif program == 'pip':
        check_requirements(arguments)
    elif program == 'export':
        name, _, value = arguments[0].partition('=')
        assert name == 'TF_CONFIG' and set(json.loads(value)) == {'cluster', 'task'}
    else:
        scripts = {script.name for script in importlib.metadata.entry_points(group='console_scripts')}
        assert program in {*scripts, 'ruff'}, f'unknown to this test: {program}'


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
    if any(argument.endswith('.tsv') for argument in arguments):  # trees have no image size
        del smaller['image_size']
    if '--model=vgg' in arguments:  # five poolings of 2x2
        smaller['image_size'] = '32'
    return [*kept, end, *(f'--{name}={value}' for name, value in smaller.items())]


def name_of(argument):
    """Returns 'data' for '--data=x.tar', '' for a positional argument."""
    return argument[2:].partition('=')[0] if argument.startswith('--') else ''


def output_of_module(module, arguments, capfd):
    status = invoke(module, *arguments)
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
    """Runs in a separate process, as some examples change TensorFlow's behaviour for the whole process."""
    done = subprocess.run([sys.executable, script, '--help'], capture_output=True, text=True, check=False)
    return done.stdout


def check_flags(help_text, arguments):
    known = set(re.findall(r'^ +(?:-\w, )?--(\w+)', help_text, re.MULTILINE))
    assert {name_of(argument) for argument in arguments} - {''} <= known


def run_saved_model_cli(arguments):
    # In a separate process, as it changes the log level.
    program = [sys.executable, '-m', 'tensorflow.python.tools.saved_model_cli', *arguments]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'Result for output key labels' in done.stdout


def check_requirements(arguments):
    extras = re.findall(r'\[(\w+)\]', ' '.join(arguments))
    assert all(f"'{extra}':" in (ROOT / 'setup.py').read_text() for extra in extras)


@pytest.mark.parametrize('page', [*all_pages(), ROOT / 'CHANGELOG.md'], ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for link in links(page):
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_picture_is_on_a_page():
    shown = {Path(link).name for page in all_pages() for link in links(page)}
    assert {path.name for path in (ROOT / 'docs' / 'images').iterdir()} <= shown


@pytest.mark.parametrize('text', sorted({text for page in all_pages() for text in flags_of_training(page)}))
def test_flags_of_training(text):
    chosen = {name_of(part): part.partition('=')[2] for part in text.split()}
    assert set(chosen) <= flags_of(train)
    model = find_model(chosen.get('model', 'cnn'))
    if chosen.get('hparams', 'help') != 'help':
        model.check(resolve(model.params, parse_hparams(model.params, chosen['hparams'])))


def test_every_flag_on_a_page_exists(capfd):
    modules = {m[1] for c in COMMANDS if (m := re.search(r'-m (estimator_lab[.\w]+)', c.text))}
    known = {'help', 'flagfile', 'completion', 'version'}  # of every command and of `estimator_lab` itself
    # Flags of benchmarks and examples:
    known |= {'train', 'test', 'count', 'rounds', 'seeds', 'kills', 'models', 'perceptual', 'commands'}
    known |= {'only', 'photos', 'rival', 'seconds', 'side', 'style_weight'}
    known |= {'batch', 'cg_steps', 'checkpoint', 'method', 'minutes', 'rate', 'share'}
    known |= {'megabytes', 'trainings'}
    # Flags of other programs, such as docker, modernize and BERT; of names with hyphens, the first part:
    known |= {'bleu_source', 'build', 'data_dir', 'do_eval', 'do_predict', 'do_train', 'export_dir', 'no'}
    known |= {'task_name', 'tpu', 'use_tpu', 'v'}
    for module in modules:
        help_text = output_of_module(module, ['--help'], capfd)
        known |= set(re.findall(r'^ +--(\w+)', help_text, re.MULTILINE))
    assert set().union(*map(flags_named, all_pages())) <= known
