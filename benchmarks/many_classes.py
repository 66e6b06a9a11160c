"""Seconds that a classifier of very many classes takes: to start, for a step, and for an evaluation.

    python benchmarks/many_classes.py                        100,000 classes, 20,000 images
    python benchmarks/many_classes.py --images=2000          a tenth of the images

A network with one hidden layer of 16 units on 16x16 random images in memory, so that what depends on the
number of classes is measured. The evaluation is that of a training run, with all that TensorBoard shows.
'CPU s' is the time of all cores together, which other programs disturb less.
"""

import argparse
import tempfile
import time

import numpy as np

from estimator_lab.models.registry import find_model
from estimator_lab.tf1 import tf

BATCH = 32
STEPS = 20


class _Times(tf.train.SessionRunHook):
    """The times before each step."""

    def __init__(self) -> None:
        self.all: list[tuple[float, float]] = []

    def before_run(self, run_context: object) -> None:
        self.all.append((time.perf_counter(), time.process_time()))


def main() -> None:
    """Prints one row for each part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--classes', type=int, default=100_000)
    parser.add_argument('--images', type=int, default=20_000)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    images = rng.random((given.images, 16, 16, 1), np.float32)
    labels = rng.integers(0, given.classes, given.images)

    def batches(repeat: int = 1) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(({'image': images}, labels)).repeat(repeat).batch(BATCH)

    vocabulary = tuple(f'n{number:06}' for number in range(given.classes))
    params = {'image_shape': (16, 16, 1), 'vocabulary': vocabulary, 'layers': '16'}
    with tempfile.TemporaryDirectory() as folder:
        estimator = tf.estimator.Estimator(find_model('mlp').model_fn, folder, params=params)
        hook, before = _Times(), (time.perf_counter(), time.process_time())
        estimator.train(lambda: batches(STEPS), [hook], STEPS)
        _show('start', before, hook.all[0])
        _show('step', hook.all[1], hook.all[-1], STEPS - 2)
        before = time.perf_counter(), time.process_time()
        estimator.evaluate(batches)
        _show(f'evaluation of {given.images:,} images', before, (time.perf_counter(), time.process_time()))


def _show(what: str, begin: tuple[float, float], end: tuple[float, float], count: int = 1) -> None:
    seconds, processor = ((later - earlier) / count for earlier, later in zip(begin, end, strict=True))
    print(f'{what:<32} {seconds:>8.2f} s  {processor:>8.2f} CPU s', flush=True)


if __name__ == '__main__':
    main()
