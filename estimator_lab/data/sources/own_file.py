"""A file that is an example by itself, such as a photo; a pipe or a URL of one, too."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from estimator_lab.base.errors import DataError
from estimator_lab.base.printable import escaped
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.labels import label_of
from estimator_lab.data.examples.member import MAX_MEMBER_BYTES, BadExampleError, Data, Member
from estimator_lab.data.sources.files import HEAD_BYTES
from estimator_lab.data.sources.folder import data_of, label_next_to
from estimator_lab.data.sources.reading import Format, Scan
from estimator_lab.data.sources.source import STDIN, Source, why_unreadable
from estimator_lab.data.sources.tar import TAR


def _scan(source: Source, kind: Kind, scan: Scan) -> Iterator[Member]:
    """Yields the file; its label is that which it has in its folder.

    An index lists no files of unknown contents: they are read as archives, which says what is wrong.
    """
    name = escaped(source.name)
    if source.is_pipe:
        data = _bytes_of(source)
        yield Member(source.name, name, 0, _label_of(source, name), len(data), data=data)
    elif scan.headers_only and not (kind.accepts(name) or kind.recognises(_bytes_of(source, HEAD_BYTES))):
        yield from TAR.scan(source, kind, scan)
    else:
        label, size = _label_of(source, name), source.stamp().size
        yield Member(source.name, name, 0, label, size, source=_FileReader(source))


def _label_of(source: Source, name: str) -> str:
    if source.table:
        return source.table.of(name)
    if source.url == STDIN:
        return ''
    if source.is_remote:
        return escaped(label_of(source.url.partition('?')[0]))
    path = Path(source.url).absolute()
    label = None if source.is_pipe else label_next_to(path)
    return escaped(label_of(str(path))) if label is None else label


class _FileReader(NamedTuple):
    """Reads the file: a `member.MemberReader`; a local one that can't be read is a bad example."""

    source: Source

    @property
    def is_slow(self) -> bool:
        return self.source.is_remote

    def read(self, members: Sequence[Member]) -> list[Data | BadExampleError]:
        data = _bytes_of(self.source) if self.source.is_remote else data_of(Path(self.source.url))
        return [data] * len(members)


def _bytes_of(source: Source, most: int = MAX_MEMBER_BYTES + 1) -> bytes:
    try:
        with source.open() as file:
            return file.read(most)
    except OSError as error:
        raise DataError(why_unreadable(source.name, error)) from error


OWN_FILE = Format(_scan, _FileReader, is_cached=False)
"""Files of one example."""
