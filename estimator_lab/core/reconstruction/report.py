"""Pictures and histograms of an autoencoder's evaluation, for TensorBoard."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from estimator_lab.core import keys
from estimator_lab.core.confusion import TopK
from estimator_lab.core.evaluation import write_values
from estimator_lab.core.picture import COLUMNS, labelled_grid
from estimator_lab.core.reconstruction.image_metrics import squared_error
from estimator_lab.core.summaries import picture_value
from estimator_lab.tf1 import Tensor, tf

_WALKS = 4
_BINS = 50
_WORST = 2 * COLUMNS
_NO_LABEL = -1
_SHOWN = ('images', 'reconstruction', 'error', 'key')
_SHARES = [f'{share:.0%}' for share in np.linspace(0, 1, COLUMNS)]
TileRow = tuple[np.ndarray, Sequence[str]]


class Reconstructed(NamedTuple):
    """A batch of images and their reconstructions.

    Attributes:
      images: the targets, float32 [batch, height, width, channels] in [0, 1].
      inputs: the encoder's input: the images, or corrupted ones, which may leave [0, 1].
      code: float32 [batch, code].
      logits: the decoder's output, float32 [batch, height, width, channels].
      values: the same after the output function: a sigmoid, or the identity, which is unbounded.
    """

    images: Tensor
    inputs: Tensor
    code: Tensor
    logits: Tensor
    values: Tensor

    @property
    def reconstruction(self) -> Tensor:
        """The values clipped to [0, 1], float32 [batch, height, width, channels]."""
        return tf.clip_by_value(self.values, 0.0, 1.0)

    @property
    def error(self) -> Tensor:
        """Squared error of each image, summed over its values, float32 [batch]."""
        return squared_error(self.images, self.reconstruction)


class ReconstructionReportHook(tf.train.SessionRunHook):
    """Writes pictures and histograms at the end of an evaluation of an autoencoder.

    - images/reconstruction: the first images, corrupted if they were, and their reconstructions;
    - images/walk: images decoded on straight lines between the codes of two images;
    - images/worst: the images with the largest errors, with their keys;
    - histograms of the errors and the codes of all images.

    Args:
      made: the batch.
      decode: code -> images in [0, 1], in the graph of `made`.
      example_keys: string [batch]; None to number the images.
      labels: class ids [batch]; None for none.
      vocabulary: label texts in the order of their ids.
      folder: folder of the evaluation's event files.
    """

    def __init__(
        self,
        made: Reconstructed,
        decode: Callable[[Any], Any],
        example_keys: Tensor,
        labels: Tensor,
        vocabulary: Sequence[str],
        folder: Path,
    ) -> None:
        self._corrupted = made.inputs is not made.images
        self._label_texts = dict(enumerate(vocabulary))
        self._folder = folder
        with tf.name_scope('report'):
            self._batch = {
                'images': made.images,
                'reconstruction': made.reconstruction,
                'code': made.code,
                'error': made.error,
            }
            if example_keys is not None:
                self._batch['key'] = example_keys
            if labels is not None:
                self._batch['label'] = tf.reshape(labels, [-1])
            self._once = {'walk': _walks(decode, made.code), 'inputs': made.inputs[:COLUMNS]}

    def begin(self) -> None:
        """Forgets the evaluation before."""
        self._first: dict[str, np.ndarray] = {}
        self._errors: list[np.ndarray] = []
        self._codes: list[np.ndarray] = []
        self._worst: TopK[dict[str, np.ndarray]] = TopK(_WORST)

    def before_run(self, run_context: Any) -> Any:
        """Requests the batch, and once the walk."""
        return tf.train.SessionRunArgs((self._batch, {} if self._first else self._once))

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Keeps the first images, the worst ones, all errors and all codes."""
        batch, once = run_values.results
        count, before = len(batch['error']), sum(map(len, self._errors))
        batch.setdefault('key', np.array([b'%d' % (before + row) for row in range(count)], object))
        batch.setdefault('label', np.full(count, _NO_LABEL))
        if not self._first:
            self._first = {**once, **{name: values[:COLUMNS] for name, values in batch.items()}}
        self._errors.append(batch['error'])
        self._codes.append(batch['code'])
        for row, error in enumerate(batch['error'].tolist()):
            self._worst.offer(error, functools.partial(_example, batch, row))

    def end(self, session: Any) -> None:
        """Writes the summaries."""
        if not self._errors:
            return
        values = [
            picture_value(
                'reconstruction', _picture('Images, and below them their reconstructions', self._first_rows())
            ),
            picture_value(
                'walk',
                _picture(
                    'From the code of one image to that of the next',
                    _rows_of(self._first['walk'], _WALKS * _SHARES),
                ),
            ),
            picture_value(
                'worst',
                _picture('The worst, each above its reconstruction', self._worst_rows()),
            ),
            histogram_value(f'outputs/{keys.ERROR}', np.concatenate(self._errors)),
            histogram_value(f'outputs/{keys.CODE}', np.concatenate(self._codes)),
        ]
        write_values(session, self._folder, values)

    def _first_rows(self) -> list[TileRow]:
        first = self._first
        inputs = [(first['inputs'], ['corrupted'] * COLUMNS)] if self._corrupted else []
        labels_and_keys = zip(first['label'].tolist(), first['key'], strict=True)
        names = [self._label_texts.get(label) or _member(key) for label, key in labels_and_keys]
        return [(first['images'], names), *inputs, (first['reconstruction'], _error_texts(first))]

    def _worst_rows(self) -> list[TileRow]:
        """Returns rows of the worst images, worst first, each above a row of their reconstructions."""
        examples = self._worst.ranked()
        worst = {name: np.stack([example[name] for example in examples]) for name in _SHOWN}
        originals = _rows_of(worst['images'], [_member(key) for key in worst['key']])
        reconstructions = _rows_of(worst['reconstruction'], _error_texts(worst))
        return [row for pair in zip(originals, reconstructions, strict=True) for row in pair]


