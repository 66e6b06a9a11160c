"""Summaries in event files, read as far as they can be: a killed process leaves half a record, a disk worse.

An event file is a TFRecord file of `tf.Event`s: each record is its length, uint64, the masked CRC-32C of
that, the event, and its masked CRC-32C (tensorflow/core/lib/io/record_writer.h). TensorFlow's own reader
raises at the first wrong byte, and believes a length however large.
"""

import functools
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError

from estimator_lab.console.regular_files import open_regular
from estimator_lab.tf1 import tf

_LENGTH, _CRC = struct.Struct('<Q'), struct.Struct('<I')
_LONGEST = 2**26  # bytes of an event with a metric
_POLYNOMIAL = 0x82F63B78  # CRC-32C, its bits reversed
_MASK = 0xA282EAD8


def scalars_in(path: Path, tag: str, on_damage: Callable[[str], None]) -> Iterator[tuple[int, float]]:
    """Yields (global step, value) of all scalars with a tag; the rest as `values_in`."""
    for step, value in values_in(path, tag, on_damage):
        if value.HasField('simple_value'):
            yield step, value.simple_value


def values_in(path: Path, tag: str, on_damage: Callable[[str], None]) -> Iterator[tuple[int, Any]]:
    """Yields (global step, `tf.Summary.Value`) of all summaries with a tag; the rest as `all_values_in`."""
    for step, value in all_values_in(path, on_damage, tag.encode()):
        if value.tag == tag:
            yield step, value


def all_values_in(
    path: Path, on_damage: Callable[[str], None], containing: bytes = b''
) -> Iterator[tuple[int, Any]]:
    """Yields (global step, `tf.Summary.Value`) of all summaries, in the order of the file.

    Args:
      path: an event file.
      on_damage: told, in the words behind the file's name, what of it can't be read; it may be called again.
      containing: bytes without which an event is not looked at.
    """
    try:
        with open_regular(path) as file:
            for data, crc in _records(file, on_damage):
                if containing in data:
                    yield from _values(data, crc, on_damage)
    except OSError as error:
        on_damage(f'cannot be read: {error.strerror or error}')
    except ValueError as error:
        on_damage(f'cannot be read: {error}')


def _values(data: bytes, crc: int, on_damage: Callable[[str], None]) -> Iterator[tuple[int, Any]]:
    try:
        if masked_crc32c(data) != crc:
            raise DecodeError
        event = tf.Event.FromString(data)
    except DecodeError:
        on_damage('holds a damaged event')
        return
    for value in event.summary.value:
        yield event.step, value


def _records(file: BinaryIO, on_damage: Callable[[str], None]) -> Iterator[tuple[bytes, int]]:
    """Yields the bytes of each event and the checksum that stands behind them."""
    size, offset = os.fstat(file.fileno()).st_size, 0
    while offset < size:
        head = file.read(_LENGTH.size + _CRC.size)
        begins = offset + len(head)
        if len(head) < _LENGTH.size + _CRC.size:
            return on_damage(f'is cut off at byte {size}')
        (length,), (crc,) = _LENGTH.unpack_from(head), _CRC.unpack_from(head, _LENGTH.size)
        if masked_crc32c(head[: _LENGTH.size]) != crc:
            return on_damage(f'is damaged at byte {offset}, and cannot be read from there on')
        offset = begins + length + _CRC.size
        if offset > size:
            return on_damage(f'is cut off at byte {size}')
        if length > _LONGEST:
            file.seek(offset)
            continue
        data, crc_behind = file.read(length), file.read(_CRC.size)
        if len(crc_behind) < _CRC.size:
            return on_damage('got shorter while it was read')
        yield data, _CRC.unpack(crc_behind)[0]


def masked_crc32c(data: bytes) -> int:
    """Returns the checksum of TFRecord files: CRC-32C, rotated, plus a constant."""
    crc, table = 0xFFFFFFFF, _table()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


@functools.cache
def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return table
