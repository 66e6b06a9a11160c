"""``python -m estimator_lab.run PROGRAM.py ...``: runs a TensorFlow 1 program, unedited."""

import ast
import builtins
import functools
import importlib
import importlib.util
import runpy
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, NoReturn

from estimator_lab.base.command import Command, CommandLine, sentence_and_status
from estimator_lab.base.errors import FlagError, LabError
from estimator_lab.base.progress import warn
from estimator_lab.base.python_2 import python_2_advice
from estimator_lab.base.settings import setting

_USAGE = """Runs a TensorFlow 1 program as it is, with tf.estimator, tf.contrib and TensorFlow 1's names.

  python -m estimator_lab.run train.py ARGUMENT...
  python -m estimator_lab.run -m package.module ARGUMENT...
  python -m estimator_lab.run book.ipynb

Flags of this command precede PROGRAM; all that follows belongs to the program. Exit status and tracebacks are
the program's own. Modules that use names of TensorFlow 2 run as they are; others get TensorFlow 1 as
`tensorflow`. Where both would run, with other results, a line says which was taken. Names that Python, NumPy,
SciPy and Pillow have dropped work too: inspect.getargspec, np.float, scipy.misc.imread, Image.ANTIALIAS."""
# Files whose frames precede the program's.
_STARTERS = (__file__, 'runpy.py', '<frozen runpy>', 'tf1/programs.py', 'tf1/notebooks.py', 'ast.py')


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How the program runs."""

    v1: bool = setting(False, 'all modules get TensorFlow 1 and its behaviour', group='How the program runs')
    v2: bool = setting(False, 'all modules get TensorFlow 2', group='How the program runs')


class ProgramCall(NamedTuple):
    """A command line: the command's own part, and the program's, whose first part is its name."""

    own: list[str]
    program: list[str]
    is_module: bool = False


def split(argv: Sequence[str]) -> ProgramCall:
    """Splits a command line at the program, or at -m and the name of a module."""
    for index, argument in enumerate(argv[1:], 1):
        if argument == '-m':
            return ProgramCall(list(argv[:index]), list(argv[index + 1 :]), is_module=True)
        if argument == '-' or not argument.startswith('-'):
            return ProgramCall(list(argv[:index]), list(argv[index:]))
    return ProgramCall(list(argv), [])


class _Launcher(Command):
    """A command that becomes the program: none of its own handlers, messages or frames remain."""

    def run(self) -> NoReturn:
        """Runs the program, or what the flags request if there is none."""
        line = split(sys.argv)
        if not line.program and not line.is_module:
            super().run()
        try:
            if not line.program:
                raise FlagError('-m is not followed by the name of a module.')
            settings, _ = self.parse(line.own)
            start = _prepare(settings, line)
        except (LabError, ImportError, OSError) as error:
            sentence, status = sentence_and_status(error)
            warn(f'error: {sentence}')
            sys.exit(status)
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see estimator_lab/__init__.py
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.excepthook = _show_program_only
        sys.argv = line.program
        start()
        sys.exit()


def _main(settings: RunSettings, line: CommandLine) -> None:
    """Rejects a command line without a program."""
    raise FlagError('PROGRAM is missing, see --help.')


def _prepare(settings: RunSettings, line: ProgramCall) -> Callable[[], object]:
    """Restores what programs use; returns the function that runs the program.

    Raises:
      FlagError: there is no such program, or both flags are given.
      ImportError: the installed packages do not fit.
    """
    name = line.program[0]
    file = None if line.is_module else _main_file(Path(name))
    if settings.v1 and settings.v2:
        raise FlagError('--v1 and --v2 exclude each other.')
    cells = []
    if file and file.suffix == '.ipynb':
        from estimator_lab.tf1.notebooks import code_cells

        cells = code_cells(file)
    programs = adapt_programs(settings.v1 + 2 * settings.v2, '' if file else name)
    return (
        functools.partial(_run_file, programs, file, cells) if file else functools.partial(_run_module, name)
    )


def adapt_programs(forced: int = 0, main: str = '') -> Any:
    """Offers `tf.contrib` and `tf.examples`, restores dropped names, and installs `tf1.programs.Programs`.

    It chooses TensorFlow 1 or 2 for each module imported from now on.

    Returns:
      The import finder, a `tf1.programs.Programs`.
    """
    from estimator_lab.tf1.dropped_names import print_numbers_as_before, restore_dropped_names
    from estimator_lab.tf1.programs import Programs
    from estimator_lab.tf1.restored_estimator import offer

    offer(['contrib', 'examples'], functools.partial(importlib.import_module, 'estimator_lab.contrib'))
    restore_dropped_names()
    print_numbers_as_before()
    programs = Programs(forced, main)
    sys.meta_path.insert(0, programs)
    return programs


def _main_file(path: Path) -> Path:
    """Returns the file of a program, which may be a folder with a __main__.py."""
    file = path / '__main__.py' if path.is_dir() else path
    if not file.is_file():
        hint = ': programs are read from files' if str(file) == '-' else ''
        raise FlagError(f'There is no program {str(file)!r}{hint}.')
    if file.suffix not in ('.py', '.ipynb'):
        try:
            ast.parse(file.read_bytes())
        except (SyntaxError, ValueError) as error:
            raise FlagError(f'{str(file)!r} is not a Python program.') from error
    return file


def _run_file(programs: Any, file: Path, cells: Sequence[str]) -> None:
    _put_on_path(file.parent.resolve())
    main = ModuleType('__main__')
    vars(main).update(__file__=str(file), __builtins__=builtins)
    sys.modules['__main__'] = main
    if file.suffix == '.ipynb':
        from estimator_lab.tf1.notebooks import run_notebook

        run_notebook(programs, file, cells, vars(main))
    else:
        exec(programs.read_main(str(file)), vars(main))


def _put_on_path(folder: Path) -> None:
    if not getattr(sys.flags, 'safe_path', False):  # -P, of Python 3.11
        sys.path[0] = str(folder)


def _run_module(name: str) -> None:
    _put_on_path(Path.cwd())
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if not error.name or not f'{name}.'.startswith(f'{error.name}.'):
            raise
        spec = None
    if spec is None:
        warn(f'error: There is no module {name!r}.')
        sys.exit(FlagError.exit_status)
    runpy.run_module(name, run_name='__main__', alter_sys=True)


def _show_program_only(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints a traceback without the frames that precede the program."""
    while trace and trace.tb_frame.f_code.co_filename.endswith(_STARTERS):
        trace = trace.tb_next
    sys.__excepthook__(kind, error.with_traceback(trace), trace)
    if isinstance(error, SyntaxError) and (advice := python_2_advice(error)):
        warn(advice)


COMMAND = _Launcher(_main, _USAGE, RunSettings, arguments='[PROGRAM ...]')

if __name__ == '__main__':
    COMMAND.run()
