"""Makes small faults in the package, one at a time, and prints those that no test of their room notices.

    python -m tests.robustness.mutation --base=main              in the lines that differ from a commit
    python -m tests.robustness.mutation --count=100 --seed=1     in 100 lines of the package by lot

A fault is a comparison, an operator, a number or a condition that is slightly different, or a call or a
keyword that is left out. For each one pytest runs the test file that mirrors the module, then the others of
its folder and the tests of settings and of wrong input, those of `make test`, up to the first failure. It
works in a copy of the repository. A fault that no test notices may be equivalent to the code: read it.
"""

import argparse
import ast
import itertools
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.support.forks import Process
from tests.support.places import ROOT

PACKAGE = 'estimator_lab'
_SECONDS = 600  # of the tests of one fault
_OF_ALL_ROOMS = [Path('tests', f'test_{name}.py') for name in ('settings', 'mistakes', 'mistaken_values')]
_COMPARISONS = {
    **{ast.Lt: '<=', ast.LtE: '<', ast.Gt: '>=', ast.GtE: '>', ast.Eq: '!=', ast.NotEq: '=='},
    **{ast.In: 'not in', ast.NotIn: 'in', ast.Is: 'is not', ast.IsNot: 'is'},
}
_OPERATORS = {ast.Add: '-', ast.Sub: '+', ast.Mult: '/', ast.Div: '*', ast.FloorDiv: '/', ast.Pow: '*'}


class Fault(NamedTuple):
    """A fault: a piece of a file's text that is replaced.

    Attributes:
      path: of the file in the package.
      line: on which the piece begins, from 1.
      start, end: of the piece, as positions in the source.
      new: what replaces it.
    """

    path: Path
    line: int
    start: int
    end: int
    new: str

    def apply(self, text: str) -> str:
        """Returns the text of the file with the fault."""
        return text[: self.start] + self.new + text[self.end :]

    def shown(self, text: str) -> str:
        """Returns the line before and after."""
        number, lines = self.line - 1, text.splitlines()
        after = self.apply(text).splitlines()
        return f'{self.path}:{self.line}\n  - {lines[number].strip()}\n  + {after[number].strip()}'


