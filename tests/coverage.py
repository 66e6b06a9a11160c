"""Lists the branches of rooms of the package that the tests of these rooms do not take; nothing if all are.

    python -m tests.coverage [ROOM ...]
    python -m tests.coverage --contexts [ROOM ...]

With --contexts, it prints a table of all tests of the rooms instead: seconds, the branches of the package
that only this test takes, of all that these rooms' tests take, and its name; the dearest and idlest first.

A branch is FILE: LINE -> LINE, as the lines are written, 'the end' for that of a function. Branches in
untaken.txt are left out: each group has its reason. Needs `pip install coverage`. Processes that tests start
count, too, but not as the test's own.
"""

import json
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.places import ROOT

ROOMS = ('base', 'data', 'tf1', 'runs', 'training')
_ALSO = {'tf1': ('tests/conformance', 'tests/test_run.py')}  # what programs see of it
LISTED = Path(__file__).with_name('untaken.txt')
_OPTIONS = """[run]
branch = true
data_file = {folder}/data
source = {source}
parallel = true
patch = subprocess, _exit
"""


def branches(room: str) -> tuple[dict[str, str], set[str]]:
    """Runs the tests of a room; returns the places of its branches that were not taken, and all branches."""
    with tempfile.TemporaryDirectory() as folder:
        options, report = (Path(folder) / name for name in ('options', 'report.json'))
        options.write_text(_OPTIONS.format(folder=folder, source=ROOT / 'estimator_lab' / room))
        tests = ['-m', 'pytest', '-q', '-n', '0', '-m', 'not slow', f'tests/{room}', *_ALSO.get(room, ())]
        for command in (['run', *tests], ['combine', '-q'], ['json', '-q', '-o', str(report)]):
            words = [sys.executable, '-m', 'coverage', command[0], f'--rcfile={options}', *command[1:]]
            subprocess.run(words, cwd=ROOT, check=command[0] != 'run', stdout=sys.stderr)
        files: Mapping[str, Any] = json.loads(report.read_text())['files']
    missing = {
        branch: f'{file}:{line}'
        for file, one in files.items()
        for branch, line in _named(file, one['missing_branches'])
    }
    taken = {branch for file, one in files.items() for branch, _ in _named(file, one['executed_branches'])}
    return missing, taken | missing.keys()


def contexts(rooms: list[str]) -> Iterator[tuple[float, int, str]]:
    """Runs the tests of rooms; yields the seconds of each, how many branches it alone takes, and its name."""
    with tempfile.TemporaryDirectory() as folder:
        options, seconds = Path(folder) / 'options', defaultdict[str, float](float)
        options.write_text(_OPTIONS.format(folder=folder, source=ROOT / 'estimator_lab'))
        words = ['-q', '-n', '0', '-m', 'not slow', '--cov', f'--cov-config={options}', '--cov-context=test']
        words += ['--cov-report=', '--durations=0', '--durations-min=0', *(f'tests/{room}' for room in rooms)]
        command = [sys.executable, '-m', 'pytest', *words]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        for number, phase, name in re.findall(r'^([\d.]+)s (setup|call|teardown) +(.+)$', done.stdout, re.M):
            seconds[name.strip()] += float(number) if phase != 'setup' else 0.0  # which fixtures share
        with sqlite3.connect(Path(folder) / 'data') as data:
            arcs = data.execute(
                'select file_id, fromno, tono, context from arc join context on context_id = context.id'
            ).fetchall()
    takers = defaultdict[tuple[int, int, int], set[str]](set)
    for file, begin, end, context in arcs:
        takers[file, begin, end].add(context.partition('|')[0])
    alone = Counter(next(iter(names)) for names in takers.values() if len(names) == 1)
    yield from sorted((spent, alone[name], name) for name, spent in seconds.items())[::-1]


def _named(file: str, pairs: list[tuple[int, int]]) -> Iterator[tuple[str, int]]:
    """Yields each branch as its lines are written, and the number of the first."""
    written = ['', *(line.strip() for line in (ROOT / file).read_text(encoding='utf-8').split('\n'))]
    for begin, end in pairs:
        yield f'{file}: {written[begin]} -> {written[end] if end > 0 else "the end"}', begin


def listed() -> set[str]:
    """Returns the branches that need not be taken."""
    lines = LISTED.read_text(encoding='utf-8').split('\n')
    return {line for line in lines if line and not line.startswith('#')}


def main(rooms: list[str]) -> int:
    """Prints what is neither taken nor listed, and what is listed and no branch; returns the exit status."""
    if rooms[:1] == ['--contexts']:
        for seconds, count, name in contexts(rooms[1:] or list(ROOMS)):
            print(f'{seconds:8.2f} s {count:6} {name}')
        return 0
    known, found = listed(), []
    for room in rooms or ROOMS:
        missing, every = branches(room)
        found += [f'{place}  {branch}' for branch, place in missing.items() if branch not in known]
        own = (branch for branch in known if branch.startswith(f'estimator_lab/{room}/'))
        found += [f'no longer there: {branch}' for branch in own if branch not in every]
    for line in found:
        print(line)
    return bool(found)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
