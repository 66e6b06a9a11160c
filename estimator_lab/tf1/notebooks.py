"""Runs the code cells of a notebook in order, without IPython.

A magic that only sets something, and commands of the shell, are left out with a word on standard error. The
value of a cell's last expression is printed.
"""

import ast
import io
import json
import linecache
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

from estimator_lab.base.errors import DataError
from estimator_lab.base.progress import warn

# Magics whose argument is code, and magics of a whole cell.
_CODE_MAGICS = re.compile(r'(\s*)%(?:time|timeit|prun)\s+(?:-\S+\s+)*(?=[^-\s])')
_CELL_MAGICS = re.compile(r'\s*%%(?:time|timeit|capture|prun)\b')
# `!pip install`, `%matplotlib inline`, `?name`, `name?`, `files = !ls`.
_COMMAND = re.compile(r'(\s*)(?:[!%?]|[\w.]+\?+\s*$|\w+\s*=\s*[!%])')


def run_notebook(programs: Any, path: Path, texts: Iterable[str], names: dict[str, Any]) -> None:
    """Runs a notebook in a namespace.

    Args:
      programs: a `tf1.programs.Programs`, which decides on its TensorFlow.
      path: the notebook.
      texts: its `code_cells`.
      names: the namespace of its cells.
    """
    names['display'] = print
    cells = {}
    for number, text in enumerate(texts, 1):
        place = f'{path}, cell {number}'
        text = _python_of(text, place)
        # Tracebacks and inspect.getsource, which AutoGraph calls, read it there.
        linecache.cache[place] = len(text), None, text.splitlines(keepends=True), place
        cells[place] = ast.parse(text, place)
    for place, tree in zip(cells, programs.adapted([*cells.values()], str(path)), strict=True):
        try:
            for code in _parts(tree, place):
                exec(code, names)
        except Exception:
            warn(f'{place} failed.')
            raise


def code_cells(path: Path) -> list[str]:
    """Returns the texts of a notebook's cells of code.

    Raises:
      DataError: it is not a notebook.
    """
    try:
        book = json.loads(path.read_text(encoding='utf-8'))
        sheets = book.get('worksheets', [book])  # up to version 3 of the format
        every = [cell for sheet in sheets for cell in sheet['cells']]
        cells = [cell for cell in every if cell['cell_type'].strip() == 'code']
        sources = [cell.get('source', cell.get('input', '')) for cell in cells]
        return [''.join(source) for source in sources]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f'{str(path)!r} is not a notebook.') from error


def _python_of(text: str, place: str) -> str:
    """Returns the Python of a cell, line by line, with `pass` for what is left out."""
    try:
        ast.parse(text)
        return text
    except SyntaxError:
        lines = text.split('\n')
    if lines[0].lstrip().startswith('%%'):
        if not _CELL_MAGICS.match(lines[0]):
            warn(f'{place}: left out: {lines[0].strip()}')
            return ''
        lines[0] = ''
    continues = False
    for index, line in enumerate(lines):
        stripped = _CODE_MAGICS.sub(r'\1', line)
        command = _COMMAND.match(stripped)
        if (command or stripped != line) and _is_open('\n'.join(lines[:index])):
            continue
        if command or continues:
            if command:
                warn(f'{place}: left out: {line.strip()}')
            continues = line.endswith('\\')
            stripped = f'{command[1]}pass' if command else ''
        lines[index] = stripped
    return '\n'.join(lines)


def _is_open(text: str) -> bool:
    """Whether the next line belongs to a string or a statement of the text."""
    try:
        for _ in tokenize.generate_tokens(io.StringIO(f'{text}\n').readline):
            pass
    except (tokenize.TokenError, SyntaxError) as error:
        return 'EOF' in str(error) or 'triple-quoted' in str(error)
    return False


def _parts(tree: ast.Module, place: str) -> Iterator[CodeType]:
    """Yields the code of a cell, and apart from it the last expression, whose value is printed."""
    is_silent = ''.join(linecache.getlines(place)).rstrip().endswith(';')
    last = [each for each in tree.body[-1:] if isinstance(each, ast.Expr) and not is_silent]
    yield compile(ast.Module(tree.body[: len(tree.body) - len(last)], []), place, 'exec', dont_inherit=True)
    if last:
        yield compile(ast.Interactive([*last]), place, 'single', dont_inherit=True)
