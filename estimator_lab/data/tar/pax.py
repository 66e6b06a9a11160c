"""Values in tar headers: numbers, and pax records. All are checked, as a header may claim anything.

Sources: POSIX.1-2008, pax, "pax Extended Header"; GNU tar's manual, "Storing Sparse Files".
"""

from collections.abc import Iterator

from estimator_lab.data.tar.forward_file import HeaderError

PATH, SIZE = b'path', b'size'
SPARSE_NAME, SPARSE_MAP = b'GNU.sparse.name', b'GNU.sparse.map'
SPARSE_SIZE, SPARSE_REAL_SIZE = b'GNU.sparse.size', b'GNU.sparse.realsize'
SPARSE_MAJOR, SPARSE_MINOR = b'GNU.sparse.major', b'GNU.sparse.minor'

_USED = (
    *(PATH, SIZE, SPARSE_NAME, SPARSE_MAP, SPARSE_SIZE, SPARSE_REAL_SIZE),
    *(SPARSE_MAJOR, SPARSE_MINOR),
)
_MAP_PIECES = (b'GNU.sparse.offset', b'GNU.sparse.numbytes')  # alternating
_LONGEST_LENGTH = 20
_LIMIT = 2**63  # of file sizes in every system
_BASE_256 = (0x80, 0xFF)  # the first byte of a positive and of a negative number
_MAX_DIGITS = 19


def used_records(body: bytes) -> dict[bytes, bytes]:
    """Returns the records of a member's name and of where its data is; the last of equal ones.

    Args:
      body: the data of an extended header.

    Raises:
      HeaderError: it is malformed.
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
    """Whether these are the records of a sparse member."""
    return any(keyword in records for keyword in (SPARSE_MAP, SPARSE_SIZE, SPARSE_REAL_SIZE, SPARSE_MAJOR))


def _records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields keywords and values; a record is '<its length> <keyword>=<value>' and a line feed."""
    start = 0
    while start < len(body) and body[start]:
        space = body.find(b' ', start, start + _LONGEST_LENGTH)
        end = start + decimal(body[start : max(space, start)])
        keyword, equals, value = body[space + 1 : end - 1].partition(b'=')
        if not keyword or not equals or body[end - 1 : end] != b'\n':
            raise HeaderError('a malformed pax record')
        yield keyword, value
        start = end


def field_number(field: bytes) -> int:
    """Returns the number in a header's field: octal digits, or base 256 after a mark in GNU tar.

    Raises:
      HeaderError: it is not a number in [0, 2^63).
    """
    if field[0] in _BASE_256:
        return _checked(-1 if field[0] == 0xFF else int.from_bytes(field[1:], 'big'))
    digits = field.partition(b'\0')[0].strip() or b'0'
    try:
        return _checked(int(digits, 8) if digits.isdigit() else -1)
    except ValueError as error:  # an 8 or a 9
        raise HeaderError(f'{digits!r} is not an octal number') from error


def decimal(digits: bytes) -> int:
    """Returns a decimal number.

    Raises:
      HeaderError: it is not a number in [0, 2^63).
    """
    if not digits.isdigit() or len(digits) > _MAX_DIGITS:
        raise HeaderError(f'{digits[: 2 * _MAX_DIGITS]!r} is not a number in [0, 2^63)')
    return _checked(int(digits))


def _checked(number: int) -> int:
    if not 0 <= number < _LIMIT:
        raise HeaderError('a number that is not in [0, 2^63)')
    return number
