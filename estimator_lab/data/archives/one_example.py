"""One example, by its path, or by its archive and its name in it."""

import itertools
import os
import re
from pathlib import Path

from estimator_lab.base.errors import DataError
from estimator_lab.base.printable import escaped
from estimator_lab.data.archives.indexing import open_index
from estimator_lab.data.archives.opened import open_stream
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.member import BadExampleError, Member
from estimator_lab.data.sources.formats import scan_members
from estimator_lab.data.sources.reading import Scan
from estimator_lab.data.sources.source import STDIN, Source, expand, source_of
from estimator_lab.data.sources.tar import TAR_SUFFIXES


def read_example(place: str, kind: Kind) -> Member:
    """Reads one example.

    Args:
      place: path or URL of its file, or of a tar archive and the name of a member, 'faces.tar:a/1.jpg'.
      kind: which members are examples.

    Raises:
      DataError: there is none, or it can't be read.
    """
    archive, name = _archive_and_name(place)
    member = _member_called(source_of(archive), name, kind) if name else _only_example(archive, kind)
    try:
        return member.read()
    except BadExampleError as reason:
        raise DataError(f'{member.place} cannot be read: {reason}.') from reason


def _only_example(path: str, kind: Kind) -> Member:
    """Returns the example in a file that holds exactly one."""
    archives = open_stream(expand([path], commas=False), kind, say=lambda line: None)
    member = next(archives.order().epoch(0), None)
    if member is None:
        raise DataError(f'{path!r} holds no {kind.name}.')
    if member.is_own_file:
        return member
    raise DataError(f'{path!r} holds many {kind.noun}: name one of them, such as {member.key}.')


def _archive_and_name(place: str) -> tuple[str, str]:
    """Splits at the colon that ends an archive's path or URL; the name is '' if there is none."""
    if '://' in place:
        suffixes = '|'.join(map(re.escape, TAR_SUFFIXES))
        found = re.match(rf'(\w+://.+?(?:{suffixes})(?:\?[^:]*)?):(.+)', place)
        return (found[1], found[2]) if found else (place, '')
    if place == STDIN or os.path.lexists(place):
        return place, ''
    colons = [match.start() for match in re.finditer(':', place)]
    for colon in colons:
        if Path(place[:colon]).is_file():
            return place[:colon], place[colon + 1 :]
    raise DataError(f'There is no file {place!r}' + (', and no archive before its colon.' if colons else '.'))


def _member_called(source: Source, name: str, kind: Kind) -> Member:
    index = open_index(source, kind)
    for row in range(len(index)):
        if index.name(row) in (name, escaped(name)):
            if index.random_access:
                return index.member(row)
            return next(itertools.islice(scan_members(source, kind, Scan()), row, None))
    example = f'; it has {index.name(0)!r}' if len(index) else ''
    raise DataError(f'{source.name!r} has no {kind.name} {name!r}{example}.')
