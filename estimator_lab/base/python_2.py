"""What to do with a program whose syntax is Python 2's."""

import re
import shlex

# What Python says of such a file, and what its line has.
_PYTHON_2 = re.compile(
    'Missing parenth|exception types|leading zeros|decimal literal|be parenthesized|of tabs and'
    r'|`.+`|<>|\bur[\'"]|^\s*(raise \w+,|exec |print )'
)


def python_2_advice(error: SyntaxError) -> str:
    """Returns what to do with a file for Python 2; '' if an error does not look like one of these."""
    if not (_PYTHON_2.search(error.msg) or _PYTHON_2.search(error.text or '')):
        return ''
    file = error.filename or 'FILE'
    if '.ipynb, ' in file:
        return f'This is Python 2, in {file}: write `print(x)` for `print x`, and the like.'
    # A program in a folder with an __init__.py cannot have relative imports.
    command = f'python -m modernize -wn -x import {shlex.quote(file)}'
    return f'This is Python 2: `pip install modernize`, and `{command}` rewrites it.'
