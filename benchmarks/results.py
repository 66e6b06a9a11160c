"""Runs a figure of results.toml and compares it, or prints docs/results.md.

    python benchmarks/results.py cnn_mnist             runs a row, in the folder that holds its archives
    python benchmarks/results.py --page > docs/results.md

The exit status is 1 if a figure is not the expected one. docs/archives.md says how to get MNIST.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomllib
from runner import HERE, ROOT, machine

_HEADER = """# Results

Each figure of the docs, and the command that prints it: `python benchmarks/results.py NAME` runs it and
compares. Minutes are those of 2 cores (AMD EPYC or Intel Xeon, shared) without a GPU, with TensorFlow 2.21
and Python 3.13.

This page is made from `benchmarks/results.toml`.
"""

Row = Mapping[str, Any]


def read() -> list[Mapping[str, Any]]:
    """Returns the sections of results.toml, each with its rows."""
    sections: list[Mapping[str, Any]] = tomllib.loads((HERE / 'results.toml').read_text())['section']
    return sections


def page(sections: Sequence[Mapping[str, Any]]) -> str:
    """Returns docs/results.md."""
    parts = [_HEADER]
    for section in sections:
        parts.append(f'## {section["title"]}\n')
        parts.append('| name | what | figure | published | minutes | measured |\n|' + ' --- |' * 6)
        parts += [
            f'| `{row["name"]}` | {row["what"]} | {row["expected"]} | {row.get("published", "")} '
            f'| {row["minutes"]} | {row["measured"]} |'
            for row in section['row']
        ]
        parts.append('')
        if 'text' in section:
            parts.append(section['text'])
        parts += [f'```sh\n# {row["name"]}\n{row["command"].strip()}\n```\n' for row in section['row']]
    return '\n'.join(parts).rstrip() + '\n'


def run(row: Row) -> bool:
    """Runs a row's command and shows its output; returns whether the figure is as expected."""
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    environment = {**os.environ, 'PATH': path, 'PYTHONPATH': str(ROOT)}
    command = row['command'].replace(' benchmarks/', f' {HERE}/').replace(' examples/', f' {ROOT}/examples/')
    shell = ['bash', '-euxc', command]
    printed = ''
    with subprocess.Popen(shell, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end='', flush=True)
            printed += line
    if process.returncode:
        raise SystemExit(f'{row["name"]}: its command ended with status {process.returncode}.')
    return compare(row, printed)


def compare(row: Row, printed: str) -> bool:
    """Returns whether the last figure in an output is as expected; prints both."""
    found = re.findall(row['figure'], printed)
    if not found:
        print(f'{row["name"]}: no figure was printed')
        return False
    figure, expected, tolerance = float(found[-1]), row['expected'], row['tolerance']
    is_near = abs(figure - expected) <= tolerance
    verdict = 'as expected' if is_near else 'NOT AS EXPECTED'
    print(f'{row["name"]}: {figure:g}, {verdict} ({expected:g} within {tolerance:g})')
    return is_near


def main(arguments: list[str]) -> int:
    """Runs the rows that are named; returns the exit status."""
    sections = read()
    if arguments == ['--page']:
        print(page(sections), end='')
        return 0
    rows = {row['name']: row for section in sections for row in section['row']}
    if not arguments or not rows.keys() >= set(arguments):
        print(f'{__doc__}\nRows: {", ".join(rows)}')
        return 2
    print(machine(), flush=True)
    found = [run(rows[name]) for name in arguments]
    return int(not all(found))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
