"""What the benchmarks share: their flags, the machine, and contenders that are timed in rounds.

A comparison is a table of contenders, each a function that measures itself once:

    print_table(race({'ours': ours, 'PyTorch': lambda: child('contenders.py', 'torch')}, rounds=3), 'images')
"""

import argparse
import json
import math
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))  # some use the helpers of the tests
CORES = 2
# Importing estimator_lab sets these for its own process; contenders must not inherit them.
_SET_BY_US = ('TF_ENABLE_ONEDNN_OPTS', 'TF_USE_LEGACY_KERAS', 'TF_CPP_MIN_LOG_LEVEL')


def machine(*packages: str) -> str:
    """Returns the date, the versions of Python, TensorFlow and other packages, the cores and their load."""
    versions = ', '.join(f'{package} {_version(package)}' for package in ('tensorflow', *packages))
    return (
        f'{date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before '
        f'the start, Python {platform.python_version()}, {versions}'
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed (pip install -e '.[bench]')"


def command_line(header: str | None, **flags: tuple[Any, ...]) -> argparse.ArgumentParser:
    """Returns the parser of a script's flags.

    Args:
      header: the script's docstring, which --help shows.
      flags: (default, help) or (default, help, choices) by name. The default determines the type; a list
        accepts any number of values, and None makes the flag a required text.
    """
    parser = argparse.ArgumentParser(
        description=header, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    for name, (default, text, *choices) in flags.items():
        options: dict[str, Any] = {'type': type(default)}
        if default is None:
            options = {'required': True}
        elif isinstance(default, bool):
            options = {'action': 'store_true'}
        elif isinstance(default, list):
            options = {'nargs': '*'}
        if choices:
            options['choices'] = choices[0]
        parser.add_argument(f'--{name}', default=default, help=text, **options)
    return parser


class Measured(NamedTuple):
    """One measurement.

    Attributes:
      rate: examples a second.
      processor: processor seconds per example, all threads together.
      note: versions and the like.
    """

    rate: float
    processor: float
    note: str = ''


class Clock:
    """Times steps, after some that warm up.

    Args:
      steps: how many are timed.
      examples: in each step.
      warm_up: how many are not.
    """

    def __init__(self, steps: int, examples: int = 1, warm_up: int = 5) -> None:
        self.total = warm_up + steps
        self._steps, self._examples, self._warm_up = steps, examples, warm_up
        self._done = 0
        self._start = self._end = _now()

    def tick(self) -> None:
        """Counts one finished step."""
        self._done += 1
        if self._done == self._warm_up:
            self._start = _now()
        elif self._done == self.total:
            self._end = _now()

    def measured(self, note: str = '') -> Measured:
        """Returns the rate and the processor time of the steps that were timed."""
        wall, processor = (end - start for start, end in zip(self._start, self._end, strict=True))
        examples = self._steps * self._examples
        return Measured(examples / wall, processor / examples, note)

    def time(self, run: Callable[[], object], note: str = '') -> Measured:
        """Calls `run` for each step."""
        for _ in range(self.total):
            run()
            self.tick()
        return self.measured(note)

    def hook(self) -> Any:
        """Returns a hook that ticks after each training step."""
        from estimator_lab.tf1 import tf

        class Ticks(tf.train.SessionRunHook):
            def after_run(self, run_context: Any, run_values: Any) -> None:
                tick()

        tick = self.tick
        return Ticks()


def measure_stream(sizes: Iterable[int], seconds: float = math.inf, warm_up: int = 1) -> Measured:
    """Measures a stream that yields how many examples it has just handed over.

    Args:
      sizes: the stream.
      seconds: after which to stop, unless the stream ends before.
      warm_up: examples that are not timed, at least.
    """
    stream, done = iter(sizes), 0
    while done < warm_up:
        done += next(stream)
    done, start = 0, _now()
    for size in stream:
        done += size
        if time.perf_counter() - start[0] >= seconds:
            break
    wall, processor = (end - begin for begin, end in zip(start, _now(), strict=True))
    return Measured(done / wall, processor / done)


def _now() -> tuple[float, float]:
    """Returns the time, and the processor seconds of this process and of its workers that are running."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    processor = usage.ru_utime + usage.ru_stime
    for worker in multiprocessing.active_children():
        fields = Path(f'/proc/{worker.pid}/stat').read_text().rpartition(')')[2].split()
        processor += (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
    return time.perf_counter(), processor


def child(
    script: str,
    *arguments: object,
    executable: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Measured:
    """Measures a contender in a process of its own; `script` calls `run_contender`."""
    inherited = {name: value for name, value in os.environ.items() if name not in _SET_BY_US}
    done = subprocess.run(
        [executable, str(HERE / script), *map(str, arguments)],
        env={**inherited, 'PYTHONPATH': str(ROOT), **(environment or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def run_contender(contenders: Mapping[str, Callable[..., Measured]]) -> None:
    """Runs the contender that the command line names, on the first two cores; prints its figures as JSON."""
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    name, *arguments = sys.argv[1:]
    print(json.dumps(contenders[name](*arguments)._asdict()))


Rounds = dict[str, list[Measured]]


def race(contenders: Mapping[str, Callable[[], Measured]], rounds: int) -> Rounds:
    """Measures all contenders in turn (A B C A B C ...), and leaves out those that cannot run here."""
    found: Rounds = {name: [] for name in contenders}
    for number in range(rounds):
        for name in list(found):
            try:
                measured = contenders[name]()
            except (subprocess.CalledProcessError, ImportError) as error:
                reason = (getattr(error, 'stderr', '') or str(error)).strip().splitlines()[-1]
                print(f"{name}: does not run ({reason}); its packages: pip install -e '.[bench]'")
                del found[name]
                continue
            found[name].append(measured)
            load = os.getloadavg()[0]
            print(f'round {number + 1}  {measured.rate:9.1f}/s  load {load:.1f}  {name}', flush=True)
    return found


def median(rounds: list[Measured]) -> float:
    """Returns the median rate."""
    return statistics.median(measured.rate for measured in rounds)


def print_table(found: Rounds, unit: str, piece: str = '', examples: int = 1) -> None:
    """Prints rates, least processor time, and speed relative to the first contender.

    Args:
      found: the rounds of each contender.
      unit: of what the rates count, such as 'images'.
      piece: what times are given for, such as 'step'; '' for one unit.
      examples: in a piece.
    """
    if not found:
        return
    piece, first = piece or unit.removesuffix('s'), median(next(iter(found.values())))
    print(
        f'\n{unit + "/s":>10} {"slowest":>9} {"fastest":>9} {"s/" + piece:>11} {"CPU s":>9} {"relative":>8}'
    )
    for name, rounds in found.items():
        rates = [measured.rate for measured in rounds]
        processor = min(measured.processor for measured in rounds) * examples
        note = f' ({rounds[0].note})' if rounds[0].note else ''
        print(
            f'{median(rounds):11.1f} {min(rates):9.1f} {max(rates):9.1f} {examples / median(rounds):10.5f} '
            f'{processor:9.5f} {median(rounds) / first:8.2f}  {name}{note}'
        )


def print_ratio(found: Rounds, fast: str, slow: str, goal: float) -> None:
    """Prints how many times as fast one contender is as another, and the goal; nothing if one did not run."""
    if found.get(fast) and found.get(slow):
        ratio = median(found[fast]) / median(found[slow])
        print(f'{ratio:6.2f}x  {fast} / {slow} (goal {goal}: {"reached" if ratio >= goal else "missed"})')
