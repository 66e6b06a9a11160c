"""Settings become flags, a help page and errors in one sentence."""

import contextlib
import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from estimator_lab.base import command
from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.progress import say
from estimator_lab.base.settings import setting

HINT = 'Hyper-parameters are given as --hparams=NAME=VALUE,...; train --hparams=help lists them.'
EMPTY = 'is given without a value: leave it out, or give one.'


@dataclass(frozen=True)
class Settings:
    """A setting of every type."""

    name: str = setting('oven', 'its name', group='What')
    size: int = setting(1, 'how large', group='How', lower=1, upper=300)
    rate: float | None = setting(None, 'how fast', group='How', lower=0)
    fast: bool = setting(False, 'whether it is fast', group='What')
    trays: int = setting(1, 'how many', group='What', choices=(1, 3))
    paths: Sequence[str] = setting((), 'where', group='What')
    path: Path | None = setting(None, 'where', group='What')
    hparams: str = setting('', 'name=value,...', group='What')
    plain: int = 7


def make(main=lambda settings, line: None, **options):
    return Command(main, 'Does things.', Settings, **options)


def parsed(*arguments, **options):
    return make(**options).parse(['program', *arguments])


def run(monkeypatch, arguments, main=lambda settings, line: None):
    monkeypatch.setattr('sys.argv', ['program', *arguments])
    with pytest.raises(SystemExit) as ended:
        make(main).run()
    return ended.value.code or 0


def test_without_arguments_all_have_their_defaults():
    assert parsed() == (Settings(), CommandLine([], {}))


def test_flags_have_the_types_of_their_settings():
    arguments = ('--name=x', '--size=200', '--rate=0.5', '--fast', '--trays=3', '--paths=a,b', '--path=r.txt')
    settings, line = parsed(*arguments)
    assert settings == Settings('x', 200, 0.5, True, 3, ('a', 'b'), Path('r.txt'))
    assert type(settings.trays) is int
    names = [word.removeprefix('--').partition('=')[0] for word in arguments]
    assert line.given == set(names) and line.words == dict(zip(names, arguments, strict=True))
    assert parsed('--size=2', '--size=3')[0].size == 3, 'the last one counts'


def test_home_is_expanded_in_flags_and_arguments(monkeypatch):
    monkeypatch.setenv('HOME', '/home/anna')
    settings, line = parsed('--path=~/a', '--paths=~/a,b~/c,~/d/*.tar', '~/e', arguments='[FILE...]')
    assert settings.path == Path('/home/anna/a')
    assert settings.paths == ('/home/anna/a', 'b~/c', '/home/anna/d/*.tar')
    assert line.arguments == ['/home/anna/e']


@pytest.mark.parametrize(
    ('flag', 'words'),
    [('--help=yes', 'Does things.'), ('-help', 'Does things.'), ('--version', 'estimator_lab ')],
)
def test_help_and_version_end_a_command(monkeypatch, capsys, flag, words):
    assert run(monkeypatch, ['--nonsense', flag]) == 0
    assert capsys.readouterr().out.startswith(words)


def test_help_shows_the_flags_by_group():
    assert (
        make().help_text()
        == """Does things.

What:
  --name=oven              its name
  --fast                   whether it is fast
  --trays=1                <1|3>: how many
  --paths=                 where
  --path=...               where
  --hparams=               name=value,...

How:
  --size=1                 how large
  --rate=...               how fast"""
    )


FILES = {'arguments': 'FILE...'}


