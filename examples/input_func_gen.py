"""The notes, "How to use Estimator": the input function that returns an image as 16,384 scalars.

    python examples/input_func_gen.py [--data=ARCHIVE.tar]

Takes about 45 s on 2 cores. (The first example to run also draws the built-in faces, in 15 s.) Trains a
linear model on the notes' input, and prints the seconds until the first example is processed and the
images/s after that, which are a few: TensorFlow handles each pixel as a separate tensor.
`minibatch_input_fn.py` reads the same images more than a hundred times as fast.
"""

import functools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from built_in_data import archives_from_command_line

from estimator_lab import api
from estimator_lab.tf1 import tf

SIDE = 128
CONSTANT_LABEL = 1


def generator(filename: str | Path) -> Iterator[tuple[Any, ...]]:
    """Yields each image as grey values, 0 to 255, and the person, as `stream_tar_dataset.py` does."""
    for example in api.stream(filename, image_shape=(SIDE, SIDE, 1), shuffle=False):
        yield (*example.data.ravel().tolist(), example.label)


def input_func_gen(filename: str | Path) -> tuple[tuple[Any, ...], Any]:
    """Returns the next example of an archive.

    Args:
      filename: the archive; Estimator calls an input function without arguments, so pass it a
        `functools.partial` of this one.

    Returns:
      (a tuple of 16,384 float32 scalars, 0 to 255; the person, a string scalar).
    """
    # One output for each pixel: 16,384 floats, followed by the person.
    pixels = SIDE * SIDE
    stream = tf.data.Dataset.from_generator(
        functools.partial(generator, filename), output_types=(tf.float32,) * pixels + (tf.string,)
    )
    example = stream.make_one_shot_iterator().get_next()
    return example[:pixels], example[pixels]


def model_fn(features: Any, labels: Any, mode: str) -> Any:
    """Trains a linear model to say a constant, as the notes do with their network."""
    pixels = tf.reshape(features, [1, SIDE * SIDE])  # packs the tuple into one tensor
    logits = tf.layers.dense(pixels / 255, units=10)
    loss = tf.losses.sparse_softmax_cross_entropy(labels=tf.constant([CONSTANT_LABEL]), logits=logits)
    optimizer = tf.train.GradientDescentOptimizer(0.001)
    train_op = optimizer.minimize(loss, global_step=tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


class Clock(tf.train.SessionRunHook):
    """Prints the loss of each step, and stores it with the seconds since the clock was made."""

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


def main(archive: Path, steps: int = 10) -> list[float]:
    """Trains for some steps of one image; returns the losses."""
    print('Building a graph of 16,384 inputs ...', flush=True)
    clock = Clock()
    with tempfile.TemporaryDirectory() as model_dir:
        config = tf.estimator.RunConfig(model_dir, tf_random_seed=1)
        estimator = tf.estimator.Estimator(model_fn, config=config)
        estimator.train(functools.partial(input_func_gen, archive), hooks=[clock], steps=steps)
    first, last = clock.seconds[0], clock.seconds[-1]
    print(f'\nfirst example after   {first:.1f} s')
    print(f'images/s from then on {(len(clock.seconds) - 1) / (last - first):.1f}, training included')
    return clock.losses


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour: graphs only, and tf_random_seed controls the initial weights
    main(archives_from_command_line(__doc__).train)
