"""The worst examples of an evaluation, found in the graph; for TensorBoard also the confusion of classes."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from estimator_lab.base.keys import IMAGE, KEY, to_bytes
from estimator_lab.core import keys
from estimator_lab.core.confusion import Confusion, TopK
from estimator_lab.core.picture import COLUMNS, confusion_picture, labelled_grid
from estimator_lab.core.summaries import picture_value, write_values
from estimator_lab.tf1 import Session, SessionRunArgs, SessionRunContext, SessionRunValues, Tensor, tf

_MISTAKES = 2 * COLUMNS
_MOST_CLASSES = 60


class WorstExample(NamedTuple):
    """An example that the model gets wrong, or has a large error on.

    Attributes:
      badness: its rank, larger is worse: the error; for a classifier, 1 - the probability of the true label.
      key: of the example; '' for none.
      image: uint8 [height, width, channels], as the network sees it; None for other kinds of examples.
      true: the label; '' for none.
      predicted: the predicted label; '' for none.
      probability: of the predicted label, in [0, 1]; 0 for none.
    """

    badness: float
    key: str
    image: np.ndarray | None
    true: str = ''
    predicted: str = ''
    probability: float = 0.0

    def caption(self) -> str:
        """Returns what is wrong, and the name of the file, in two or three lines."""
        name = self.key.rpartition('/')[2]
        if not self.true:
            return f'error {self.badness:.4g}\n{name}'
        return f'is {self.true}\nseen as {self.predicted} {self.probability:.2f}\n{name}'


class WorstExamples(TopK[WorstExample]):
    """Keeps the worst examples of an evaluation; `labels` are the texts of the classes, if there are any."""

    def __init__(self, count: int, labels: Sequence[str] = ()) -> None:
        super().__init__(count)
        self._labels = labels

    def add(self, batch: Mapping[str, np.ndarray]) -> None:
        """Adds a batch's, the values of `worst_of_batch` or `mistakes_of_batch`."""
        for row, badness in enumerate(batch['badness'].tolist()):
            if not badness < 0:  # also NaN
                self.offer(badness, partial(self._example, {name: a[row] for name, a in batch.items()}))

    def _example(self, values: Mapping[str, Any]) -> WorstExample:
        example = WorstExample(
            badness=float(values['badness']),
            key=values[KEY].decode('utf-8', 'backslashreplace') if KEY in values else '',
            image=to_bytes(values[IMAGE]) if IMAGE in values else None,
        )
        if 'true' not in values:
            return example
        return example._replace(
            true=self._labels[values['true']],
            predicted=self._labels[values['predicted']],
            probability=float(values['probability']),
        )


def worst_of_batch(badness: Tensor, shown: Mapping[str, Tensor], most: int) -> dict[str, Tensor]:
    """Returns the worst examples of a batch as [n, ...] by name, n <= most: 'badness', and what is shown.

    Args:
      badness: float32 [batch], larger is worse and NaN is worst; an example below 0 is not bad.
      shown: of the examples, [batch, ...] by name: `IMAGE`, float32 in [0, 1], and `KEY`; either may be
        missing.
      most: how many.
    """
    rank = tf.where(tf.is_nan(badness), tf.fill(tf.shape(badness), np.inf), badness)
    _, rows = tf.nn.top_k(rank, tf.minimum(most, tf.size(rank)))
    return {name: tf.gather(values, rows) for name, values in {'badness': badness, **shown}.items()}


def mistakes_of_batch(
    probabilities: Tensor, ids: Tensor, shown: Mapping[str, Tensor], most: int
) -> dict[str, Tensor]:
    """Returns the misclassified examples with the lowest probability of the true label; see `worst_of_batch`.

    Args:
      probabilities: float32 [batch, classes] in [0, 1].
      ids: int64 [batch], the true classes; examples of a class below 0 do not count.
      shown: the examples.
      most: how many.
    """
    predicted = tf.argmax(probabilities, axis=1)
    of_true = tf.gather(probabilities, tf.maximum(ids, 0), batch_dims=1)
    wrong = tf.logical_and(ids >= 0, tf.not_equal(ids, predicted))
    badness = tf.where(wrong, 1.0 - of_true, -tf.ones_like(of_true))
    classes = {'true': ids, 'predicted': predicted, 'probability': tf.reduce_max(probabilities, axis=1)}
    return worst_of_batch(badness, {**shown, **classes}, most)


