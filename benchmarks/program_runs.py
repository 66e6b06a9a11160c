"""Runs one recipe of programs.py: checks out, installs, makes files, runs commands, judges their output."""

import contextlib
import json
import math
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from program_recipes import Recipe

HERE = Path(__file__).parent
ROOT = HERE.parent
REQUIRED = {
    'pandas': 'python-dateutil pytz tzdata',
    'joblib': 'cloudpickle',
    'matplotlib': 'contourpy cycler fonttools kiwisolver pyparsing python-dateutil',
    'scikit-learn': 'scipy joblib threadpoolctl narwhals cloudpickle',
    'ipython': 'traitlets decorator pygments ipython-pygments-lexers jedi parso prompt_toolkit wcwidth '
    'stack_data executing asttokens pure_eval matplotlib-inline pexpect ptyprocess',
}
"""{package: what it requires}."""
_ERROR = re.compile(r'^(?:error: .*|[\w.]*(?:Error|Exception|Exit|Interrupt)\b:?.*)$', re.MULTILINE)


class FailedError(Exception):
    """A program did not do what its recipe says; the message is the reason."""


@dataclass(frozen=True)
class Place:
    """Where programs run: a Python, a folder for all that is made, a mirror of GitHub, and a name for the
    versions."""

    python: Path
    work: Path
    mirror: Path | None
    versions: str


def attempt(recipe: Recipe, place: Place) -> tuple[str, float, str]:
    """Runs a recipe; returns the outcome, the seconds it took, and the reason if it did not pass.

    A folder runs/VERSIONS/NAME, with output.txt, remains if the program does not pass.
    """
    if recipe.outcome == 'cannot':
        return 'needs what cannot be had', 0, recipe.reason
    run = place.work / 'runs' / place.versions / recipe.name
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    start = time.monotonic()
    try:
        _run(recipe, place, run)
    except FailedError as error:
        output = (run / 'output.txt').read_text(errors='replace') if (run / 'output.txt').exists() else ''
        expected = recipe.outcome == 'age' and re.search(recipe.stops, output, re.MULTILINE)
        reason = recipe.reason if expected or recipe.outcome == 'fault' else str(error)
        return 'failed by its age' if expected else 'failed by us', time.monotonic() - start, reason
    shutil.rmtree(run)
    return 'passed', time.monotonic() - start, ''


def _run(recipe: Recipe, place: Place, run: Path) -> None:
    checkout = run / recipe.repository.rpartition('/')[2]
    _check_out(place, recipe.repository, recipe.commit, checkout, recipe.only)
    paths = [
        str(ROOT),
        *(str(checkout / one) for one in recipe.path),
        *_beside(recipe, place, run),
        *(_install(one, place) for one in all_packages(recipe)),
    ]
    where = checkout / recipe.folder
    # What a user has set does not reach the programs.
    variables = {name: os.environ[name] for name in ('PATH', 'LANG', 'TMPDIR') if name in os.environ}
    variables.update(HOME=str(run), PYTHONUNBUFFERED='1', PYTHONPATH=os.pathsep.join(filter(None, paths)))
    variables.update(
        CUDA_VISIBLE_DEVICES='-1', MPLBACKEND='Agg', TF_CPP_MIN_LOG_LEVEL='2', **recipe.variables
    )
    python = str(place.python)
    output = run / 'output.txt'
    if recipe.files:
        _execute(
            [python, str(HERE / 'program_files.py'), json.dumps(recipe.files)],
            where,
            variables,
            output,
            recipe,
        )
    if recipe.protos:
        found = sorted({str(path.relative_to(where)) for glob in recipe.protos for path in where.glob(glob)})
        line = [python, '-m', 'grpc_tools.protoc', '-I.', '--python_out=.', *found]
        _execute(line, where, variables, output, recipe)
    for index, command in enumerate(recipe.commands, 1):
        line = [python, '-m', 'estimator_lab.run', *shlex.split(command)]
        until = recipe.until if index == len(recipe.commands) else ''
        _execute(line, where, variables, output, recipe, until)
    judge(recipe, output.read_text(errors='replace'), where)


