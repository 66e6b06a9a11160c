"""Pictures of a classifier for TensorBoard: its input, its confusion matrix, its worst mistakes."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.core.display.charts import confusion_picture
from estimator_lab.core.display.drawing import Display, DrawingHook
from estimator_lab.core.display.picture import COLUMNS, labelled_grid
from estimator_lab.core.display.summaries import picture_value
from estimator_lab.core.metrics.confusion import Confusion
from estimator_lab.core.metrics.top_k import TopK
from estimator_lab.tf1 import SessionRunHook, Tensor, tf

_WORST = 2 * COLUMNS
_MOST_CLASSES = 60


class MistakesHook(tf.train.SessionRunHook):
    """Writes at the end of an evaluation `images/confusion` and, of images, `images/worst`.

    Of more than 60 classes the picture has those with the most mistakes; the worst examples are those whose
    true label was given the least probability, of all that were taken for another one.

    Args:
      probabilities: float32 [batch, classes].
      ids: int64 [batch], the true classes.
      weights: float32 [batch]; 0 leaves an example out.
      labels: texts of the classes.
      images: float32 [batch, height, width, channels] in [0, 1]; None of examples that are none.
      example_keys: string [batch]; None where there are none.
      folder: where the evaluation's summaries go.
    """

    def __init__(
        self,
        probabilities: Tensor,
        ids: Tensor,
        weights: Tensor,
        labels: Sequence[str],
        images: Tensor | None,
        example_keys: Tensor | None,
        folder: Path,
    ) -> None:
        self._labels = labels
        self._folder = str(folder)
        with tf.name_scope('mistakes'):
            predicted = tf.argmax(probabilities, axis=1)
            true = tf.where(weights > 0, ids, -tf.ones_like(ids))
            self._all = {'true': true, 'predicted': predicted}
            self._worst = {} if images is None else _worst(probabilities, self._all, images, example_keys)

    def begin(self) -> None:
        self._confusion = Confusion(self._labels)
        self._found: TopK[tuple[np.ndarray, str]] = TopK(_WORST)

    def before_run(self, run_context: Any) -> Any:
        return tf.train.SessionRunArgs((self._all, self._worst))

    def after_run(self, run_context: Any, run_values: Any) -> None:
        batch, worst = run_values.results
        self._confusion.add(batch['true'], batch['predicted'])
        for row, badness in enumerate(worst['badness'].tolist() if worst else ()):
            if badness > 0:
                self._found.offer(badness, functools.partial(self._example, worst, row))

    def end(self, session: Any) -> None:
        step = session.run(tf.train.get_global_step())
        confusion, values = self._confusion, []
        if confusion.images:
            classes = confusion.most_confused_classes(_MOST_CLASSES)
            labels = [self._labels[class_id] for class_id in classes]
            title = f'{confusion.images:,} examples at step {step:,}'
            if len(labels) < len(self._labels):
                title += f': the {len(labels)} most confused of {len(self._labels):,} labels'
            picture = confusion_picture(confusion.matrix(classes), labels, title)
            values.append(picture_value('confusion', picture))
        if self._worst:
            images, texts = zip(*self._found.ranked(), strict=True) if self._found.ranked() else ((), ())
            shape = (0, 1, 1, 1)
            grid = labelled_grid(np.stack(images) if images else np.empty(shape), texts)
            values.append(picture_value('worst', grid))
        tf.summary.FileWriterCache.get(self._folder).add_summary(tf.Summary(value=values), step)

    def _example(self, worst: dict[str, np.ndarray], row: int) -> tuple[np.ndarray, str]:
        true, predicted = (self._labels[worst[name][row]] for name in ('true', 'predicted'))
        lines = [f'is {true}', f'seen as {predicted} {worst["probability"][row]:.2f}']
        if 'key' in worst:
            lines.append(worst['key'][row].decode('utf-8', 'backslashreplace').rpartition('/')[2])
        return worst['images'][row].copy(), '\n'.join(lines)


def _worst(
    probabilities: Tensor, classes: dict[str, Tensor], images: Tensor, example_keys: Tensor | None
) -> dict[str, Tensor]:
    """Returns the worst mistakes of the batch, `badness` 0 for what is none."""
    of_true = tf.gather(probabilities, tf.maximum(classes['true'], 0), batch_dims=1)
    wrong = tf.logical_and(classes['true'] >= 0, tf.not_equal(classes['true'], classes['predicted']))
    badness = tf.where(wrong, 1.0 - of_true, tf.zeros_like(of_true))
    worst, rows = tf.nn.top_k(badness, tf.minimum(_WORST, tf.size(badness)))
    shown = {**classes, 'probability': tf.reduce_max(probabilities, axis=1), 'images': images}
    if example_keys is not None:
        shown['key'] = example_keys
    return {'badness': worst, **{name: tf.gather(values, rows) for name, values in shown.items()}}


_SHOWN = 24


def input_grid_hook(
    images: Tensor, labels: Tensor, text_of: Callable[[int], str], display: Display
) -> SessionRunHook:
    """Returns the hook that writes a grid of the batch's images, each with its label, as `images/input`.

    Args:
      images: float32 tensor [batch, height, width, channels] in [0, 1]; channels 1 or 3.
      labels: int64 tensor [batch].
      text_of: the text of a class id.
      display: where it goes.
    """

    def draw(batch: Any) -> Any:
        tiles, ids = batch
        picture = labelled_grid(tiles, [text_of(int(label)) for label in ids])
        return tf.Summary(value=[picture_value('input', picture)])

    with tf.name_scope('pictures'):
        shown = (images[:_SHOWN], labels[:_SHOWN])
    return DrawingHook(shown, draw, display)
