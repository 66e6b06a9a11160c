"""Input functions on `Dataset.from_generator`: mini-batched, the document's own, and for arrays.

All of them give pixels as float32 in [0, 1], so that one model function takes any of them.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from estimator_lab.data.images.decode import decode_image, to_unit_range
from estimator_lab.data.labels import UNKNOWN_ID, Vocabulary, label_of
from estimator_lab.data.order.order import Order
from estimator_lab.data.pipeline.batches import Batch, ImageShape, Pixels, decoded_batches
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.tf1 import tf

InputFn = Callable[[], Any]
# uint8 images [n, height, width, channels], n keys, n class ids
Arrays = tuple[np.ndarray, Sequence[str], Sequence[int] | np.ndarray]
_PREFETCHED_BATCHES = 2


def archive_input_fn(
    order: Order,
    pixels: Pixels,
    batch_size: int,
    report: InputReport,
    vocabulary: Vocabulary | None = None,
    resume: Callable[[], int] | None = None,
    watch: Callable[[Batch], None] | None = None,
) -> InputFn:
    """Returns an input function that streams batches of images from tar archives.

    Args:
      order: the archives and the order of their members.
      pixels: how images are decoded, and to which size.
      batch_size: archive members in a batch; bad images leave a batch shorter.
      report: counts bad images, keeps the error that ended the stream.
      vocabulary: turns label texts into ids, -1 for one that it does not know; None gives no labels, as
        PREDICT wants it.
      resume: returns the batches already seen: then the stream has no end and starts behind those. None
        gives one epoch from its head.
      watch: called with each batch before TensorFlow gets it; predictions then come in step with batches,
        as that of one with no image is made from a black one.

    Returns:
      A function of no arguments that returns a Dataset of ({'image': float32 [batch, height, width,
      channels] in [0, 1], 'key': string [batch]}, int64 [batch]), or of the features alone.
    """

    def arrays() -> Iterator[Arrays]:
        schedule = order.onwards(resume() * batch_size) if resume else order.epoch(0)
        for batch in report.until_error(decoded_batches(schedule, batch_size, pixels, report)):
            if watch:
                watch(batch)
            if not batch.keys:  # every image of it was bad
                # A step still has to pass, so that the next one finds its own members; it learns nothing.
                if resume or watch:
                    yield np.zeros((1, *pixels.shape), np.uint8), [''], [UNKNOWN_ID]
                continue
            ids = [vocabulary.id_of(label) if vocabulary else 0 for label in batch.labels]
            yield batch.images, batch.keys, ids

    return lambda: _batch_dataset(arrays, pixels.shape, labelled=vocabulary is not None)


def numpy_input_fn(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool = False,
    seed: int = 0,
) -> InputFn:
    """Returns an input function over arrays in memory, with the same features as `archive_input_fn`.

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

    def arrays() -> Iterator[Arrays]:
        for epoch in itertools.count() if num_epochs is None else range(num_epochs):
            rows = np.arange(len(images))
            if shuffle:
                np.random.default_rng([seed, epoch]).shuffle(rows)
            for first in range(0, len(rows), batch_size):
                batch = rows[first : first + batch_size]
                yield images[batch], [f'array:{row}' for row in batch], ids[batch]

    return lambda: _batch_dataset(arrays, ImageShape(*images.shape[1:]), labelled=labels is not None)


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
                yield (*image.ravel(), label_of(member.name))

    def input_fn() -> tuple[Any, Any]:
        dataset = tf.data.Dataset.from_generator(examples, (tf.float32,) * pixels + (tf.string,))
        example = dataset.make_one_shot_iterator().get_next()
        return example[:pixels], example[pixels]

    return input_fn


def _batch_dataset(arrays: Callable[[], Iterator[Arrays]], shape: ImageShape, labelled: bool) -> Any:
    """Returns a Dataset of batches; they cross from Python into TensorFlow whole, as uint8."""

    def encoded() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for images, keys, ids in arrays():
            # Names in an archive are bytes; those that are no UTF-8 come back as they were.
            names = [key.encode('utf-8', 'surrogateescape') for key in keys]
            yield images, np.array(names, object), np.asarray(ids, np.int64)

    def example(images: Any, keys: Any, labels: Any) -> Any:
        # The same division as decode.to_unit_range, so that both ways give the same float.
        features = {'image': tf.cast(images, tf.float32) / 255.0, 'key': keys}
        return (features, labels) if labelled else features

    with tf.name_scope('input'):
        dataset = tf.data.Dataset.from_generator(
            encoded, (tf.uint8, tf.string, tf.int64), ([None, *shape], [None], [None])
        )
        # Prefetched last, so that a training step finds its floats ready.
        return dataset.map(tf.autograph.experimental.do_not_convert(example)).prefetch(_PREFETCHED_BATCHES)