def _check_out(place: Place, repository: str, commit: str, folder: Path, only: Sequence[str] = ()) -> None:
    """Writes the files of a commit to a new folder, except those that a partial mirror does not have."""
    folder.mkdir(parents=True)
    git = ['git', f'--git-dir={_clone(place, repository, commit)}']
    try:
        listed = subprocess.run(
            [*git, 'ls-tree', '-rz', commit, '--', *only], capture_output=True, check=True
        ).stdout
    except subprocess.CalledProcessError as error:
        message = error.stderr.decode(errors='replace').strip()
        raise FailedError(f'{repository} at {commit[:8]}: {message}') from error
    # Each row: mode, type, object, tab, path.
    rows = [row.split('\t', 1) for row in listed.decode().split('\0') if row]
    batch = [*git, 'cat-file', '--batch']
    with subprocess.Popen(
        batch, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin and process.stdout
        for (mode, kind, name), path in ((head.split(), path) for head, path in rows):
            if kind != 'blob':  # a submodule
                continue
            process.stdin.write(f'{name}\n'.encode())
            process.stdin.flush()
            found = process.stdout.readline().split()
            if found[-1] == b'missing':
                continue
            content = process.stdout.read(int(found[-1]))
            process.stdout.read(1)
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if mode == '120000':
                target.symlink_to(content.decode())
            else:
                target.write_bytes(content)
        process.stdin.close()


def _clone(place: Place, repository: str, commit: str) -> Path:
    """Returns a git directory that has a commit, fetched alone unless there is a mirror."""
    name = repository.replace('/', '+')
    if place.mirror:
        choices = [place.mirror / name / part for part in ('repo/.git', 'repo', '.git', '')]
        found = [path for path in choices if (path / 'HEAD').exists()]
        if not found:
            raise FailedError(f'{place.mirror} has no {name}')
        return found[0]
    clone = place.work / 'clones' / name
    git = ['git', f'--git-dir={clone}']
    if not clone.exists():
        subprocess.run(['git', 'init', '--quiet', '--bare', clone], check=True)
    if subprocess.run([*git, 'cat-file', '-e', f'{commit}^{{commit}}'], stderr=subprocess.DEVNULL).returncode:
        address = f'https://github.com/{repository}'
        if subprocess.run([*git, 'fetch', '--quiet', '--depth=1', address, commit]).returncode:
            raise FailedError(f'{address} could not be fetched at {commit[:8]}')
    return clone


def _beside(recipe: Recipe, place: Place, run: Path) -> Iterator[str]:
    """Checks out the repositories that a program imports; yields their folders, and the one of all."""
    for one in recipe.beside:
        repository, _, commit = one.partition('@')
        folder = run / 'beside' / repository.rpartition('/')[2]
        _check_out(place, repository, commit, folder)
        yield str(folder)
    yield str(run / 'beside')


def all_packages(recipe: Recipe) -> list[str]:
    """Returns the packages of a recipe, and what they require that TensorFlow does not bring."""
    names = {re.split(r'[<=>]', one)[0] for one in recipe.packages}
    needed = [one for name in REQUIRED if name in names for one in REQUIRED[name].split()]
    return list(dict.fromkeys([*recipe.packages, *needed]))


def _install(requirement: str, place: Place) -> str:
    """Installs a package, without what it requires, in a folder of its own; returns the folder."""
    name = re.sub(r'[^\w.-]+', '_', requirement)
    folder = place.work / 'packages' / place.versions / name
    if not folder.exists():
        part = folder.with_name(f'{name}.part')
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        pip = [str(place.python), '-m', 'pip', 'install', '--quiet', '--no-deps', '--target', str(part)]
        done = subprocess.run([*pip, requirement], capture_output=True, text=True)
        if done.returncode:
            raise FailedError(f'{requirement} is not installed: {done.stderr.strip().splitlines()[-1]}')
        part.rename(folder)
    return str(folder)


def _execute(
    line: list[str], where: Path, variables: dict[str, str], output: Path, recipe: Recipe, until: str = ''
) -> None:
    """Runs a command line, and appends what it prints to a file.

    Raises:
      FailedError: it fails, or takes longer than the recipe allows.
    """
    with output.open('ab') as file:
        start = file.tell()
        process = subprocess.Popen(
            line,
            cwd=where,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (recipe.gigabytes << 30,) * 2),
        )
    try:
        shown = _wait(process, recipe.seconds, output, start, until)
    finally:
        _end(process)
    if until and not shown:
        raise FailedError(_reason(output, start) or f'ended without {until!r}')
    if not until and process.returncode:
        raise FailedError(_reason(output, start) or f'exit status {process.returncode}')


def _wait(process: 'subprocess.Popen[bytes]', seconds: float, output: Path, start: int, until: str) -> bool:
    """Waits until a process ends, or prints what matches `until`; returns whether it did."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            process.wait(0.5 if until else deadline - time.monotonic())
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise FailedError(f'takes more than {seconds} s') from None
        if until and re.search(until, _read(output, start), re.MULTILINE):
            return True
        if process.returncode is not None:
            return False


def _end(process: 'subprocess.Popen[bytes]') -> None:
    """Ends a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(output: Path, start: int) -> str:
    return output.read_bytes()[start:].decode(errors='replace')


def _reason(output: Path, start: int) -> str:
    """Returns the last error that a command printed, on one line, without the modules of its class."""
    errors = _ERROR.findall(_read(output, start))
    return ' '.join(errors[-1].split()).rpartition('errors_impl.')[2][:160] if errors else ''


def judge(recipe: Recipe, output: str, where: Path) -> None:
    """Compares what a program printed and wrote with its recipe.

    Raises:
      FailedError: something is missing or wrong.
    """
    for pattern in recipe.shows:
        found = list(re.finditer(pattern, output, re.MULTILINE))
        if not found:
            raise FailedError(f'does not print {pattern!r}')
        if not all(math.isfinite(_number(text)) for match in found for text in match.groups()):
            raise FailedError(f'prints {found[-1].group()!r}')
    for pattern in recipe.falls:
        numbers = _numbers(pattern, output)
        quarter = max(1, len(numbers) // 4)
        if len(numbers) < 2 or not sum(numbers[-quarter:]) < sum(numbers[:quarter]):
            raise FailedError(f'{pattern!r} does not fall: {numbers[:3]} to {numbers[-3:]}')
    for pattern, least in recipe.least.items():
        numbers = _numbers(pattern, output)
        if not numbers or not numbers[-1] >= least:
            raise FailedError(f'{pattern!r} is {numbers[-1:]}, not at least {least}')
    for glob in recipe.makes:
        if not any(where.glob(glob)):
            raise FailedError(f'does not write {glob}')


def _numbers(pattern: str, output: str) -> list[float]:
    return [_number(text) for text in re.findall(pattern, output, re.MULTILINE)]


def _number(text: str) -> float:
    """Returns the number that a text is, without the end of a sentence; not a number if it is none."""
    try:
        return float(text.rstrip('.,;'))
    except ValueError:
        return math.nan