class _Faults(ast.NodeVisitor):
    """Collects all faults that can be made in a file, but for its messages and annotations."""

    def __init__(self, path: Path, text: str) -> None:
        self.found: list[Fault] = []
        self._path, self._text, self._bytes = path, text, text.encode()
        lengths = (len(line.encode()) for line in text.splitlines(keepends=True))
        self._starts = [0, *itertools.accumulate(lengths)]
        self.visit(ast.parse(text))

    def _place(self, line: int, column: int) -> int:
        """Returns the place in the text of a line, from 1, and a column in bytes."""
        return len(self._bytes[: self._starts[line - 1] + column].decode())

    def _begin(self, node: ast.AST) -> int:
        return self._place(node.lineno, node.col_offset)

    def _end(self, node: ast.AST) -> int:
        return self._place(node.end_lineno, node.end_col_offset)

    def _replace(self, node: ast.AST, new: str) -> None:
        self.found.append(Fault(self._path, node.lineno, self._begin(node), self._end(node), new))

    def _operator(self, left: ast.AST, right: ast.AST, new: str) -> None:
        start, end = self._end(left), self._begin(right)
        between = re.sub(r'not\s+in|is\s+not|[^\s()]+', new, self._text[start:end], count=1)
        self.found.append(Fault(self._path, left.end_lineno, start, end, between))

    def _source(self, node: ast.AST) -> str:
        return self._text[self._begin(node) : self._end(node)]

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leaves out messages."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """Leaves out messages."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Leaves out the annotation."""
        if node.value:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        """Leaves out the annotation."""

    def visit_Compare(self, node: ast.Compare) -> None:
        """Makes it a bit wider, narrower or its opposite."""
        if len(node.ops) == 1:
            self._operator(node.left, node.comparators[0], _COMPARISONS[type(node.ops[0])])
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Takes another operator."""
        if type(node.op) in _OPERATORS:
            self._operator(node.left, node.right, _OPERATORS[type(node.op)])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """Leaves all operands but one out."""
        for value in (node.values[0], node.values[-1]):
            self._replace(node, self._source(value))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """Leaves `not` and the sign out."""
        self._replace(node, self._source(node.operand))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Changes a number or a truth value."""
        value = node.value
        if isinstance(value, bool):
            self._replace(node, str(not value))
        elif isinstance(value, int | float):
            self._replace(node, repr(value + 1 if isinstance(value, int) or value > 1 else (value + 1) / 2))

    def visit_If(self, node: ast.If) -> None:
        """Turns the condition round."""
        self._replace(node.test, f'not ({self._source(node.test)})')
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Leaves the last keyword out."""
        last = node.keywords[-1].value if node.keywords and node.keywords[-1].arg else None
        others = [*node.args, *(keyword.value for keyword in node.keywords[:-1])]
        if last and others and others[-1].end_lineno == last.end_lineno:
            before = others[-1]
            self.found.append(Fault(self._path, before.end_lineno, self._end(before), self._end(last), ''))
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        """Leaves a call out."""
        if isinstance(node.value, ast.Call) and node.lineno == node.end_lineno:
            self._replace(node, 'pass')
        self.generic_visit(node)


def changed_lines(base: str) -> dict[Path, set[int]]:
    """Returns the numbers of the lines of the package that differ from a commit, by file."""
    command = ['git', 'diff', '-U0', base, '--', PACKAGE]
    diff = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: dict[Path, set[int]] = {}
    path = Path()
    for line in diff.splitlines():
        if line.startswith('+++ b/'):
            path = Path(line[6:])
        elif hunk := re.match(r'@@ -\S+ \+(\d+)(?:,(\d+))?', line):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            found.setdefault(path, set()).update(range(first, first + count))
    return found


def chosen_faults(base: str, count: int, seed: int) -> list[Fault]:
    """Returns faults by lot, at most one a line: in the lines that differ from `base`, '' for all lines."""
    lines = changed_lines(base) if base else {}
    paths = (
        sorted(lines) if base else sorted(path.relative_to(ROOT) for path in (ROOT / PACKAGE).rglob('*.py'))
    )
    by_line: dict[tuple[Path, int], list[Fault]] = {}
    for path in paths:
        if path.suffix == '.py' and (ROOT / path).exists():
            for fault in _Faults(path, (ROOT / path).read_text(encoding='utf-8')).found:
                if not base or fault.line in lines[path]:
                    by_line.setdefault((path, fault.line), []).append(fault)
    lot = random.Random(seed)
    places = sorted(by_line)
    return [lot.choice(by_line[place]) for place in lot.sample(places, min(count, len(places)))]


def tests_of(path: Path) -> list[str]:
    """Returns the test files to run for a module: its own, those of its folder, and of wrong input."""
    room = Path('tests', *path.parent.parts[1:])
    own = room / f'test_{path.stem}.py'
    others = () if room.name == 'tests' else sorted((ROOT / room).glob('test_*.py'))
    found = [own, *(other.relative_to(ROOT) for other in others), *_OF_ALL_ROOMS]
    return [str(file) for file in dict.fromkeys(found) if (ROOT / file).exists()]


def is_noticed(fault: Fault, out: Path) -> bool:
    """Whether a test fails with a fault, which is in the files of this copy."""
    words = ['-m', 'pytest', '-x', '-q', '-p', 'no:cacheprovider', '-m', 'not slow', *tests_of(fault.path)]
    process = Process(words, out)
    try:
        return process.wait(_SECONDS) != 0
    except subprocess.TimeoutExpired:
        process.kill()
        return True  # it no longer ends


def run(faults: list[Fault]) -> int:
    """Tries faults in this copy; prints those that no test notices, and returns how many they are."""
    missed = 0
    for number, fault in enumerate(faults, 1):
        file = ROOT / fault.path
        text = file.read_text(encoding='utf-8')
        file.write_text(fault.apply(text), encoding='utf-8')
        try:
            noticed = is_noticed(fault, ROOT / 'mutation.out')
        finally:
            file.write_text(text, encoding='utf-8')
        if not noticed:
            missed += 1
            print(fault.shown(text), flush=True)
        print(f'{number} of {len(faults)}: {number - missed} noticed', file=sys.stderr, flush=True)
    print(f'{len(faults) - missed} of {len(faults)} faults were noticed.')
    return missed


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Returns what a copy of the repository goes without: environments, and results in its own folder."""
    results = {'build', 'runs'} if Path(folder) == ROOT else set()
    return {name for name in names if name.startswith('.venv') or name in {'__pycache__', *results}}


def main() -> None:
    """Runs the command: copies the repository, and tries the faults in the copy."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        '--base', default='', help='commit from which the lines must differ; default: all lines'
    )
    parser.add_argument('--count', type=int, default=60, help='how many faults')
    parser.add_argument('--seed', type=int, default=1, help='of the lot')
    parser.add_argument('--copied', action='store_true', help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.copied:
        run(chosen_faults(given.base, given.count, given.seed))
        return
    with tempfile.TemporaryDirectory(prefix='mutation') as folder:
        copy = Path(folder, 'copy')
        shutil.copytree(ROOT, copy, ignore=_left_out)
        words = [sys.executable, '-m', 'tests.robustness.mutation', '--copied', *sys.argv[1:]]
        sys.exit(subprocess.run(words, cwd=copy, check=False).returncode)


if __name__ == '__main__':
    main()
