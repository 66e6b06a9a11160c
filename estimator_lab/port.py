"""``python -m estimator_lab.port PATH...``: lists what programs for TensorFlow 1 will miss under `run`."""

import ast
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from estimator_lab.base.command import Command, CommandLine, NoSettings
from estimator_lab.base.errors import DataError
from estimator_lab.base.files import all_below
from estimator_lab.base.outputs import why_refused
from estimator_lab.base.progress import say_lines, warn
from estimator_lab.base.python_2 import python_2_advice

_USAGE = """Reads programs for TensorFlow 1 and lists the names that are missing under `run`.

  python -m estimator_lab.port train.py model.py
  python -m estimator_lab.port my_project

Each line is FILE:LINE: what is missing, and what to use instead: names of TensorFlow, Python, NumPy,
SciPy and Pillow. For a folder, all programs below it are read. No program is run, so most of what
fails only at run time is not found. The exit status is 1 if anything is missing."""
_MOST_BYTES = 8 << 20  # far more than any program; a larger file is data
_NO_PROGRAM = (SyntaxError, ValueError, RecursionError, MemoryError)
_V1 = 'tensorflow.compat.v1'
# Modules of others whose names `run` restores in part.
_OTHERS = ('PIL', 'base64', 'collections', 'fractions', 'imp', 'inspect', 'numpy', 'scipy', 'time')
_NO_TPU = (
    'tf.contrib.cluster_resolver.TPUClusterResolver needs the name of a TPU. Without one, pass `local` '
    '(usually --tpu=local or --tpu_name=local).'
)


def main(settings: NoSettings, line: CommandLine) -> int:
    """Runs the command; returns 1 if anything is missing."""
    files = [file for argument in line.arguments for file in _files(Path(argument))]
    assigned = {name for file in files for name in _assigned(file)}
    count = 0
    for file in files:
        try:
            for number, text in missing(file, assigned):
                count += 1
                say_lines(f'{file}:{number}: {text}')
        except DataError as error:
            if str(file) in line.arguments:
                raise
            warn(f'Skipped: {error}')
    if not count:
        say_lines(f'No name is missing in {len(files)} file{"s"[: len(files) != 1]}.')
    return int(count > 0)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    below = sorted(each for each in all_below(path) if each.suffix == '.py' and each.is_file())
    if not below:
        raise DataError(f'{path} has no programs in it: no file ends in .py.')
    yield from below


def _assigned(file: Path) -> set[str]:
    """Returns the names that a file assigns below what it imports; others of the program may use them."""
    from estimator_lab.tf1.uses import assigned_names

    try:
        return assigned_names(_tree(file))
    except (DataError, *_NO_PROGRAM):
        return set()


def missing(file: Path, assigned: Collection[str] = ()) -> list[tuple[int, str]]:
    """Returns (line, sentence) for each name in a program that will be missing under `run`.

    Names in `assigned` are left out. A file that is not a program for this Python has one sentence, which
    says so.

    Raises:
      DataError: the file does not exist, or is larger than a program.
    """
    try:
        tree = _tree(file)
    except _NO_PROGRAM as error:
        advice = python_2_advice(error) if isinstance(error, SyntaxError) else ''
        text = (error.msg if isinstance(error, SyntaxError) else str(error)).rstrip('.?')
        text = f'This is not a Python 3 program: {text}. {advice}'
        return [(getattr(error, 'lineno', None) or 1, text.rstrip())]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # TensorFlow's, about old names
        sentences = {(line, name): text for line, name, text in _missing_in(tree, assigned)}
    return sorted(((line, text) for (line, _), text in sentences.items()), key=lambda each: each[0])


def _tree(file: Path) -> ast.Module:
    try:
        with file.open('rb') as opened:
            source = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f'{file} cannot be read: {why_refused(file, error)}.') from error
    if len(source) > _MOST_BYTES:
        raise DataError(f'{file} is larger than {_MOST_BYTES >> 20} MB, so it is no program.')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Python's, about the program
        return ast.parse(source, str(file))


def _missing_in(tree: ast.Module, assigned: Collection[str]) -> Iterator[tuple[int, str, str]]:
    """Yields (line, name, sentence); a name that cannot be imported is not repeated where it is used."""
    from estimator_lab.tf1.dropped_names import restore_dropped_names
    from estimator_lab.tf1.evidence import evidence_of, path_below
    from estimator_lab.tf1.one_keras import as_written, with_one_keras
    from estimator_lab.tf1.uses import uses

    restore_dropped_names()
    importlib.import_module('estimator_lab.contrib')
    version = evidence_of(tree).version
    reported: set[str] = set()
    for use in uses(with_one_keras(tree, with_keras=False), assigned):
        explicit, path = path_below(use, _V1), path_below(use, 'tensorflow')
        if use.is_handled or use.module in reported:
            continue
        if explicit or path:
            apis = [_V1] if explicit or version == 1 else ['tensorflow'] if version else ['tensorflow', _V1]
            if path.partition('.')[0] in ('contrib', 'python', 'core', 'tools', 'compat', 'examples'):
                apis = ['tensorflow']
            release = f'TensorFlow {sys.modules[_V1].__version__}'
            sentences = [_sentence(sys.modules[api], explicit or path, 'tf', release) for api in apis]
        else:
            sentences = [_sentence_of_others(use.name)]
        if all(sentences):
            reported.add(use.name)
            yield use.line, use.name, as_written(sentences[-1])
        elif use.is_certain and path.startswith('contrib.') and path.endswith('.TPUClusterResolver'):
            yield use.line, use.name, _NO_TPU


def _sentence_of_others(name: str) -> str:
    """Returns what to say of a missing name of one of _OTHERS; '' if it is there, or the package is not."""
    package, _, path = name.removesuffix('.*').partition('.')
    if package not in _OTHERS or not path or importlib.util.find_spec(package) is None:
        return ''
    module = importlib.import_module(package)
    version = getattr(module, '__version__', '')
    return _sentence(module, path, package, f'{package} {version}' if version else 'this Python')


def _sentence(holder: Any, path: str, root: str, release: str) -> str:
    """Returns what to say of a path that is missing below a module; '' if it is there."""
    from estimator_lab.contrib.modules import StandIn
    from estimator_lab.contrib.remedies import sentence

    names = path.split('.')
    for depth, name in enumerate(names, 1):
        so_far = '.'.join(names[:depth])
        try:
            holder = _attribute(holder, name)
        except Exception as error:  # noqa: BLE001 - loading a part of a package can raise anything
            own = str(error).startswith(('tf.', '`np.'))  # says what to use instead
            return ' '.join(str(error).split()) if own else f'{root}.{so_far} is not in {release}.'
        # Not isinstance, which asks the object: tf.flags.FLAGS may parse the command line to answer.
        if issubclass(type(holder), StandIn):
            return sentence(so_far.removeprefix('contrib.'))
        if not issubclass(type(holder), ModuleType | type):
            break
    return ''


def _attribute(holder: Any, name: str) -> Any:
    """Returns an attribute, or the module of that name below a package."""
    try:
        return getattr(holder, name)
    except AttributeError as missing_attribute:
        if not hasattr(holder, '__path__'):
            raise
        try:
            return importlib.import_module(f'{holder.__name__}.{name}')
        except ModuleNotFoundError:
            raise missing_attribute from None


COMMAND = Command(main, _USAGE, arguments='PATH...', prints_rows=True)

if __name__ == '__main__':
    COMMAND.run_and_leave()
