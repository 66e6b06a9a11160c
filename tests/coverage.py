"""Lists the branches of rooms of the package that the tests of these rooms do not take.

    python -m tests.coverage [ROOM ...]

A branch is FILE:LINE -> LINE, with -LINE for the end of the function that begins there. Needs `pip install
coverage`. Lines that only other processes run count as not taken: workers of a cluster, forks, commands.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.places import ROOT

ROOMS = ('base', 'data', 'tf1', 'runs', 'training')


def untaken(room: str) -> tuple[list[str], int]:
    """Runs the tests of a room; returns its branches that were not taken, and the number of all."""
    with tempfile.TemporaryDirectory() as folder:
        data, report = (Path(folder) / name for name in ('data', 'report.json'))
        measure = [sys.executable, '-m', 'coverage']
        options = ['--branch', f'--data-file={data}', f'--source=estimator_lab/{room}']
        tests = ['-m', 'pytest', '-q', '-n', '0', '-m', 'not all', f'tests/{room}']
        subprocess.run([*measure, 'run', *options, *tests], cwd=ROOT, check=True, stdout=sys.stderr)
        written = [f'--data-file={data}', '-q', '-o', str(report)]
        subprocess.run([*measure, 'json', *written], cwd=ROOT, check=True)
        found = json.loads(report.read_text())
    lines = [
        f'{file}:{begin} -> {end}'
        for file, one in found['files'].items()
        for begin, end in one['missing_branches']
    ]
    return lines, found['totals']['num_branches']


def main(rooms: list[str]) -> None:
    """Prints the branches of each room, and how many there are."""
    for room in rooms or ROOMS:
        lines, count = untaken(room)
        print(*lines, f'{room}: {len(lines)} of {count} branches are not taken', sep='\n', flush=True)


if __name__ == '__main__':
    main(sys.argv[1:])
