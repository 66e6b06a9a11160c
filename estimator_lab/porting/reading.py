"""Reads Python files as syntax trees, and says what is wrong with those that have none."""

import ast
import re
import warnings
from pathlib import Path
from typing import NamedTuple

from estimator_lab.errors import DataError

LONGEST = 8 << 20  # bytes, more than any hand-written program has

# Statements that are valid in Python 2 only, by what the parser of Python 3 says or by their text.
_MESSAGES = ('Missing parentheses in call to', 'inconsistent use of tabs', 'leading zeros in decimal integer')
_STATEMENTS = re.compile(
    r"""^\s*print\s+[^=(\s]           # print "text"
    | ^\s*print\s*>>                  # print >>file, text
    | ^\s*exec\s+[^=(\s]              # exec "code"
    | \bexcept\s+[\w.()\s,]+,\s*\w+\s*:  # except Error, name:
    | ^\s*raise\s+[\w.]+\s*,          # raise Error, "text"
    | <>                              # not equal
    | `[^`]+`                         # repr
    | \b[uU][rR]['"]                  # ur"text"
    | \b\d+[lL]\b                     # 10L
    | \bdef\s+\w+\(.*\([\w\s,]+\).*:  # def f(a, (b, c)):
    | \blambda\s*\(                   # lambda (a, b): a
    """,
    re.VERBOSE,
)


class Tree(NamedTuple):
    """One file: its name, bytes and syntax tree.

    If it has a syntax error, `error` is its message, `line` its line, and `of_python_2` whether the statement
    there is one of Python 2.
    """

    file: str
    data: bytes
    root: ast.Module
    error: str = ''
    line: int = 0
    of_python_2: bool = False


def parse(file: str) -> Tree:
    """Reads one file.

    Raises:
      DataError: the file does not exist, is not text, or is nested too deep.
    """
    path, nothing = Path(file), ast.Module([], [])
    try:
        if path.stat().st_size > LONGEST:
            raise DataError(f'{file} is not a program: it is longer than {LONGEST} bytes.')
        data = path.read_bytes()
        if b'\0' in data:
            raise ValueError('it contains zero bytes')
        with warnings.catch_warnings():
            warnings.simplefilter(
                'ignore'
            )  # SyntaxWarning: invalid escape sequence, at a line of the program
            return Tree(file, data, ast.parse(data, file))
    except OSError as error:
        raise DataError(f'{file} cannot be read: {error.strerror}.') from error
    except SyntaxError as error:
        return Tree(file, data, nothing, str(error.msg), error.lineno or 1, _is_python_2(error, data))
    except (RecursionError, MemoryError) as error:
        raise DataError(f'{file} cannot be read: it is nested too deep.') from error
    except ValueError as error:
        raise DataError(f'{file} is not a Python program: {error}.') from error


def _is_python_2(error: SyntaxError, data: bytes) -> bool:
    lines = data.decode('utf-8', 'replace').splitlines()
    line = lines[(error.lineno or 1) - 1] if 0 < (error.lineno or 1) <= len(lines) else ''
    return str(error.msg).startswith(_MESSAGES) or bool(_STATEMENTS.search(line))
