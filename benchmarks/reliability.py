"""Prints the reliability figures of the README.

    python benchmarks/reliability.py kills --count=200     SIGKILLs at random moments of a training
    python benchmarks/reliability.py fuzz --count=10000    archives with flipped bits, cuts and lying headers

The package has to be installed (`pip install -e '.[test]'`). Exit status 1 if anything went wrong.
"""

import argparse
import os
import platform
import time

from estimator_lab.errors import LabError


def kills(count: int, seed: int) -> int:
    """Kills trainings `count` times and compares them with uninterrupted ones; returns the failures."""
    import kills as killing  # imports TensorFlow

    tally = killing.measure(count, seed, say=lambda line: print(line, flush=True))
    print(f'{tally.kills} SIGKILLs in {tally.lives} trainings ({tally.early} before the first step)')
    print(f'{tally.lost} keys lost, {tally.repeated} repeated, {tally.misplaced} steps with other keys')
    print(f'{tally.unreadable} unreadable checkpoints')
    print(
        f'{tally.different_weights} trainings whose final weights differ from the uninterrupted one in any bit'
    )
    return tally.failures


def main() -> int:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('figure', choices=['kills', 'fuzz'])
    parser.add_argument('--count', type=int, help='kills (default 200), or archives (default 10,000)')
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args()
    print(
        f'Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start'
    )
    started = time.monotonic()
    failures = kills(given.count or 200, given.seed)
    print(f'{time.monotonic() - started:.0f} s')
    return 1 if failures else 0


if __name__ == '__main__':
    raise SystemExit(main())
