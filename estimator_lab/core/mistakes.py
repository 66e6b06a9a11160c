"""The confusion matrix and the worst mistakes of an evaluation, as pictures for TensorBoard."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.core.confusion import Confusion, TopK
from estimator_lab.core.picture import COLUMNS, confusion_picture, labelled_grid
from estimator_lab.core.summaries import picture_value, write_values
from estimator_lab.tf1 import Tensor, tf

_MISTAKES = 2 * COLUMNS
_MOST_CLASSES = 60


class MistakesHook(tf.train.SessionRunHook):
    """Writes at the end of an evaluation `images/confusion` and, for images, `images/worst`.

    The confusion matrix has at most 60 classes, those with the most mistakes. The worst examples are the
    misclassified ones with the lowest probability of the true label.

    Args:
      probabilities: float32 [batch, classes] in [0, 1].
      ids: int64 [batch], the true classes; examples of a class below 0 do not count.
      labels: texts of the classes.
      images: float32 [batch, height, width, channels] in [0, 1]; None if the examples are not images.
      example_keys: string [batch], or None.
      folder: where the evaluation's summaries go.
    """

    def __init__(
        self,
        probabilities: Tensor,
        ids: Tensor,
        labels: Sequence[str],
        images: Tensor | None,
        example_keys: Tensor | None,
        folder: Path,
    ) -> None:
        self._labels = labels
        self._folder = folder
        with tf.name_scope('mistakes'):
            self._all = {'true': ids, 'predicted': tf.argmax(probabilities, axis=1)}
            self._top = {} if images is None else _top(probabilities, self._all, images, example_keys)

    def begin(self) -> None:
        """Starts the counts of an evaluation."""
        self._confusion = Confusion(self._labels)
        self._found: TopK[tuple[np.ndarray, str]] = TopK(_MISTAKES)

    def before_run(self, run_context: Any) -> Any:
        """Fetches the predictions and the worst mistakes of the batch."""
        return tf.train.SessionRunArgs((self._all, self._top))

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Adds the batch."""
        batch, top = run_values.results
        self._confusion.add(batch['true'], batch['predicted'])
        for row, badness in enumerate(top['badness'].tolist() if top else ()):
            if badness > 0:
                self._found.offer(badness, partial(self._example, top, row))

    def end(self, session: Any) -> None:
        """Writes the pictures."""
        confusion, values = self._confusion, []
        if confusion.images:
            classes = confusion.most_confused_classes(_MOST_CLASSES)
            labels = [self._labels[class_id] for class_id in classes]
            step = session.run(tf.train.get_global_step())
            title = f'{confusion.images:,} examples at step {step:,}'
            if len(labels) < len(self._labels):
                title += f': the {len(labels)} most confused of {len(self._labels):,} labels'
            picture = confusion_picture(confusion.matrix(classes), labels, title)
            values.append(picture_value('confusion', picture))
        if self._top:
            examples = self._found.ranked()
            images = [image for image, _ in examples]
            grid = labelled_grid(
                np.stack(images) if images else np.empty((0, 1, 1, 1)), [text for _, text in examples]
            )
            values.append(picture_value('worst', grid))
        write_values(session, self._folder, values)

    def _example(self, top: dict[str, np.ndarray], row: int) -> tuple[np.ndarray, str]:
        true, predicted = (self._labels[top[name][row]] for name in ('true', 'predicted'))
        lines = [f'is {true}', f'seen as {predicted} {top["probability"][row]:.2f}']
        if 'key' in top:
            lines.append(top['key'][row].decode('utf-8', 'backslashreplace').rpartition('/')[2])
        return top['images'][row].copy(), '\n'.join(lines)


def _top(
    probabilities: Tensor, classes: dict[str, Tensor], images: Tensor, example_keys: Tensor | None
) -> dict[str, Tensor]:
    """Returns the worst mistakes of the batch; `badness` is 0 for correct predictions."""
    of_true = tf.gather(probabilities, tf.maximum(classes['true'], 0), batch_dims=1)
    wrong = tf.logical_and(classes['true'] >= 0, tf.not_equal(classes['true'], classes['predicted']))
    badness = tf.where(wrong, 1.0 - of_true, tf.zeros_like(of_true))
    top, rows = tf.nn.top_k(badness, tf.minimum(_MISTAKES, tf.size(badness)))
    shown = {**classes, 'probability': tf.reduce_max(probabilities, axis=1), 'images': images}
    if example_keys is not None:
        shown['key'] = example_keys
    return {'badness': top, **{name: tf.gather(values, rows) for name, values in shown.items()}}
