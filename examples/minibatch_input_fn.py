"""The document, "How to use Estimator", last sentence: the mini-batch form that it only announces.

    python examples/minibatch_input_fn.py [--data=TRAIN.tar --eval_data=TEST.tar]

Takes about TIME on 2 cores, and 15 s more where the built-in faces are still to be drawn. Prints how many images
of 128 x 128 pixels a second are read in the document's way (RESULT) and in mini-batches (RESULT), then trains the
package's CNN on mini-batches of 64 x 64 pixels with the real labels: after 100 steps it names RESULT of
the unseen test faces correctly.
"""

import functools
import tempfile
import time
from collections.abc import Callable
from typing import Any

from built_in_data import archives_from_command_line
from input_func_gen import input_func_gen

from estimator_lab.data.batches import ImageShape, InputReport
from estimator_lab.data.demo import DemoPaths
from estimator_lab.data.input_fns import archive_input_fn
from estimator_lab.data.labels import Vocabulary, take_census
from estimator_lab.data.order import Order
from estimator_lab.models import cnn
from estimator_lab.tf1 import tf

BATCH_SIZE = 32


def training_input_fn(archive: str, side: int, report: InputReport) -> Callable[[], Any]:
    """Returns an input function of shuffled mini-batches without end.

    What crosses from Python into TensorFlow is one array [batch, side, side, 1] instead of 16,384 scalars.
    """
    census = take_census([archive])  # one pass over the headers: how many images has each label?
    return archive_input_fn(
        Order([archive], shuffle_buffer=2000, seed=1),  # shuffle: of the encoded images, as they are small
        ImageShape(side, side),
        BATCH_SIZE,  # batch: decoded by all cores at once
        report,
        Vocabulary(census.labels),  # real labels: 'n000001' -> 0, 'n000002' -> 1, ...
        resume=(census.total, lambda: 0),  # repeat: epoch after epoch, here from batch 0 on
    )  # prefetch: the next batches are made while the model trains on this one


def seconds_each(next_example: Callable[[], Any], runs: int) -> float:
    """Returns the mean seconds that the tensors of `next_example` take, once the first are there."""
    with tf.Graph().as_default(), tf.Session() as session:
        tensors = next_example()
        session.run(tensors)
        start = time.perf_counter()
        for _ in range(runs):
            session.run(tensors)
        return (time.perf_counter() - start) / runs


def compare_reading(archive: str, side: int, runs: int) -> tuple[float, float]:
    """Returns images/s of `input_func_gen`, and of mini-batches of the same size."""

    def one_by_one() -> Any:
        pixels, person = input_func_gen(archive)
        return tf.stack(pixels), person

    def in_batches() -> Any:
        return training_input_fn(archive, side, InputReport())().make_one_shot_iterator().get_next()

    return 1 / seconds_each(one_by_one, runs), BATCH_SIZE / seconds_each(in_batches, 5 * runs)


def train(archives: DemoPaths, side: int, steps: int) -> dict[str, Any]:
    """Trains the package's CNN for some steps; returns the metrics on the unseen images."""
    report = InputReport()
    train_fn = training_input_fn(str(archives.train), side, report)
    vocabulary = Vocabulary(take_census([str(archives.train)]).labels)
    eval_fn = archive_input_fn(
        Order([str(archives.test)]), ImageShape(side, side), BATCH_SIZE, report, vocabulary
    )
    params = {'image_shape': (side, side, 1), 'vocabulary': vocabulary.labels}
    with tempfile.TemporaryDirectory() as model_dir:
        config = tf.estimator.RunConfig(model_dir, tf_random_seed=1)
        estimator = tf.estimator.Estimator(cnn.model_fn, config=config, params=params)
        metrics: dict[str, Any] = estimator.train(train_fn, steps=steps).evaluate(eval_fn)
    report.raise_error()
    return metrics


def main(archives: DemoPaths, side: int = 64, steps: int = 100, runs: int = 10) -> dict[str, Any]:
    """Compares both ways to read, then trains in mini-batches; returns the metrics."""
    print('Reading in both ways; the graph of 16,384 inputs takes a while ...', flush=True)
    slow, fast = compare_reading(str(archives.train), 128, runs)
    print(f'one by one, 16,384 scalars   {slow:8,.1f} images/s')
    print(f'mini-batches of {BATCH_SIZE}           {fast:8,.1f} images/s, {fast / slow:,.0f} times as many')
    print(f'\nTraining for {steps} steps ...', flush=True)
    metrics = train(archives, side, steps)
    print(f'loss {metrics["loss"]:.3f}, accuracy {metrics["accuracy"]:.1%} on the test images')
    return metrics


if __name__ == '__main__':
    main(archives_from_command_line(__doc__))
