"""Reads summaries from event files, damaged ones too.

An event file is a TFRecord file of `tf.Event`s: each record is its length, uint64, the masked CRC-32C of
the length, the event, and its masked CRC-32C (tensorflow/core/lib/io/record_writer.h). TensorFlow's reader
verifies and returns the events. It allocates whatever length a record claims and stops at the first wrong
byte, so the lengths are checked here first, and events after a damaged one are read as well.
"""

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from estimator_lab.base.errors import DataError
from estimator_lab.base.files import open_regular
from estimator_lab.tf1 import record_reader, tf

_HEAD, _CRC_BYTES = struct.Struct('<QI'), 4
_LONGEST = 2**23  # bytes of an event that is read
_MOST_VALUES = 2**17  # in an event: an empty one takes two bytes there, and a hundred in memory
_VALUE = b'\x0a'  # begins each


def scalars_in(path: Path, tag: str, on_damage: Callable[[str], None]) -> Iterator[tuple[int, float]]:
    """Yields (global step, value) of all scalars with a tag; see `values_in`."""
    for step, value in values_in(path, on_damage):
        if value.tag == tag and value.HasField('simple_value'):
            yield step, value.simple_value


def values_in(path: Path, on_damage: Callable[[str], None]) -> Iterator[tuple[int, Any]]:
    """Yields (global step, `tf.Summary.Value`) of all summaries, in the order of the file.

    Args:
      path: an event file; one that is not a regular file is reported, not opened.
      on_damage: is told what is damaged, as the words that follow the file's name; may be called more than
        once.

    Raises:
      DataError: the file can't be read.
    """
    try:
        with open_regular(path) as file:
            reader = record_reader(str(path))
            for offset in _sound_records(file, on_damage):
                try:
                    data = reader.read(offset)[0]
                    if data.count(_VALUE) > _MOST_VALUES:
                        on_damage(f'holds an event of more than {_MOST_VALUES:,} values')
                        continue
                    event = tf.Event.FromString(data)
                except (tf.errors.DataLossError, DecodeError):
                    on_damage('holds a damaged event')
                    continue
                for value in event.summary.value:
                    yield event.step, value
    except IndexError:
        on_damage('got shorter while it was read')
    except ValueError as error:
        on_damage(f'cannot be read: {error}')
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f'{path} cannot be read: {getattr(error, "strerror", None) or error}.') from error


def _sound_records(file: BinaryIO, on_damage: Callable[[str], None]) -> Iterator[int]:
    """Yields the offsets of the records whose length is right, and not too large to read.

    The last record may be incomplete: a training is writing it, or was killed while it did.
    """
    size, offset = os.fstat(file.fileno()).st_size, 0
    while offset + _HEAD.size <= size:
        file.seek(offset)
        head = file.read(_HEAD.size)
        length, crc = _HEAD.unpack(head)
        if masked_crc32c(head[:-_CRC_BYTES]) != crc:
            return on_damage(f'is damaged at byte {offset}, and cannot be read from there on')
        start, offset = offset, offset + _HEAD.size + length + _CRC_BYTES
        if length <= _LONGEST and offset <= size:
            yield start
