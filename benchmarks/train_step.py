"""Examples per second of one training step of the document's CNN: ours against Keras 3 and PyTorch.

    python benchmarks/train_step.py                          float32; about 15 minutes
    python benchmarks/train_step.py --precision=bfloat16     the same in bfloat16, where the processor has it
    python benchmarks/train_step.py --variants               threads, XLA, layouts, ...; about 25 minutes
    python benchmarks/train_step.py --mnist TRAIN TEST       test accuracy on MNIST in both precisions

Batch 32 of 128x128x1, two convolutions 5x5x32 ('same', ReLU, max-pooling 2x2), dense 1,024, dropout 0.4,
dense 10, softmax cross-entropy, plain gradient descent at 0.001 in all of them, on two cores. Each contender
runs in fresh processes of its own, in turn (A B C A B C ...); the figure is the median of its rounds. Data
is in memory, so that only the step is measured. 'CPU s/step' is the time of all cores together: neighbours on
the machine disturb it less. Keras 3 runs twice: as it comes, and with oneDNN turned on, as estimator_lab
turns it on. Needs `pip install -e '.[bench]'`, and a quiet machine.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from first_light import MNIST_FLAGS
from step_variants import VARIANTS
from training import train

from estimator_lab.errors import FlagError
from estimator_lab.runs.precision import check_precision, processor

_SCRIPT = Path(__file__).with_name('step_contenders.py')
_ENVIRONMENT = ('TF_ENABLE_ONEDNN_OPTS', 'TF_USE_LEGACY_KERAS', 'TF_CPP_MIN_LOG_LEVEL')


@dataclass
class Row:
    """One line of the table.

    Attributes:
      name: what it shows.
      contender: a name in step_contenders.CONTENDERS.
      options: the contender's options.
      environment: variables of its process, beside those of this one.
      package: the package it cannot do without.
      script: which has the contender.
      rounds: the figures of each round so far.
    """

    name: str
    contender: str = 'estimator'
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    package: str = 'tensorflow'
    script: Path = _SCRIPT
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def median(self, figure: str = 'examples_per_second') -> float:
        """Returns the median of that figure over the rounds."""
        return statistics.median(found[figure] for found in self.rounds)


OURS = 'ours: tf.estimator'
KERAS = 'Keras 3 fit'
KERAS_ONEDNN = 'Keras 3 fit, oneDNN turned on'
PYTORCH = 'PyTorch'
_BFLOAT16 = {'precision': 'bfloat16'}
_GOALS = ((KERAS, 1.1), (KERAS_ONEDNN, 1.1), (PYTORCH, 1.6))
_BFLOAT16_GOAL = 1.8


def contenders(precision: str) -> list[Row]:
    """Returns the rows of the main table."""
    rows = [
        Row(OURS),
        Row('the same graph, bare tf.Session', 'session'),
        Row(KERAS, 'keras', package='keras'),
        Row(KERAS_ONEDNN, 'keras', {}, {'TF_ENABLE_ONEDNN_OPTS': '1'}, 'keras'),
        Row(PYTORCH, 'pytorch', package='torch'),
    ]
    if precision == 'bfloat16':
        rows += [
            Row(f'{OURS}, bfloat16', options=_BFLOAT16),
            Row(f'{PYTORCH}, bfloat16', 'pytorch', _BFLOAT16, package='torch'),
        ]
    return rows


def variants() -> list[Row]:
    """Returns the rows of what else was tried."""
    return [Row(OURS), *(Row(*variant) for variant in VARIANTS)]


def measure(rows: Sequence[Row], rounds: int, steps: int) -> list[Row]:
    """Runs all rows in turn, `rounds` times; returns those that ran, and says why others did not."""
    rows = [row for row in rows if _is_installed(row)]
    for number in range(rounds):
        for row in list(rows):
            try:
                found = _run(row, steps)
            except subprocess.CalledProcessError as error:
                print(f'{row.name}: does not run ({(error.stderr.strip() or "no message").splitlines()[-1]})')
                rows.remove(row)
                continue
            row.rounds.append(found)
            rate, load = found['examples_per_second'], os.getloadavg()[0]
            print(f'round {number + 1}  {rate:7.1f} examples/s  load {load:.1f}  {row.name}', flush=True)
    return rows


def show(rows: Sequence[Row]) -> None:
    """Prints the medians, fastest and slowest rounds, and each row's speed relative to the first."""
    first = rows[0]
    print(f'\n{"examples/s":>10} {"slowest":>8} {"fastest":>8} {"CPU s/step":>10} {"relative":>8}')
    for row in rows:
        rates = [found['examples_per_second'] for found in row.rounds]
        relative, processor_seconds = row.median() / first.median(), row.median('processor_seconds')
        print(
            f'{row.median():10.1f} {min(rates):8.1f} {max(rates):8.1f} {processor_seconds:10.3f} '
            f'{relative:8.2f}  {row.name} ({row.rounds[0]["versions"]})'
        )