def _example(batch: Mapping[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
    """Returns one example as copies: a view would keep the whole batch in memory."""
    return {name: np.array(batch[name][row]) for name in _SHOWN}


def _walks(decode: Callable[[Any], Any], code: Tensor) -> Tensor:
    """Returns images decoded between each of the first codes and the next, COLUMNS per line."""
    ends = code[1 : _WALKS + 1]
    starts = code[: tf.shape(ends)[0]]
    share = tf.reshape(tf.linspace(0.0, 1.0, COLUMNS), [1, COLUMNS, 1])
    between = (1 - share) * tf.expand_dims(starts, 1) + share * tf.expand_dims(ends, 1)
    return decode(tf.reshape(between, [-1, code.shape.as_list()[1]]))


def _rows_of(images: np.ndarray, texts: Sequence[str]) -> list[TileRow]:
    """Returns images and their texts in rows of COLUMNS."""
    starts = range(0, len(images), COLUMNS)
    return [(images[at : at + COLUMNS], texts[at : at + COLUMNS]) for at in starts]


def _picture(title: str, rows: Sequence[TileRow]) -> Image.Image:
    """Returns the rows as one picture, below a title; rows of fewer than COLUMNS are padded with white."""
    images, texts = [], []
    for tiles, words in rows:
        missing = COLUMNS - len(tiles)
        images += [tiles, np.ones((missing, *tiles.shape[1:]), tiles.dtype)]
        texts += [*words[: len(tiles)], *[''] * missing]
    tiles = np.concatenate(images) if images else np.empty((0, 1, 1, 1))
    return labelled_grid(tiles, texts, title=title)


def _error_texts(rows: Mapping[str, np.ndarray]) -> list[str]:
    return [f'error {error:.2f}' for error in rows['error']]


def _member(key: bytes) -> str:
    """Returns the last folder and the file name of a key, short enough for a caption."""
    return '/'.join(key.decode('utf-8', 'replace').rpartition(':')[2].split('/')[-2:])


def histogram_value(tag: str, values: np.ndarray) -> Any:
    """Returns a histogram of values, computed outside the graph, as a tf.Summary.Value."""
    counts, edges = np.histogram(values, _BINS)
    histogram = tf.HistogramProto(
        min=values.min(),
        max=values.max(),
        num=values.size,
        sum=values.sum(),
        sum_squares=np.square(values).sum(),
        bucket_limit=edges[1:],
        bucket=counts,
    )
    return tf.Summary.Value(tag=tag, histo=histogram)
