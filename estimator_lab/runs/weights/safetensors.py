"""Reads safetensors files: a header of JSON that says where each tensor is, then the tensors."""

import math
import os
from typing import Any, BinaryIO

import numpy as np

from estimator_lab.base.json_input import as_type, parse_json, shown

_LENGTH = 8  # bytes of the header's length
_MOST_HEADER = 100_000_000  # bytes: the format's own limit
_MOST_SIDES = 64
_METADATA = '__metadata__'

# Type in the header -> (its name, bytes of a value, NumPy's type or '' if there is none).
_TYPES = {
    'F64': ('float64', 8, '<f8'),
    'F32': ('float32', 4, '<f4'),
    'F16': ('float16', 2, '<f2'),
    'BF16': ('bfloat16', 2, ''),
    'F8_E4M3': ('float8', 1, ''),
    'F8_E5M2': ('float8', 1, ''),
    'I64': ('int64', 8, '<i8'),
    'I32': ('int32', 4, '<i4'),
    'I16': ('int16', 2, '<i2'),
    'I8': ('int8', 1, '<i1'),
    'U64': ('uint64', 8, '<u8'),
    'U32': ('uint32', 4, '<u4'),
    'U16': ('uint16', 2, '<u2'),
    'U8': ('uint8', 1, '<u1'),
    'BOOL': ('bool', 1, '?'),
}


def is_safetensors(start: bytes, size: int) -> bool:
    """Returns whether a file is in this format.

    Args:
      start: its first bytes, nine or more.
      size: of the file in bytes.
    """
    return start[_LENGTH : _LENGTH + 1] == b'{' and int.from_bytes(start[:_LENGTH], 'little') < size


class SafetensorsFile:
    """A safetensors file.

    Sizes, types and offsets of all tensors are checked before any value is read: the tensors fill the file
    without gaps or overlaps, and each has as many bytes as its shape and type say.

    Args:
      file: opened for reading.

    Attributes:
      tensors: shape and type of each tensor, by name.

    Raises:
      OSError, ValueError: it can't be read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        size = os.fstat(file.fileno()).st_size
        file.seek(0)
        length = int.from_bytes(_read(file, _LENGTH), 'little')
        if length > min(_MOST_HEADER, size - _LENGTH):
            raise ValueError(f'its header has {length:,} bytes, but the file {size:,}')
        header = as_type(parse_json(_read(file, length)), dict[str, Any], 'header')
        header.pop(_METADATA, None)
        self._begin = _LENGTH + length
        self._places = {name: _Place(name, entry) for name, entry in header.items()}
        end = 0
        for place in sorted(self._places.values(), key=lambda place: (place.begin, place.end)):
            if place.begin != end:
                raise ValueError(f'{shown(place.name)} begins at byte {place.begin:,} and not at {end:,}')
            end = place.end
        if end != size - self._begin:
            raise ValueError(f'its tensors have {end:,} bytes, but the file {size - self._begin:,} for them')
        self.tensors = {name: (place.shape, _TYPES[place.type][0]) for name, place in self._places.items()}

    def read(self, name: str) -> np.ndarray:
        """Returns a tensor; raises ValueError if NumPy has no such type."""
        place = self._places[name]
        kind, _, numpy = _TYPES[place.type]
        if not numpy:
            raise ValueError(f'{shown(name)} is of type {kind}')
        self._file.seek(self._begin + place.begin)
        return np.frombuffer(_read(self._file, place.end - place.begin), numpy).reshape(place.shape)


class _Place:
    """Where a tensor is.

    Attributes:
      name: of the tensor.
      type: one of `_TYPES`.
      shape: of the tensor.
      begin: first byte, after the header.
      end: the byte after the last.
    """

    def __init__(self, name: str, entry: Any) -> None:
        fields = as_type(entry, dict[str, Any], shown(name))
        if set(fields) != {'dtype', 'shape', 'data_offsets'}:
            raise ValueError(f'{shown(name)} has the fields {shown(sorted(fields))}')
        self.name = name
        self.type = as_type(fields['dtype'], str, f'dtype of {shown(name)}')
        self.shape = as_type(fields['shape'], tuple[int, ...], f'shape of {shown(name)}')
        self.begin, self.end = as_type(fields['data_offsets'], tuple[int, int], f'offsets of {shown(name)}')
        if self.type not in _TYPES:
            raise ValueError(f'{shown(name)} is of the unknown type {shown(self.type)}')
        if len(self.shape) > _MOST_SIDES or any(side < 0 for side in self.shape):
            raise ValueError(f'{shown(name)} has the shape {shown(list(self.shape))}')
        needed = math.prod(self.shape) * _TYPES[self.type][1]
        if self.begin < 0 or self.end - self.begin != needed:
            raise ValueError(
                f'{shown(name)} needs {needed:,} bytes, but has those from {self.begin:,} to {self.end:,}'
            )


def _read(file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise ValueError('it breaks off')
    return found
