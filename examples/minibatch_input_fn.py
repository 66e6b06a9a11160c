"""The notes, "How to use Estimator", last sentence: the input function with mini-batches.

    python examples/minibatch_input_fn.py [--data=TRAIN.tar --eval_data=TEST.tar]

Takes about 45 s on 2 cores. (The first example to run also draws the built-in faces, in 15 s.) Prints how
many images of 128 x 128 pixels are read per second, as in the notes (4 with TensorFlow 2.21, 10 to 15
with 2.15) and in mini-batches (1,100 to 1,900). Then trains the package's CNN for 100 steps on
mini-batches of 48 x 48 pixels with the real labels, to an accuracy of about 93% on the test faces.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from built_in_data import archives_from_command_line
from input_func_gen import input_func_gen

from estimator_lab import api
from estimator_lab.tf1 import tf

BATCH_SIZE = 32


def training_input_fn(archive: Path, side: int) -> api.InputFunction:
    """Returns an input function of endless shuffled mini-batches.

    It uses `Dataset.from_generator`, as the notes do, but passes a whole batch to TensorFlow, one array
    [32, side, side, 1], where the notes pass 16,384 scalars per image. The prefetch prepares the next batches
    while the model trains on this one. The real labels get ids: 'n000001' -> 0, 'n000002' -> 1, ...

    Args:
      archive: the training archive.
      side: side of the scaled images, in pixels.
    """
    return api.input_fn(
        archive,
        (side, side, 1),
        BATCH_SIZE,  # batch: decoded by all cores in parallel
        shuffle=True,  # shuffle: on disk, or while still encoded
        epochs=None,  # repeat: epoch after epoch, each in another order
    )


def seconds_each(next_example: Callable[[], Any], runs: int) -> float:
    """Returns the mean seconds per run of `next_example`, after the first."""
    with tf.Graph().as_default(), tf.Session() as session:
        tensors = next_example()
        session.run(tensors)
        start = time.perf_counter()
        for _ in range(runs):
            session.run(tensors)
        return (time.perf_counter() - start) / runs


def compare_reading(archive: Path, side: int, runs: int) -> tuple[float, float]:
    """Returns images/s of `input_func_gen`, and of mini-batches with images of the given side."""

    def one_by_one() -> Any:
        pixels, person = input_func_gen(archive)
        return tf.stack(pixels), person

    def in_batches() -> Any:
        return training_input_fn(archive, side)().make_one_shot_iterator().get_next()

    return 1 / seconds_each(one_by_one, runs), BATCH_SIZE / seconds_each(in_batches, 10 * runs)


def train(archives: api.DemoPaths, side: int, steps: int) -> dict[str, Any]:
    """Trains the package's CNN for some steps; returns the metrics on the unseen images."""
    shape = (side, side, 1)
    train_fn = training_input_fn(archives.train, side)
    eval_fn = api.input_fn(archives.test, shape, BATCH_SIZE, vocabulary=train_fn.labels)
    params = {'image_shape': shape, 'vocabulary': train_fn.labels}
    with tempfile.TemporaryDirectory() as model_dir:
        config = tf.estimator.RunConfig(model_dir, tf_random_seed=1)
        estimator = tf.estimator.Estimator(api.model_fn('cnn'), config=config, params=params)
        metrics: dict[str, Any] = estimator.train(train_fn, steps=steps).evaluate(eval_fn)
    return metrics


def main(archives: api.DemoPaths, side: int = 48, steps: int = 100, runs: int = 5) -> dict[str, Any]:
    """Compares both input functions, then trains on mini-batches; returns the metrics."""
    print(
        'Reading with both input functions; building the graph of 16,384 inputs takes a while ...', flush=True
    )
    slow, fast = compare_reading(archives.train, 128, runs)
    print(f'one by one, 16,384 scalars   {slow:8,.1f} images/s')
    print(f'mini-batches of {BATCH_SIZE}           {fast:8,.1f} images/s, {fast / slow:,.0f} times as many')
    print(f'\nTraining for {steps} steps ...', flush=True)
    metrics = train(archives, side, steps)
    print(f'loss {metrics["loss"]:.3f}, accuracy {metrics["accuracy"]:.1%} on the test images')
    return metrics


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour: graphs only, and tf_random_seed controls the initial weights
    main(archives_from_command_line(__doc__))
