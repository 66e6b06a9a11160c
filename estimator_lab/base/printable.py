"""Makes untrusted text safe to print: it cannot control a terminal or break a line.

Escapes control characters (C0 including line feed and tab, DEL, C1), line and paragraph separators, marks
that change the direction of text (Unicode 15, UAX #9: embeddings, overrides, isolates, implicit marks), and
lone surrogates, which Python uses for bytes that are not UTF-8.
"""

import csv
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

_NAME_LENGTH = 100
_CONTROLS = '\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069'
_UNPRINTABLE = re.compile(f'[{_CONTROLS}\ud800-\udfff]')
# A backslash that could be mistaken for the beginning of an escape.
_AMBIGUOUS = re.compile(r'\\(?=x[0-9a-f]{2}|u[0-9a-f]{4})')
_ESCAPE = re.compile(r'\\(?:x([0-9a-f]{2})|u([0-9a-f]{4}))')
_BYTES = range(0xDC80, 0xDD00)  # how Python reads bytes that are not UTF-8: the low half is the byte
# The place of a formula: the start of a text, or after a semicolon, which separates cells where a comma is
# the decimal mark. Characters without width may precede its first character; the last four are full-width.
_WITHOUT_WIDTH = r'\u00ad\u180e\u200b-\u200d\u2060-\u2064\ufeff'
_FORMULA = re.compile(rf'(?:^|(?<=;))(?=[\s{_WITHOUT_WIDTH}]*[=+\-@\uff1d\uff0b\uff0d\uff20])')
_NUMBER = re.compile(r'[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.ASCII)


def printable(text: str) -> str:
    r"""Returns a text that can be shown: unprintable characters become `\x1b` or `\u202e`."""
    if text.isprintable():
        return text
    return _UNPRINTABLE.sub(_escape, text)


def padded(text: str, columns: int) -> str:
    """Returns a text for `columns` columns of a terminal, filled with spaces, or cut with an ellipsis.

    Examples:
        >>> padded('tar', 5), padded('archive', 5)
        ('tar  ', 'arch…')
    """
    text = printable(text)
    return f'{text:<{columns}}' if len(text) <= columns else f'{text[: columns - 1]}…'


def without_middle(text: str, most: int) -> str:
    """Returns a text; of one with more than `most` characters only that many, from both of its ends.

    Examples:
        >>> without_middle('tar', 4), without_middle('archive', 4)
        ('tar', 'ar...ve')
    """
    return text if len(text) <= most else f'{text[: most // 2]}...{text[-(most // 2) :]}'


def escaped(name: str) -> str:
    """Returns a name that can be shown and stored; different names stay different."""
    if name.isprintable() and '\\' not in name:
        return name
    return printable(_AMBIGUOUS.sub(r'\\x5c', name))


def unescaped(name: str) -> str:
    """Returns the name that `escaped` was given."""
    return _ESCAPE.sub(_unescape, name) if '\\' in name else name


def is_clean(text: str) -> bool:
    """Whether a text can be shown unchanged."""
    return text.isprintable() or not _UNPRINTABLE.search(text)


def json_escaped(text: str) -> str:
    """Returns equivalent JSON that can be shown, with its line feeds."""
    lines = text.split('\n')
    return '\n'.join(_UNPRINTABLE.sub(lambda match: f'\\u{ord(match[0]):04x}', line) for line in lines)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code in _BYTES:
        return f'\\x{code & 0xFF:02x}'
    return f'\\x{code:02x}' if code < 0x80 else f'\\u{code:04x}'


def _unescape(match: re.Match[str]) -> str:
    if match[2]:
        return chr(int(match[2], 16))
    code = int(match[1], 16)
    return chr(code if code < 0x80 else code | 0xDC00)


def safe_name(name: str) -> str:
    """Returns a valid file name on any system: the last 100 characters, others than letters replaced by _."""
    return re.sub(r'[^\w.-]+', '_', name, flags=re.ASCII)[-_NAME_LENGTH:].strip('._') or '_'


def json_text(value: Any, indent: int | None = None) -> str:
    """Returns strict JSON that can be shown; numbers that are not finite become null."""
    return json_escaped(json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False))


def cell_of(value: Any) -> Any:
    """Returns a value as it is written to a table.

    A spreadsheet could evaluate a text that begins with = + - or @ as a formula; where semicolons separate
    cells, also the text after one. An apostrophe precedes it in the table. Numbers, and texts that are
    numbers, stay unchanged.
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
