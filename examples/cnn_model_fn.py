"""The notes, "How to use Estimator": a minimal CNN model function for training.

    python examples/cnn_model_fn.py

Takes about 6 s on 2 cores. Trains on one image of stripes and prints the loss of each of ten steps, which
decreases from 2.17 to 0.65. The network learns nothing about images: as in the notes, the label is the
constant 1, so that it only learns to output 1. The package's model function, with real labels and all
three modes, is `estimator_lab.api.model_fn('cnn')`; `minibatch_input_fn.py` trains it.
"""

import tempfile
import time
from typing import Any

import built_in_data  # noqa: F401 - hides what TensorFlow logs when it is imported
import numpy as np

from estimator_lab.tf1 import tf

SIDE = 128
CONSTANT_LABEL = 1
LEARNING_RATE = 0.001


def cnn_model_fn(features: Any, labels: Any, mode: str) -> Any:
    """Returns the EstimatorSpec of one training step.

    Args:
      features: float32 [batch, 16384]; or the 16,384 scalars of a single image, as `input_func_gen`
        returns them: `tf.reshape` first packs a tuple into one tensor.
      labels: ignored; the label is a constant for a batch of 1.
      mode: a `tf.estimator.ModeKeys`; units are dropped in TRAIN only.
    """
    pictures = tf.reshape(features, [-1, SIDE, SIDE, 1])
    # Each pooling halves the sides, 128 -> 64 -> 32; with 'same' padding, convolutions keep them.
    conv1 = tf.layers.conv2d(pictures, filters=32, kernel_size=(5, 5), padding='same', activation=tf.nn.relu)
    pool1 = tf.layers.max_pooling2d(conv1, pool_size=(2, 2), strides=2)
    conv2 = tf.layers.conv2d(pool1, filters=32, kernel_size=(5, 5), padding='same', activation=tf.nn.relu)
    pool2 = tf.layers.max_pooling2d(conv2, pool_size=(2, 2), strides=2)
    # 32 maps of 32 x 32 as one vector: this layer has 99.9% of the network's 33.6 million weights.
    flat = tf.reshape(pool2, [-1, 32 * 32 * 32])
    dense = tf.layers.dense(flat, units=1024, activation=tf.nn.relu)
    dropped = tf.layers.dropout(dense, rate=0.4, training=mode == tf.estimator.ModeKeys.TRAIN)
    logits = tf.layers.dense(dropped, units=10)

    loss = tf.losses.sparse_softmax_cross_entropy(labels=tf.constant([CONSTANT_LABEL]), logits=logits)
    optimizer = tf.train.GradientDescentOptimizer(LEARNING_RATE)
    train_op = optimizer.minimize(loss, global_step=tf.train.get_global_step())
    # Sufficient for TRAIN. PREDICT would need `predictions`, and EVAL reports only the loss.
    return tf.estimator.EstimatorSpec(mode=mode, loss=loss, train_op=train_op)


class StepLog(tf.train.SessionRunHook):
    """Prints the loss of each step, and stores it with the seconds since the hook was created.

    Estimator calls the methods of a hook before and after each step.
    """

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.seconds: list[float] = []
        self._start = time.perf_counter()

    def before_run(self, run_context: Any) -> Any:
        """Fetches the loss."""
        return tf.train.SessionRunArgs(tf.losses.get_losses()[0])

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Stores the loss."""
        self.losses.append(float(run_values.results))
        self.seconds.append(time.perf_counter() - self._start)
        print(f'step {len(self.losses):3}   loss {self.losses[-1]:.4f}', flush=True)


def striped_picture() -> np.ndarray:
    """Returns diagonal stripes, float32 [1, 16384] in [0, 1]."""
    columns = np.arange(SIDE)
    stripes = np.add.outer(3 * columns, 5 * columns) % 256 / 255
    return stripes.astype(np.float32).reshape(1, -1)


def main(steps: int = 10) -> list[float]:
    """Trains on one image; returns the losses."""
    log = StepLog()
    with tempfile.TemporaryDirectory() as model_dir:
        config = tf.estimator.RunConfig(model_dir, tf_random_seed=1)
        estimator = tf.estimator.Estimator(cnn_model_fn, config=config)
        estimator.train(lambda: (tf.constant(striped_picture()), None), hooks=[log], steps=steps)
    print(f'\nThe loss fell from {log.losses[0]:.4f} to {log.losses[-1]:.4f}.')
    return log.losses


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour: graphs only, and tf_random_seed controls the initial weights
    main()
