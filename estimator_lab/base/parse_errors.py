"""Wrong command lines as sentences: what absl says of flags, in the words of this package."""

import re
from collections.abc import Sequence

from estimator_lab.base.suggestions import HPARAMS, suggested

_UNKNOWN = re.compile(r"Unknown command line flag '(.*?)'(?:\. Did you mean: .*)?$")
_NO_NUMBER = re.compile(
    r'(--\w+=.*?): (invalid literal for int|could not convert string to float)', re.DOTALL
)
_LIST_OF_HPARAMS = 'hparams'
_HINT = ' Hyper-parameters are given as --hparams=NAME=VALUE,...; train --hparams=help lists them.'


def parse_error(words: str, known: Sequence[str]) -> str:
    """Returns the sentence for absl's message about a flag."""
    words = words.removeprefix('ERROR:: ').removeprefix('flag ').rstrip('.')
    if unknown := _UNKNOWN.match(words):
        return _unknown_flag(unknown[1], known)
    if found := _NO_NUMBER.match(words):
        return f'{found[1]} is not a {"whole " if "int" in found[2] else ""}number.'
    if ": ('Non-boolean" in words:
        return f'{words.partition(": (")[0]} is neither true nor false.'
    return f'{words}; --help lists the flags.'


def _unknown_flag(name: str, known: Sequence[str]) -> str:
    others, hint = (HPARAMS, _HINT) if _LIST_OF_HPARAMS in known else ((), '')
    near = [
        f'--{found}' if found in known else f'--{_LIST_OF_HPARAMS}={found}=...'
        for found in suggested(name, [*known, *others])
    ]
    if near:
        return f'There is no flag --{name}; did you mean {" or ".join(near)}? --help lists all.'
    return f'There is no flag --{name}; --help lists all.{hint}'
