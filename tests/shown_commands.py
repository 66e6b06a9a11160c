"""Runs the commands shown in README, docs, examples and benchmarks.

The commands of a test file run in one folder, in the order of the pages, so that one command finds the output
of another. Input files that no earlier command wrote are provided. To keep this quick:

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
import re
import shlex
import shutil
import string
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.archive_files import encoded, picture, small_archive
from tests.commands import invoke
from tests.forks import Process
from tests.places import ROOT

# Replacements for flags of estimator_lab.train; None removes the flag.
SHORTER = {'image_size': '8', 'epochs': None, 'max_steps': None, 'batch_size': '24'}
# Class images need a network trained for many minutes; published weight files are not part of the repository;
# and a program that `run` starts has a process of its own.
ONLY_FLAGS = tuple(f'estimator_lab.{name}' for name in ('dream', 'import_weights', 'run'))
# Flags that need several machines or published weights.
ELSEWHERE = re.compile(
    r'--distribution|--warm_start=.*(\.(ckpt|h5|safetensors)|/head)$|--hparams=.*\bperceptual=|--data=\w+://'
)
# Arguments that stand for something else, such as the export of a canned Estimator.
UNKNOWN = {'...', 'EXPORT'}
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
        if line.startswith('printf '):
            subprocess.run(line, shell=True, check=True)
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
    elif module in ONLY_FLAGS or UNKNOWN.intersection(arguments) or any(map(ELSEWHERE.match, arguments)):
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
    if any(re.fullmatch(r'--data=.*\.(tsv|txt)', argument) for argument in arguments):  # trees have no size
        del smaller['image_size']
    kept = [re.sub(r'\bpretrain_epochs=\d+', 'pretrain_epochs=1', argument) for argument in kept]
    if {'--model=vgg', '--model=resnet'} & set(arguments):  # they halve the sides five times
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
    with tempfile.TemporaryDirectory() as folder:
        process = Process([str(script), '--help'], Path(folder, 'out'), Path(folder, 'err'))
        return process.communicate(timeout=600)[0]


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
