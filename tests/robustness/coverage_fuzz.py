"""Fuzzes the readers of untrusted files, guided by the code that each input reaches.

    pip install -e '.[fuzz]'
    python -m tests.robustness.coverage_fuzz                                   all targets, 10^7 inputs each
    python -m tests.robustness.coverage_fuzz --targets=tar,index --seconds=600 --found=/tmp/found
    python -m tests.robustness.coverage_fuzz --executions=1 --found=/tmp/found --keep

`targets` lists the targets. Any exception but a LabError is a failure, as are a second of the processor and a
gigabyte of memory for one input; the input is then in --found, and the target ends. --keep afterwards
minimises the inputs in --found and adds them to those in corpus/TARGET, with which fuzzing begins and which
`test_corpus` replays. Exit status 1 for failures.
"""

import argparse
import contextlib
import hashlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from estimator_lab.base.errors import LabError
from tests.robustness.driver import main

CORPUS = Path(__file__).with_name('corpus')
_PACKAGE = '/estimator_lab/'
_CHILD = 'from tests.robustness.coverage_fuzz import fuzz; fuzz()'
_MOST_SECONDS, _MOST_KB = 1.0, 10**6
_LONGEST_KEPT = 2048  # bytes of an input
_SHOWN = 3000
_LIMITS = ('-timeout=100', '-rss_limit_mb=8000')  # of libFuzzer, which the system's load must not exceed


def fuzz() -> None:
    """Fuzzes the target named by the first argument; the others are those of libFuzzer. Does not return."""
    import atheris

    with atheris.instrument_imports(include=['estimator_lab']):
        from tests.robustness.targets import TARGETS

    target = TARGETS[sys.argv.pop(1)]
    most_kb = _peak_kb() + _MOST_KB

    def run(data: bytes) -> None:
        started = time.thread_time()
        with contextlib.suppress(LabError):
            target(data)
        if time.thread_time() - started > _MOST_SECONDS:
            raise AssertionError('it takes too long')
        if _peak_kb() > most_kb:
            raise AssertionError('it takes too much memory')

    atheris.Setup(sys.argv, run)
    atheris.Fuzz()


def measure(given: argparse.Namespace) -> int:
    """Fuzzes the targets of --targets; returns how many fail."""
    with tempfile.TemporaryDirectory() as temporary:
        found = Path(given.found or temporary)
        names = given.targets.split(',') if given.targets else _targets()
        return sum(_fuzz(name, found / name, given) for name in names)


def _targets() -> list[str]:
    return sorted(path.name for path in CORPUS.iterdir())


def _fuzz(name: str, found: Path, given: argparse.Namespace) -> bool:
    """Fuzzes one target; returns whether it fails."""
    found.mkdir(parents=True, exist_ok=True)
    limits = [f'-runs={given.executions}', f'-seed={given.seed}', f'-max_total_time={given.seconds}']
    inputs = [str(found), str(CORPUS / name)]
    done = _child(name, f'-artifact_prefix={found}.', '-print_final_stats=1', *limits, *inputs)
    executed = re.findall(r'number_of_executed_units: (\d+)', done.stderr)
    count = int(executed[-1]) if executed else 0
    has_failed = done.returncode != 0
    seconds = re.findall(r'Done \d+ runs in (\d+) second', done.stderr)
    print(
        f'{name:<10} {count:>12,} executions, {seconds[-1] if seconds else "?"} s'
        f'{"; FAILS" if has_failed else ""}',
        flush=True,
    )
    if has_failed:
        print(done.stderr[-_SHOWN:], flush=True)
    elif given.keep:
        _keep(name, found)
    return has_failed


def _keep(name: str, found: Path) -> None:
    """Adds inputs to the corpus: the smallest ones that together reach all that was reached."""
    from tests.robustness.targets import TARGETS  # not above: `fuzz` instruments it

    known = set(_reached(TARGETS[name], b''))
    paths = [*(CORPUS / name).iterdir(), *found.iterdir()]
    inputs = sorted({path.read_bytes() for path in paths if path.stat().st_size <= _LONGEST_KEPT}, key=len)
    shutil.rmtree(CORPUS / name, ignore_errors=True)
    (CORPUS / name).mkdir(parents=True)
    for data in inputs:
        if new := _reached(TARGETS[name], data) - known:
            known |= new
            (CORPUS / name / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def _reached(target: Callable[[bytes], None], data: bytes) -> set[tuple[str, int, int]]:
    """Returns the pairs of lines that follow each other in the package: (file, line, next line)."""
    found: set[tuple[str, int, int]] = set()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        file, last = frame.f_code.co_filename, 0
        if _PACKAGE not in file:
            return None

        def line(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal last
            found.add((file, last, frame.f_lineno))
            last = frame.f_lineno
            return line

        return line

    sys.settrace(trace)
    try:
        target(data)
    except LabError:
        pass
    finally:
        sys.settrace(None)
    return found


def _child(name: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-c', _CHILD, name, *_LIMITS, *flags]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, errors='replace', check=False)


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == '__main__':
    main(
        __doc__,
        measure,
        targets=('', 'some, separated by commas; all if empty'),
        executions=(10**7, 'of each target'),
        seconds=(0, 'of each target; 0 for no limit'),
        found=('', 'folder in which inputs are kept; a temporary one if empty'),
        keep=(False, 'adds the inputs in --found to the corpus'),
    )
