"""``python -m estimator_lab.port PATH...``: lists what programs for TensorFlow 1 will miss under `run`."""

import ast
import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from estimator_lab.base.command import Command, CommandLine, NoSettings
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.files import all_below
from estimator_lab.base.outputs import why_refused
from estimator_lab.base.progress import say_lines, warn

_USAGE = """Reads programs for TensorFlow 1 and lists the names of TensorFlow that are missing under `run`.

  python -m estimator_lab.port train.py model.py
  python -m estimator_lab.port my_project

Each line is FILE:LINE: what is missing, and what to use instead. For a folder, all programs below it are
read. No program is run, so what fails only at run time is not found. The exit status is 1 if anything is
missing."""
_MOST_BYTES = 8 << 20  # far more than any program; a larger file is data
_V1 = 'tensorflow.compat.v1'


def main(settings: NoSettings, line: CommandLine) -> int:
    """Runs the command; returns 1 if anything is missing."""
    if not line.arguments:
        raise FlagError('PATH... is missing, see --help.')
    files = [file for argument in line.arguments for file in _files(Path(argument))]
    found = []
    for file in files:
        try:
            found += [f'{file}:{number}: {text}' for number, text in missing(file)]
        except DataError as error:
            if str(file) in line.arguments:
                raise
            warn(f'Skipped: {error}')
    if found:
        say_lines('\n'.join(found))
    else:
        say_lines(f'No name of TensorFlow is missing in {len(files)} file{"s"[: len(files) != 1]}.')
    return int(bool(found))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    below = sorted(each for each in all_below(path) if each.suffix == '.py' and each.is_file())
    if not below:
        raise DataError(f'{path} has no programs in it: no file ends in .py.')
    yield from below


def missing(file: Path) -> list[tuple[int, str]]:
    """Returns (line, sentence) for each name of TensorFlow in a program that will be missing under `run`.

    A file that is not a program for this Python has one sentence, which says so.

    Raises:
      DataError: the file does not exist, or is larger than a program.
    """
    try:
        with file.open('rb') as opened:
            source = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f'{file} cannot be read: {why_refused(file, error)}.') from error
    if len(source) > _MOST_BYTES:
        raise DataError(f'{file} is larger than {_MOST_BYTES >> 20} MB, so it is no program.')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Python's, about the program, and TensorFlow's, about old names
        try:
            tree = ast.parse(source, str(file))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            text = error.msg if isinstance(error, SyntaxError) else str(error)
            return [(getattr(error, 'lineno', None) or 1, f'This is not a Python 3 program: {text}.')]
        found = {(line, name): text for line, name, text in _missing_in(tree)}
    return sorted(((line, text) for (line, _), text in found.items()), key=lambda each: each[0])


def _missing_in(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yields (line, name, sentence); a name that cannot be imported is not repeated where it is used."""
    from estimator_lab.tf1.programs import path_below, style_of
    from estimator_lab.tf1.uses import uses

    importlib.import_module('estimator_lab.contrib')
    v1 = style_of(tree).v1
    reported: set[str] = set()
    for use in uses(tree):
        explicit, path = path_below(use, _V1), path_below(use, 'tensorflow')
        if use.is_handled or not (explicit or path) or use.module in reported:
            continue
        apis = [_V1] if explicit or v1 else ['tensorflow'] if v1 is False else ['tensorflow', _V1]
        if path.partition('.')[0] in ('contrib', 'python', 'core', 'tools', 'compat'):
            apis = ['tensorflow']
        sentences = [_sentence(api, explicit or path) for api in apis]
        if all(sentences):
            reported.add(use.name)
            yield use.line, use.name, sentences[-1]


def _sentence(api: str, path: str) -> str:
    """Returns what to say of a path that is missing in an API; '' if it is there."""
    from estimator_lab.contrib.modules import StandIn
    from estimator_lab.contrib.table import sentence

    holder: Any = sys.modules[api]
    names = path.split('.')
    for depth, name in enumerate(names, 1):
        so_far = '.'.join(names[:depth])
        try:
            holder = _attribute(holder, name)
        except Exception as error:  # noqa: BLE001 - loading a part of TensorFlow can raise anything
            if str(error).startswith('tf.'):
                return str(error)
            return f'tf.{so_far} is not in TensorFlow {sys.modules[_V1].__version__}.'
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
