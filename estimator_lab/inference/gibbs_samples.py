"""Samples of a trained Boltzmann machine: Gibbs chains in its top machine, then down the layers to images."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from estimator_lab.conventions import IMAGE, to_unit_range
from estimator_lab.core.boltzmann.samples import gibbs_samples
from estimator_lab.core.boltzmann.stack import Stack
from estimator_lab.core.step.noise import Noise
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.pipeline.batches import read_batches
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.errors import DataError, FlagError
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.tf1 import tf

_AT_ONCE = 1024  # chains


def top_machine(trained: Trained) -> Trained:
    """Returns the model that can be sampled from: of a model with phases, that of its top machine.

    Raises:
      FlagError: it has no Boltzmann machine.
    """
    model_dir = trained.model_dir
    *early, _ = trained.model.phases(trained.params)
    if early and not trained.params.phase:
        trained = open_trained(model_dir / early[-1].name)
    with tf.Graph().as_default():
        if _stack_of(trained) is None:
            raise FlagError(
                f'--model_dir={model_dir} holds a model that does not dream: --model=rbm does, and '
                '--model=dbn that was pre-trained with rbms.'
            )
    return trained


def _stack_of(trained: Trained) -> Stack | None:
    """Makes the variables of a model's machines; returns None if it has none."""
    return trained.model.stack(trained.params) if trained.model.stack else None


def first_images(trained: Trained, archives: Sequence[str], count: int) -> np.ndarray:
    """Returns the first images of archives, decoded as in training: float32 [count, height, width, channels].

    Raises:
      DataError: an archive can't be read, or they have fewer than `count` images.
    """
    opened = open_archives(archives)
    report = InputReport()
    found: list[np.ndarray] = []
    for batch in read_batches(opened.order().epoch(0), count, trained.reader, report):
        found.extend(batch.arrays[IMAGE])
        if len(found) >= count:
            return to_unit_range(np.stack(found[:count]))
    raise DataError(f'{", ".join(archives)} has {len(found)} images, fewer than --count={count}.')


def sample_batches(
    trained: Trained,
    count: int,
    steps: int,
    seed: int,
    label: str = '',
    begin: np.ndarray | None = None,
) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Yields samples in batches, in constant memory.

    Args:
      trained: a model from `top_machine`.
      count: how many samples.
      steps: Gibbs steps of each chain.
      seed: of the noise.
      label: class of the samples, if the top machine was trained with labels; '' for every class in turn.
      begin: where the chains begin, float32 [count, height, width, channels] in [0, 1]; None for noise.

    Yields:
      (float32 [n, height, width, channels] in [0, 1]; their n labels, '' for none).

    Raises:
      FlagError: the machine does not know the label.
    """
    with tf.Graph().as_default():
        stack = _stack_of(trained)
        assert stack, 'top_machine checks it'
        texts = _labels(trained, stack.top.classes, count, label)
        part, rows = tf.placeholder(tf.int64, []), tf.placeholder(tf.int32, [])
        images = tf.placeholder(tf.float32, [None, *trained.shape])
        ids = tf.placeholder(tf.int32, [None])
        noise = Noise(tf.stack([tf.constant(seed, tf.int64), part]))
        units = stack.top.kernel.shape.as_list()[0]
        start = noise.uniform([rows, units]) if begin is None else stack.visible(images)
        start = tf.ensure_shape(start, [None, units])
        if stack.top.classes:
            start = tf.concat([start, tf.one_hot(ids, stack.top.classes)], axis=1)
        found = stack.images(gibbs_samples(stack.top.rbm, start, steps, noise, clamped=True)[:, :units])
        # The layers below the top are not trained.
        below = [v for layer in stack.layers[:-1] for v in (layer.kernel, layer.bias, layer.visible_bias)]
        session = trained.session(tf.trainable_variables() + below)
    known = trained.record.vocabulary
    with contextlib.closing(session):
        for number, first in enumerate(range(0, count, _AT_ONCE)):
            some = slice(first, min(first + _AT_ONCE, count))
            feed: dict[Any, Any] = {part: number, rows: some.stop - first}
            if begin is not None:
                feed[images] = begin[some]
            if stack.top.classes:
                feed[ids] = [known.index(text) for text in texts[some]]
            yield session.run(found, feed), texts[some]


def _labels(trained: Trained, classes: int, count: int, label: str) -> list[str]:
    known = trained.record.vocabulary
    if not classes:
        if label:
            raise FlagError(
                f'--label={label} needs a machine that was trained with labels: --model=dbn with '
                '--hparams=labels_in_top=true.'
            )
        return [''] * count
    if label and label not in known:
        raise FlagError(f'--label={label} is unknown; known are: {", ".join(known)}.')
    return [label or known[number % len(known)] for number in range(count)]