@pytest.mark.parametrize(
    ('arguments', 'options', 'words'),
    [
        (['stray'], {}, "Unexpected argument 'stray', see --help."),
        ([], FILES, 'FILE... is missing, see --help.'),
        ([], {'required': ['path']}, '--path is missing, see --help.'),
        (['--path='], {'required': ['path']}, f'--path {EMPTY}'),
        (['--paths=a,'], {}, f'--paths {EMPTY}'),
        *(([f'--{flag}='], {}, f'--{flag} {EMPTY}') for flag in ('name', 'paths', 'hparams')),
        (['a', ''], FILES, 'An argument is empty: leave it out, or name a file or a folder.'),
        (['--size=x'], {}, '--size=x is not a whole number.'),
        (['--rate=x'], {}, '--rate=x is not a number.'),
        (['--rate=nan'], {}, '--rate=nan is not a finite number.'),
        (['--fast=maybe'], {}, '--fast=maybe is neither true nor false.'),
        (['--sise=3'], {}, 'There is no flag --sise; did you mean --size? --help lists all.'),
        (['--nonsense'], {}, f'There is no flag --nonsense; --help lists all. {HINT}'),
        (['--momentun=1'], {}, 'There is no flag --momentun; did you mean --hparams=momentum=...? --help li'),
        (['--plain=3'], {}, f'There is no flag --plain; --help lists all. {HINT}'),
        (['--size=0'], {}, '--size=0: 0 is not an integer in the range [1, 300]; --help lists the flags.'),
        (['--trays=2'], {}, '--trays=2: value should be one of <1|3>; --help lists the flags.'),
        (['--name', '--size=3'], {}, f'--name {EMPTY}'),
        (['--paths', '--nofast'], {}, f'--paths {EMPTY}'),
        (['--paths=a', '--paths=b'], {}, '--paths is given 2 times: give it once, with commas between'),
        (['--hparams=a=1', '--hparams=b=1'], {}, '--hparams is given 2 times: give it once, with commas'),
    ],
)
def test_wrong_command_lines_are_one_sentence(arguments, options, words):
    with pytest.raises(FlagError) as error:
        parsed(*arguments, **options)
    assert error.value.sentence.startswith(words)


@pytest.mark.parametrize(
    ('error', 'status', 'words'),
    [
        (FlagError('No.'), 2, 'error: No.'),
        (DataError('Cut: --size=9 helps.'), 1, 'error: Cut: --size=9 helps.'),
        (MemoryError(), 1, 'error: This machine does not have enough memory.'),
        (PermissionError(13, 'Permission denied', 'x'), 1, "error: 'x' cannot be used: Permission denied."),
        (ImportError('no\n  such module'), 1, 'error: no such module'),
        (KeyboardInterrupt(), 130, 'error: Stopped.'),
    ],
)
def test_errors_are_one_sentence(monkeypatch, capsys, error, status, words):
    def fail(settings, line):
        raise error

    assert run(monkeypatch, [], fail) == status
    assert capsys.readouterr().err == f'{words}\n'


def test_a_required_flag_that_is_given_is_enough():
    settings, _ = parsed('--path=r.txt', required=['path'])
    assert settings.path == Path('r.txt')


def test_faults_of_the_program_keep_their_traceback_but_after_a_signal(monkeypatch, capsys):
    """An import that a signal interrupts may raise anything."""

    def fail(settings, line):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(monkeypatch, [], fail)
    left = []
    stopped = threading.Event()
    stopped.set()
    monkeypatch.setattr(command, 'ended_by_signals', lambda: contextlib.nullcontext(stopped))
    monkeypatch.setattr(command, 'leave', left.append)
    assert run(monkeypatch, [], fail) == 130
    assert (left, capsys.readouterr().err) == ([130], 'error: Stopped.\n')


def test_letters_that_a_terminal_lacks_are_escaped_and_other_streams_stay_as_they_are(monkeypatch):
    ascii_only, other = io.TextIOWrapper(io.BytesIO(), 'ascii'), io.StringIO()
    for stream in (ascii_only, other):
        monkeypatch.setattr('sys.stdout', stream)
        assert run(monkeypatch, [], lambda settings, line: say('\xc4hre')) == 0
        stream.flush()
    assert (ascii_only.buffer.getvalue(), other.getvalue()) == (b'\\xc4hre\n', '\xc4hre\n')


@pytest.mark.parametrize(
    ('found', 'own', 'word'),
    [
        ('/env/bin/python', '/env/bin/python3.13', 'python'),
        ('/usr/bin/python', '/env/bin/python', '/env/bin/python'),
        (None, '/here/.venv/bin/python', '.venv/bin/python'),
        (None, '/my env/python', "'/my env/python'"),
    ],
)
def test_the_word_that_starts_this_python(monkeypatch, found, own, word):
    monkeypatch.setattr('shutil.which', lambda name: found)
    monkeypatch.setattr('sys.executable', own)
    monkeypatch.setattr('os.getcwd', lambda: '/here')
    assert command.python() == word
