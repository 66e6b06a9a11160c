"""Sizes in bytes, as people write them: 8M, 20G."""

import re

from estimator_lab.base.errors import FlagError
from estimator_lab.base.json_input import shown

_SIZE = re.compile(r'([0-9]{1,12})([KMGT]?)', re.ASCII)
_UNITS = {'': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}


def parse_size(name: str, text: str) -> int:
    """Returns the bytes of a size.

    Examples:
        >>> parse_size('cache', '20G')
        21474836480

    Raises:
      FlagError: it is not a whole number, of up to twelve digits, with K, M, G, T or nothing after it; the
        message begins with `name`.
    """
    found = _SIZE.fullmatch(text.strip().upper())
    if not found:
        raise FlagError(f'{name}={shown(text)} must be a size in bytes, such as 8M or 20G.')
    return int(found[1]) * _UNITS[found[2]]


def shown_size(count: int) -> str:
    """Returns bytes as `parse_size` reads them.

    Examples:
        >>> shown_size(8 * 2**20), shown_size(1000)
        ('8M', '1000')
    """
    unit = max((unit for unit in _UNITS.values() if count and count % unit == 0), default=1)
    return f'{count // unit}{next(letter for letter, value in _UNITS.items() if value == unit)}'
