"""Numbers in tar headers, checked: a header may claim any."""

from estimator_lab.data.tar.forward_file import HeaderError

_LIMIT = 2**63  # of file sizes in every system
_BASE_256 = (0x80, 0xFF)  # the first byte of a positive and of a negative number
_MAX_DIGITS = 19


def field_number(field: bytes) -> int:
    """Returns the number in a header's field: octal digits, or, in GNU tar, base 256 with a mark before it.

    Raises:
      HeaderError: it is none, or not in [0, 2^63).
    """
    if field[0] in _BASE_256:
        return _checked(-1 if field[0] == 0xFF else int.from_bytes(field[1:], 'big'))
    digits = field.partition(b'\0')[0].strip() or b'0'
    try:
        return _checked(int(digits, 8) if digits.isdigit() else -1)
    except ValueError as error:  # an 8 or a 9
        raise HeaderError(f'{digits!r} is no octal number') from error


def decimal(digits: bytes) -> int:
    """Returns the number that these digits write.

    Raises:
      HeaderError: it is none, or not in [0, 2^63).
    """
    if not digits.isdigit() or len(digits) > _MAX_DIGITS:
        raise HeaderError(f'{digits[: 2 * _MAX_DIGITS]!r} is no number in [0, 2^63)')
    return _checked(int(digits))


def _checked(number: int) -> int:
    if not 0 <= number < _LIMIT:
        raise HeaderError('a number that is not in [0, 2^63)')
    return number
