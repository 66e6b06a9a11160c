"""How much memory the input of training takes, by what is known of the data."""

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

from estimator_lab.data.budget import DECODED_BYTES, ENCODED_BYTES, SHUFFLED
from estimator_lab.data.tar.index_file import ROW

_ORDER_BYTES = 24  # of an example: its archive, its row, and two permutations while an epoch begins
_KEPT_BYTES = 300  # of an image in memory, besides its pixels: its name, its class and where its pixels are
_BYTES_OF_PIXEL = 4  # a decoder's canvas
_BYTES_OF_VALUE = 5  # of an image in a batch: as it is read, and as float32
_BATCHES = 4  # that are prepared at the same time
_MOST_AT_ONCE = 4 * 2**20  # bytes of small batches that are handed over together
_MEGABYTE = 2**20


class Data(NamedTuple):
    """What decides the memory of an input.

    Attributes:
      examples: their number.
      bytes: of all of them, encoded.
      name_bytes: of all of their names.
      most_pixels: of the largest image.
      random_access: whether they are shuffled without a buffer.
    """

    examples: int
    bytes: int
    name_bytes: int
    most_pixels: int
    random_access: bool


class InputMemory(NamedTuple):
    """Bytes that the input of training takes, about; the network takes its own.

    Attributes:
      indexes: names and places of all examples.
      order: of an epoch.
      shuffle_buffer: encoded examples that are held for shuffling; 0 with random access.
      encoded: examples that wait to be decoded, at most.
      decoding: images while they are decoded, at most.
      decoded_cache: decoded images that are kept for later epochs, and their names.
      batches: on their way to the network.
    """

    indexes: int
    order: int
    shuffle_buffer: int
    encoded: int
    decoding: int
    decoded_cache: int
    batches: int


def input_memory(
    data: Data, image_shape: Sequence[int], batch_size: int, shuffle_buffer: int, cache_megabytes: int
) -> InputMemory:
    """Returns the memory that training's input takes.

    Args:
      data: what is read.
      image_shape: (height, width, channels) to which images are scaled.
      batch_size: examples in a batch.
      shuffle_buffer: examples held for shuffling without random access.
      cache_megabytes: of decoded images that may be kept.
    """
    image = math.prod(image_shape)
    threads, mean = (os.cpu_count() or 1) + 1, data.bytes / max(data.examples, 1)
    cached, batch = data.examples * image, batch_size * image * _BYTES_OF_VALUE
    held = 0 if data.random_access else min(shuffle_buffer, data.examples) * mean
    return InputMemory(
        indexes=data.examples * ROW.itemsize + data.name_bytes,
        order=data.examples * _ORDER_BYTES if data.random_access else 0,
        shuffle_buffer=min(int(held), SHUFFLED),
        encoded=min(data.bytes, ENCODED_BYTES, int(_BATCHES * batch_size * mean)),
        decoding=min(threads * data.most_pixels * _BYTES_OF_PIXEL, DECODED_BYTES),
        decoded_cache=cached + data.examples * _KEPT_BYTES if cached <= cache_megabytes * _MEGABYTE else 0,
        batches=_BATCHES * max(batch, min(_MOST_AT_ONCE, cached * _BYTES_OF_VALUE)),
    )
