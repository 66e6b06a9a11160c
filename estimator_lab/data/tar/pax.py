"""The records of pax extended headers.

Sources: POSIX.1-2008, pax, "pax Extended Header"; GNU tar's manual, "Storing Sparse Files".
"""

from collections.abc import Iterator

from estimator_lab.data.tar.forward_file import HeaderError
from estimator_lab.data.tar.numbers import decimal

PATH, SIZE = b'path', b'size'
SPARSE_NAME, SPARSE_MAP = b'GNU.sparse.name', b'GNU.sparse.map'
SPARSE_SIZE, SPARSE_REAL_SIZE = b'GNU.sparse.size', b'GNU.sparse.realsize'
SPARSE_MAJOR, SPARSE_MINOR = b'GNU.sparse.major', b'GNU.sparse.minor'

_USED = (
    *(PATH, SIZE, SPARSE_NAME, SPARSE_MAP, SPARSE_SIZE, SPARSE_REAL_SIZE),
    *(SPARSE_MAJOR, SPARSE_MINOR),
)
_MAP_PIECES = (b'GNU.sparse.offset', b'GNU.sparse.numbytes')  # one after the other, again and again
_LONGEST_LENGTH = 20


def used_records(body: bytes) -> dict[bytes, bytes]:
    """Returns the records that tell a member's name and where its data lies; of equal ones the last.

    Args:
      body: the data of an extended header.

    Raises:
      HeaderError: it is none.
    """
    records = {}
    pieces = []
    for keyword, value in _records(body):
        if keyword in _USED:
            records[keyword] = value
        elif keyword in _MAP_PIECES:
            pieces.append(value)
    if pieces:
        records[SPARSE_MAP] = b','.join(pieces)
    return records


def is_sparse(records: dict[bytes, bytes]) -> bool:
    """Whether these records are those of a member that is stored without its holes."""
    return any(keyword in records for keyword in (SPARSE_MAP, SPARSE_SIZE, SPARSE_REAL_SIZE, SPARSE_MAJOR))


def _records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields keyword and value of each; a record is '<its length> <keyword>=<value>' and a line feed."""
    start = 0
    while start < len(body) and body[start]:
        space = body.find(b' ', start, start + _LONGEST_LENGTH)
        end = start + decimal(body[start : max(space, start)])
        keyword, equals, value = body[space + 1 : end - 1].partition(b'=')
        if not keyword or not equals or body[end - 1 : end] != b'\n':
            raise HeaderError('a pax record that is none')
        yield keyword, value
        start = end
