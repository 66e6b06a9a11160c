"""What the tests of all heads share: sessions, modes, and what a graph shows."""

import io

import numpy as np
from PIL import Image

from estimator_lab.core.model import Args
from estimator_lab.core.summaries import PICTURES
from estimator_lab.tf1 import tf
from tests.support.graphs import initialize

MODES = tf.estimator.ModeKeys


def args_of(mode, params, images, labels=None, config=None, **features):
    """The arguments of a model function; features besides the images are given by name."""
    given = {name: tf.constant(values) for name, values in features.items()}
    labels = None if labels is None else tf.constant(labels)
    return Args({'image': tf.constant(images), **given}, labels, mode, params, config)


def config_of(folder):
    """The RunConfig of a run that writes summaries."""
    return tf.estimator.RunConfig(str(folder), save_summary_steps=10)


def metrics_of(spec):
    """Runs one batch through the metrics of EVAL; returns their values by name."""
    with tf.Session() as session:
        initialize(session)
        session.run([update for _, update in spec.eval_metric_ops.values()])
        return session.run({name: value for name, (value, _) in spec.eval_metric_ops.items()})


def values_of(tensors):
    """Runs tensors in a new session."""
    with tf.Session() as session:
        initialize(session)
        return session.run(tensors)


def summary_tags():
    """Tags of the summaries that every training step can write, in this graph."""
    with tf.Session() as session:
        initialize(session)
        return {value.tag for value in tf.Summary.FromString(session.run(tf.summary.merge_all())).value}


def drawn():
    """The pictures of training in this graph, by tag."""
    pictures = values_of(tf.summary.merge_all(PICTURES))
    return {value.tag: value for value in tf.Summary.FromString(pictures).value}


def pixels_of(value):
    """The pixels of a summary that is a picture, uint8 [height, width] or [height, width, 3]."""
    return np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string)))


def scopes():
    """The outermost names of this graph, as TensorBoard's graph page shows them."""
    return {operation.name.partition('/')[0] for operation in tf.get_default_graph().get_operations()}


def softmax(logits):
    values = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return values / values.sum(axis=-1, keepdims=True)
