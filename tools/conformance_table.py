"""Writes docs/conformance.md: which behaviour of the Estimator API holds on which TensorFlow.

    pytest tests/conformance --junitxml=FILE      once in the environment of each TensorFlow
    python tools/conformance_table.py FILE... > docs/conformance.md

Needs the standard library only.
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from typing import NamedTuple

HEADER = """# The Estimator API, behaviour by behaviour

Each row is a test in `tests/conformance`, run unchanged on each of these versions of TensorFlow. 2.15 brings
its own Estimator and is the reference; on the others it is restored by `estimator_lab.tf1`.

Made by `tools/conformance_table.py`, whose header says how to make it anew.
"""


class Result(NamedTuple):
    """One test on one version; `note` says how the version differs, or why the test did not pass."""

    topic: str
    behaviour: str
    version: str
    mark: str
    note: str


def results_of(path: str) -> Iterator[Result]:
    """Yields the results in one JUnit file of pytest."""
    for case in ElementTree.parse(path).iter('testcase'):
        properties = {p.get('name'): p.get('value', '') for p in case.iter('property')}
        if 'behaviour' not in properties:
            continue
        mark, note = 'yes', properties.get('differs', '')
        if note:
            mark = 'differs'
        for tag, word in (('failure', '**no**'), ('error', '**no**'), ('skipped', 'not run')):
            found = case.find(tag)
            if found is not None:
                mark, note = word, (found.get('message') or '').splitlines()[0]
        yield Result(properties['topic'], properties['behaviour'], properties['tensorflow'], mark, note)


def table(results: Iterable[Result]) -> str:
    """Returns the page: the counts, then for each topic its behaviours."""
    by_behaviour: dict[str, dict[str, dict[str, Result]]] = {}
    versions: set[str] = set()
    for result in results:
        topic = by_behaviour.setdefault(result.topic, {})
        topic.setdefault(result.behaviour, {})[result.version] = result
        versions.add(result.version)
    columns = sorted(versions, key=lambda version: [int(part) for part in version.split('.')[:2]])
    pages = [HEADER, _counts(by_behaviour, columns)]
    pages += [_section(topic, rows, columns) for topic, rows in by_behaviour.items()]
    return '\n'.join(pages)


def _counts(by_behaviour: dict[str, dict[str, dict[str, Result]]], columns: list[str]) -> str:
    """Returns how many behaviours hold, by topic and in all, without those that differ or did not run."""
    lines = [f'| holds | behaviours | {" | ".join(columns)} |', '|' + ' --- |' * (len(columns) + 2)]
    everything = [row for rows in by_behaviour.values() for row in rows.values()]
    topics = {topic: list(rows.values()) for topic, rows in by_behaviour.items()}
    for topic, rows in [*topics.items(), ('**in all**', everything)]:
        held = [str(sum(v in row and row[v].mark == 'yes' for row in rows)) for v in columns]
        lines.append(f'| {topic} | {len(rows)} | {" | ".join(held)} |')
    return '\n'.join(lines) + '\n'


def _section(topic: str, rows: dict[str, dict[str, Result]], columns: list[str]) -> str:
    lines = [f'## {topic}\n', f'| behaviour | {" | ".join(columns)} |', '|' + ' --- |' * (len(columns) + 1)]
    notes = []
    for behaviour, row in rows.items():
        marks = [row[version].mark if version in row else '' for version in columns]
        lines.append(f'| {behaviour.replace("|", chr(92) + "|")} | {" | ".join(marks)} |')
        notes += [
            f'- {behaviour}: {version}: {row[version].note}' for version in columns if _note(row, version)
        ]
    return '\n'.join([*lines, '', *notes]) + ('\n' if notes else '')


def _note(row: dict[str, Result], version: str) -> str:
    return row[version].note if version in row else ''


def main(paths: list[str]) -> None:
    if not paths:
        raise SystemExit(__doc__)
    print(table(result for path in paths for result in results_of(path)), end='')


if __name__ == '__main__':
    main(sys.argv[1:])
