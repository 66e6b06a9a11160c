"""Input functions of images that come from no archive order: the document's own, and one for arrays.

Both give pixels as float32 in [0, 1], so that one model function takes them as it takes an archive's.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from estimator_lab.conventions import IMAGE, to_unit_range
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.images.kind import ImageReader
from estimator_lab.data.images.shape import ImageShape
from estimator_lab.data.pipeline.input_fns import Examples, InputFn, dataset_of
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.tf1 import tf


def numpy_input_fn(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool = False,
    seed: int = 0,
) -> InputFn:
    """Returns an input function over arrays in memory, with the features of `archive_input_fn`.

    Args:
      images: uint8 [n, height, width, channels], 0 to 255; or [n, height, width] for grey.
      labels: int [n] class ids; None gives no labels.
      batch_size: examples in a batch; the last one of an epoch may be shorter.
      num_epochs: passes over the arrays; None repeats without end.
      shuffle: whether each epoch has an order of its own.
      seed: with the epoch, decides that order.

    Raises:
      ValueError: if the arrays don't fit each other or the type is not uint8.
    """
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(
            f'images must be uint8 [n, height, width(, channels)], not {images.dtype} {images.shape}.'
        )
    if labels is not None and len(labels) != len(images):
        raise ValueError(f'{len(images)} images but {len(labels)} labels.')

    ids = np.zeros(len(images), np.int64) if labels is None else labels

    def examples() -> Iterator[Examples]:
        for epoch in itertools.count() if num_epochs is None else range(num_epochs):
            rows = np.arange(len(images))
            if shuffle:
                np.random.default_rng([seed, epoch]).shuffle(rows)
            for first in range(0, len(rows), batch_size):
                batch = rows[first : first + batch_size]
                yield Examples({IMAGE: images[batch]}, [f'array:{row}' for row in batch], ids[batch])

    reader = ImageReader(ImageShape(*images.shape[1:]))
    return lambda: dataset_of(examples, reader, labelled=labels is not None)


def document_input_fn(archives: Sequence[str], height: int = 128, width: int = 128) -> InputFn:
    """Returns the document's input function: one example at a time, each grey pixel a tensor of its own.

    Kept for programs written that way; it moves about a hundredth of what `archive_input_fn` does.

    Args:
      archives: paths of tar archives, read once in their stored order.
      height: pixels.
      width: pixels.

    Returns:
      A function of no arguments that returns (a tuple of height * width float32 scalars in [0, 1], row
      by row; a scalar string, the label).
    """
    pixels = height * width

    def examples() -> Iterator[tuple[Any, ...]]:
        for archive in archives:
            for member in stream_members(archive):
                image = to_unit_range(decode_image(member.data, height, width))
                yield (*image.ravel(), member.label)

    def input_fn() -> tuple[Any, Any]:
        dataset = tf.data.Dataset.from_generator(examples, (tf.float32,) * pixels + (tf.string,))
        example = dataset.make_one_shot_iterator().get_next()
        return example[:pixels], example[pixels]

    return input_fn