class Mistakes(tf.train.SessionRunHook):
    """Counts the confusion of classes in an evaluation, and keeps its worst examples.

    Args:
      labels: texts of the classes.
      classes: (the true class ids, the predicted ones), int64 [batch] each; examples of a class below 0 do
        not count; None for a model that does not classify.
      worst: the worst examples of a batch, from `worst_of_batch` or `mistakes_of_batch`; {} to keep none.
      most: how many are kept.

    Attributes:
      confusion: of the classes so far; None for a model that does not classify.
      worst: the worst examples so far.
    """

    def __init__(
        self,
        labels: Sequence[str],
        classes: tuple[Tensor, Tensor] | None,
        worst: Mapping[str, Tensor],
        most: int,
    ) -> None:
        self._labels, self._most, self._fetches = labels, most, (classes or (), worst)

    def begin(self) -> None:
        """Starts the counts of an evaluation."""
        classes, _ = self._fetches
        self.confusion = Confusion(self._labels) if classes else None
        self.worst = WorstExamples(self._most, self._labels)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Fetches the classes and the worst examples of the batch."""
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Adds the batch."""
        classes, worst = run_values.results
        if self.confusion is not None:
            self.confusion.add(*classes)
        if worst:
            self.worst.add(worst)


def picture_of(confusion: Confusion, title: str, noun: str) -> Image.Image:
    """Returns the matrix of a confusion as a picture; of many classes, the 60 with the most mistakes.

    `noun` names the classes in the title.
    """
    labels, chosen = confusion.labels, confusion.most_confused_classes(_MOST_CLASSES)
    if len(chosen) < len(labels):
        title = f'{title}: the {len(chosen)} most confused of {len(labels):,} {noun}'
    return confusion_picture(confusion.matrix(chosen), [labels[number] for number in chosen], title)


class MistakesHook(Mistakes):
    """Writes at the end of an evaluation `images/confusion` and, for images, `images/worst`.

    Args:
      predictions: of a classifier, by name.
      ids: int64 [batch], the true classes; examples of a class below 0 do not count.
      labels: texts of the classes.
      images: float32 [batch, height, width, channels] in [0, 1]; None if the examples are not images.
      example_keys: string [batch], or None.
      folder: where the evaluation's summaries go.
    """

    def __init__(
        self,
        predictions: Mapping[str, Tensor],
        ids: Tensor,
        labels: Sequence[str],
        images: Tensor | None,
        example_keys: Tensor | None,
        folder: Path,
    ) -> None:
        self._folder, self._has_images, worst = folder, images is not None, {}
        with tf.name_scope('mistakes'):
            if images is not None:
                shown = {IMAGE: images} if example_keys is None else {IMAGE: images, KEY: example_keys}
                worst = mistakes_of_batch(predictions[keys.PROBABILITIES], ids, shown, _MISTAKES)
        super().__init__(labels, (ids, predictions[keys.CLASSES]), worst, _MISTAKES)

    def end(self, session: Session) -> None:
        """Writes the pictures."""
        confusion, values = self.confusion, []
        if confusion is not None and confusion.images:
            step = session.run(tf.train.get_global_step())
            title = f'{confusion.images:,} examples at step {step:,}'
            values.append(picture_value('confusion', picture_of(confusion, title, 'labels')))
        if self._has_images:
            worst = self.worst.ranked()
            images = np.stack([example.image for example in worst]) if worst else np.empty((0, 1, 1, 1))
            grid = labelled_grid(images, [example.caption() for example in worst])
            values.append(picture_value('worst', grid))
        write_values(session, self._folder, values)
