"""Limits of the numbers in headers, of maps of holes, and of what a header may read."""

import io

import pytest

from estimator_lab.data.tar.forward_file import MAX_HEADER_BYTES, ForwardFile, HeaderError
from estimator_lab.data.tar.pax import decimal, field_number, is_sparse, used_records
from estimator_lab.data.tar.sparse import checked_chunks, listed_chunks, read_file

LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ('field', 'number'),
    [
        (b'00000000017\0', 15),
        (b' 17 ', 15),
        (b'17\x0099', 15),
        (b'\0' * 12, 0),
        (b' ' * 12, 0),
        (b'7' * 21, LARGEST),
        (b'\x80' + bytes(10) + b'\x05', 5),
        (b'\x80' + LARGEST.to_bytes(11, 'big'), LARGEST),
    ],
)
def test_numbers_of_fields(field, number):
    assert field_number(field) == number


@pytest.mark.parametrize(
    ('field', 'reason'),
    [
        (b'1' + b'0' * 21, r'not in \[0, 2\^63\)'),
        (b'\x80' + (LARGEST + 1).to_bytes(11, 'big'), r'not in \[0, 2\^63\)'),
        (b'\xff' * 12, r'not in \[0, 2\^63\)'),
        (b'-1', r'not in \[0, 2\^63\)'),
        (b'18', "b'18' is not an octal number"),
    ],
)
def test_other_fields_are_errors(field, reason):
    with pytest.raises(HeaderError, match=reason):
        field_number(field)


def test_decimal_numbers():
    assert [decimal(digits) for digits in (b'0', b'0012', b'%d' % LARGEST)] == [0, 12, LARGEST]
    for digits in (b'', b'-1', b' 1', b'1.0', b'x', b'%d' % (LARGEST + 1), b'0' * 20):
        with pytest.raises(HeaderError, match=r'\[0, 2\^63\)'):
            decimal(digits)


def record(keyword, value):
    """A record with its own length in front; both are short."""
    text = f' {keyword}={value}\n'
    return f'{len(text) + 2}{text}'.encode()


def test_the_last_of_equal_records_counts_and_unknown_ones_do_not():
    body = record('path', 'a/1.jpg') + record('mtime', '12.5') + record('path', 'a/2.jpg') + bytes(9)
    assert used_records(body) == {b'path': b'a/2.jpg'}
    assert not is_sparse(used_records(body))
    pieces = [record(f'GNU.sparse.{name}', n) for n, name in ((3, 'offset'), (4, 'numbytes'), (9, 'offset'))]
    records = used_records(b''.join(pieces))
    assert records == {b'GNU.sparse.map': b'3,4,9'} and is_sparse(records)


@pytest.mark.parametrize('body', [b'99 path=x\n', b'9 path=x.', b'9 pathxx\n', b'8 =1234\n', b'path=x\n'])
def test_malformed_records(body):
    with pytest.raises(HeaderError):
        used_records(body)


def test_maps_of_holes():
    assert listed_chunks(b'') == [] and listed_chunks(b'0,3,9,1') == [0, 3, 9, 1]
    assert checked_chunks([0, 3, 3, 0, 3, 4], size=7, stored=7) == (
        (0, 3),
        (3, 4),
    )
    assert checked_chunks([], size=7, stored=0) == ()
    for numbers, size, stored, reason in (
        ([0, 3, 4], 9, 9, 'ends within a piece'),
        ([0, 3, 2, 4], 9, 9, 'out of order'),
        ([5, 3], 7, 9, 'beyond the end of its file of 7 bytes'),
        ([0, 3, 3, 4], 7, 6, 'more than the 6 bytes stored'),
    ):
        with pytest.raises(HeaderError, match=reason):
            checked_chunks(numbers, size, stored)


def test_holes_are_zeros():
    stored = io.BytesIO(b'abcde')
    assert read_file(stored.read, ((1, 2), (5, 3)), 9) == b'\0ab\0\0cde\0'
    assert read_file(stored.read, (), 3) == bytes(3)
    assert read_file(stored.read, (), 0) == b''


@pytest.mark.parametrize('length', [None, 10], ids=['read', 'seek'])
def test_a_forward_file_keeps_its_position_and_limits(length):
    stream = ForwardFile(io.BytesIO(b'0123456789'), length)
    stream.allow(4)
    assert (stream.read(3), stream.position, stream.peek(2), stream.position) == (b'012', 3, b'34', 3)
    with pytest.raises(HeaderError, match=f'asks for 2 more bytes, above {MAX_HEADER_BYTES}'):
        stream.read(2)
    assert (stream.read(1), stream.read_some(2), stream.position) == (b'3', b'45', 6)
    with pytest.raises(HeaderError, match='points back to byte 5'):
        stream.seek(5)
    stream.seek(6)
    stream.seek(8)
    stream.allow(10)
    with pytest.raises(EOFError):
        stream.read(3)
    assert (stream.cut, stream.position, stream.read_some(1)) == (b'89', 10, b'')
    with pytest.raises(EOFError):
        stream.seek(11)
    assert stream.position == 10


def test_zeros_are_skipped_in_whole_blocks():
    for zeros, end in ((512, 512), (700, 512), (2**16 + 512, 2**16 + 512)):
        stream = ForwardFile(io.BytesIO(bytes(zeros) + b'x'), None)
        assert stream.skip_zeros()
        assert stream.position == end
    stream = ForwardFile(io.BytesIO(bytes(1000)), None)
    assert not stream.skip_zeros() and stream.position == 1000