def show_ratios(rows: Sequence[Row]) -> None:
    """Prints how many times faster ours is than each rival, beside what it is to reach."""
    by_name = {row.name: row for row in rows}
    ours, half = by_name.get(OURS), by_name.get(f'{OURS}, bfloat16')
    print()
    for name, goal in _GOALS:
        if ours and name in by_name:
            _print_ratio(f'ours / {name}', ours, by_name[name], goal)
    if ours and half:
        _print_ratio('bfloat16 / float32', half, ours, _BFLOAT16_GOAL)


def compare_mnist(archives: Sequence[str]) -> None:
    """Trains on MNIST in each precision; prints test accuracy and seconds."""
    for precision in ('float32', 'bfloat16'):
        try:
            check_precision(precision)
        except FlagError as error:
            print(error)
            continue
        data, eval_data = archives
        train(
            '--model=cnn',
            f'--data={data}',
            f'--eval_data={eval_data}',
            *MNIST_FLAGS,
            f'--precision={precision}',
        )


def _print_ratio(name: str, fast: Row, slow: Row, goal: float) -> None:
    ratio = fast.median() / slow.median()
    print(f'{ratio:.2f}x  {name} (to reach: {goal}x, {"reached" if ratio >= goal else "missed"})')


def _is_installed(row: Row) -> bool:
    try:
        return bool(version(row.package))
    except PackageNotFoundError:
        print(f"{row.name}: {row.package} is not installed; pip install -e '.[bench]'")
        return False


def _run(row: Row, steps: int) -> dict[str, Any]:
    # What importing estimator_lab has set in this process must not reach the others.
    inherited = {name: value for name, value in os.environ.items() if name not in _ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, str(row.script), row.contender, json.dumps({**row.options, 'steps': steps})],
        env={**inherited, **row.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Runs the benchmark that the command line names; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--precision', choices=['float32', 'bfloat16'], default='float32')
    parser.add_argument('--variants', action='store_true', help='what else was tried, and what it gave')
    parser.add_argument('--mnist', nargs=2, metavar=('TRAIN', 'TEST'), help='MNIST archives')
    parser.add_argument('--rounds', type=int, help='default 5, with --variants 3')
    parser.add_argument('--steps', type=int, default=50, help='timed steps in a round')
    given = parser.parse_args()
    print(
        f'{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, '
        f'load {os.getloadavg()[0]:.1f} before the start'
    )
    if given.mnist:
        compare_mnist(given.mnist)
        return 0
    try:
        check_precision(given.precision)
    except FlagError as error:
        print(f'error: {error}', file=sys.stderr)
        return error.exit_status
    rows = variants() if given.variants else contenders(given.precision)
    rows = measure(rows, given.rounds or (3 if given.variants else 5), given.steps)
    show(rows)
    if not given.variants:
        show_ratios(rows)
    return 0


if __name__ == '__main__':
    sys.exit(main())
