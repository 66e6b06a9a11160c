"""JSON and CSV that are safe to show on a terminal and to open in a spreadsheet."""

import csv
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from estimator_lab.base.printable import json_escaped, printable

# The place of a formula: the start of a text, or after a semicolon, which separates cells where a comma is
# the decimal mark. Characters without width may precede its first character; the last four are full-width.
_WITHOUT_WIDTH = r'\u00ad\u061c\u180e\u200b-\u200f\u2060-\u2064\ufeff'
_FORMULA = re.compile(rf'(?:^|(?<=;))(?=[\s{_WITHOUT_WIDTH}]*[=+\-@\uff1d\uff0b\uff0d\uff20])')
_NUMBER = re.compile(r'[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.ASCII)


def json_text(value: Any, indent: int | None = None) -> str:
    """Returns strict JSON that can be shown; numbers that are not finite become null."""
    return json_escaped(json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False))


def cell_of(value: Any) -> Any:
    """Returns a value as it is written to a table.

    A spreadsheet could evaluate a text that begins with = + - or @ as a formula; where semicolons separate
    cells, also the text after one. An apostrophe is put before it. Numbers, and texts that are numbers, stay
    unchanged.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub("'", text)


def csv_writer(stream: TextIO) -> Callable[[Iterable[Any]], None]:
    """Returns a function that writes a row of CSV to a stream, each value as `cell_of` returns it."""
    writer = csv.writer(stream, lineterminator='\n')

    def write(row: Iterable[Any]) -> None:
        writer.writerow(map(cell_of, row))

    return write


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table to a file."""
    with path.open('w', encoding='utf-8', newline='') as file:
        write = csv_writer(file)
        for row in (head, *rows):
            write(row)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
