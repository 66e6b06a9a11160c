"""Names of many shards in one: 'train-{000000..000146}.tar', and '{train,val}.tar'."""

import re
from collections.abc import Iterator

from estimator_lab.data.storage.names import PIPE
from estimator_lab.errors import DataError

_MOST = 100_000
_RANGE = re.compile(r'(\d+)\.\.(\d+)')
_GROUP = re.compile(r'\{((?:\d+\.\.\d+)|[^{}]*,[^{}]*)\}')
_ITEM = re.compile(r'(?:\{[^{}]*\}|[^,])+')


def split_names(patterns: list[str]) -> list[str]:
    """Returns the names in texts that are lists of them: separated by commas, except within braces.

    A command, 'pipe:...', extends to the next one or to the end, as it may have commas of its own.
    """
    before, *commands = re.split(f'(?:^|,)(?={PIPE})', ','.join(patterns))
    names = [name.strip() for name in _ITEM.findall(before)]
    return [name for name in (*names, *commands) if name]


def expand_braces(pattern: str) -> list[str]:
    """Returns the names that a pattern with braces stands for, in order; without braces, the pattern alone.

    Raises:
      DataError: there are more than 100,000.
    """
    names = [pattern]
    while any(map(_GROUP.search, names)):
        names = list(dict.fromkeys(name for each in names for name in _without_first_group(each)))
        if len(names) > _MOST:
            raise DataError(f'{pattern!r} stands for more than {_MOST:,} names.')
    return names


def _without_first_group(name: str) -> Iterator[str]:
    found = _GROUP.search(name)
    if not found:
        yield name
        return
    for choice in _choices(name, found[1]):
        yield f'{name[: found.start()]}{choice}{name[found.end() :]}'


def _choices(name: str, group: str) -> Iterator[str]:
    numbers = _RANGE.fullmatch(group)
    if not numbers:
        yield from group.split(',')
        return
    first, last = int(numbers[1]), int(numbers[2])
    if abs(last - first) >= _MOST:
        raise DataError(f'{name!r} stands for more than {_MOST:,} names.')
    zeros = any(text.startswith('0') and len(text) > 1 for text in numbers.groups())
    width = max(map(len, numbers.groups())) if zeros else 0
    for number in range(first, last + 1) if first <= last else range(first, last - 1, -1):
        yield f'{number:0{width}}'
