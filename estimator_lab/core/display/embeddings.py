"""A layer's values for the examples of an evaluation, for TensorBoard's PROJECTOR page."""

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.core.display.phase_summaries import shown_at
from estimator_lab.core.display.projector import tile_size, write_projection
from estimator_lab.core.model.features import keys_of
from estimator_lab.tf1 import Features, Tensor, tf

MOST_POINTS = 1000
"""The projector is slow with more points."""

_SEED = 1

TextOf = Callable[[Any], str]


class EmbeddingsHook(tf.train.SessionRunHook):
    """Writes a layer's values for a random sample of the examples of an evaluation.

    Each evaluation replaces the points of the previous one.

    Args:
      vectors: float32 [batch, size].
      images: float32 [batch, height, width, channels] in [0, 1]; None shows dots.
      columns: metadata to colour and search points by: title -> (tensor [batch], function from one of its
        values to a text).
      output_dir: the run's folder of event files.
      name: name of the points on the page.
    """

    def __init__(
        self,
        vectors: Tensor,
        images: Tensor | None,
        columns: Mapping[str, tuple[Any, TextOf]],
        output_dir: str,
        name: str = 'embeddings',
    ) -> None:
        shown = () if images is None else (_thumbnails(images),)
        self._has_images = bool(shown)
        self._tensors = (vectors, *(tensor for tensor, _ in columns.values()), *shown)
        self._texts_of = {title: text_of for title, (_, text_of) in columns.items()}
        self._output_dir = Path(output_dir)
        self._name = name

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Starts a new sample."""
        self._sample = Sample(MOST_POINTS, _SEED)

    def before_run(self, run_context: Any) -> Any:
        """Fetches the batch's values."""
        return tf.train.SessionRunArgs(self._tensors)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Samples the batch."""
        for vector, *others in zip(*run_values.results, strict=True):
            # Copies, since a view would keep the whole batch in memory.
            self._sample.offer((vector.copy(), *map(copy.copy, others)))

    def end(self, session: Any) -> None:
        """Writes the points."""
        if not self._sample.kept:
            return
        vectors, *values = zip(*self._sample.kept, strict=True)
        images = np.array(values.pop()) if self._has_images else None
        columns = {
            title: [text_of(value) for value in column]
            for (title, text_of), column in zip(self._texts_of.items(), values, strict=True)
        }
        folder, prefix = shown_at(self._output_dir)
        write_projection(folder, prefix + self._name, np.array(vectors), columns, images)


def labels_and_keys(
    features: Features, labels: Tensor, vocabulary: Sequence[str]
) -> dict[str, tuple[Any, TextOf]]:
    """Returns the columns 'label' and 'key', if there are labels and keys.

    Args:
      features: the model function's features, with or without keys.
      labels: class ids [batch], negative for unknown; None for none.
      vocabulary: label texts in the order of their ids.
    """
    columns: dict[str, tuple[Any, TextOf]] = {}
    if labels is not None:
        columns['label'] = (tf.reshape(labels, [-1]), functools.partial(label_text, vocabulary))
    example_keys = keys_of(features)
    if example_keys is not None:
        columns['key'] = (example_keys, lambda key: key.decode('utf-8', 'replace'))
    return columns


def label_text(vocabulary: Sequence[str], id_: int) -> str:
    """Returns the text of a class id; 'unknown' if it is not in the vocabulary."""
    return vocabulary[id_] if 0 <= id_ < len(vocabulary) else 'unknown'


def _thumbnails(images: Tensor) -> Tensor:
    """Scales images down to the size of the page's tiles."""
    height, width = images.shape.as_list()[1:3]
    columns, rows = tile_size(MOST_POINTS, height, width)
    with tf.name_scope('thumbnails'):
        return tf.image.resize_images(images, [rows, columns], tf.image.ResizeMethod.AREA)


class Sample:
    """Reservoir sampling: keeps a uniform random sample of the offered items (Vitter 1985, algorithm R).

    Attributes:
      kept: the sample of at most `size` items, in no particular order.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._rng = np.random.default_rng(seed)
        self._seen = 0
        self.kept: list[Any] = []

    def offer(self, item: Any) -> None:
        """Keeps the item, or drops it."""
        self._seen += 1
        if len(self.kept) < self._size:
            self.kept.append(item)
            return
        place = self._rng.integers(self._seen)
        if place < self._size:
            self.kept[place] = item
