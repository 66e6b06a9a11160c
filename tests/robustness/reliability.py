"""Prints the reliability figures of the README.

    python -m tests.robustness.reliability kills --count=200     the same as kills.py --kills=200
    python -m tests.robustness.reliability fuzz --count=10000    archives with flipped bits, cuts, bad headers

The package has to be installed (`pip install -e '.[test]'`). Exit status 1 if anything went wrong.
"""

import argparse
import os
import platform
import time

_CRASHES_SHOWN = 5


def kills(count: int, seed: int) -> int:
    """Kills trainings `count` times and compares them with uninterrupted ones; returns the failures."""
    from tests.robustness import kills as killing  # imports TensorFlow

    tally = killing.measure(count, seed, say=lambda line: print(line, flush=True))
    print(tally)
    return tally.failures


def fuzz(count: int, seed: int) -> int:
    """Reads `count` broken archives in every way; returns the failures."""
    from tests.robustness import fuzz as fuzzing

    found = fuzzing.measure(count, seed)
    print(f'{found.archives} archives, {found.damaged} of them too damaged to be read to their end')
    print(f'{found.members} images read from them, {found.bad_images} of which could not be decoded')
    print(f'{found.hangs} hangs, {len(found.crashes)} crashes outside the defined errors')
    print(f'{found.growth_mb:.0f} MB of memory added, {fuzzing.MEMORY_BOUND_MB} allowed')
    print(*found.crashes[:_CRASHES_SHOWN], sep='\n')
    return found.hangs + len(found.crashes) + (found.growth_mb > fuzzing.MEMORY_BOUND_MB)


def main() -> int:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('figure', choices=['kills', 'fuzz'])
    parser.add_argument('--count', type=int, help='kills (default 200), or archives (default 10,000)')
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f'Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f} at the start')
    started = time.monotonic()
    if given.figure == 'kills':
        failures = kills(given.count or 200, given.seed)
    else:
        failures = fuzz(given.count or 10_000, given.seed)
    print(f'{time.monotonic() - started:.0f} s')
    return 1 if failures else 0


if __name__ == '__main__':
    raise SystemExit(main())
