"""How fast `predict` is, against its input pipeline alone and the network alone, and how soon it begins.

    python benchmarks/predicting.py --data=photos-train.tar        about 4 minutes

A CNN for 128x128 grey images, trained for two steps, on 2,000 JPEGs of one tar. In each round the input
pipeline (read, decode, hand to TensorFlow), the network (batches from memory) and both together with rows of
CSV take their turns in one process; what they take is counted behind each one's first batch, and the figure
is the median of the rounds. Where both parts compute on the same cores, no program may reach the speed of the
slower one alone: if they take D and N seconds of a core for an image, C cores do at most C / (D + N) images
a second. What that allows is printed beside what was reached. Then the command itself
is started several times, up to its first row. The package has to be installed, and nothing else may run on
the machine meanwhile.
"""

import argparse
import io
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import this_machine

from estimator_lab.data.pipeline.input_fns import archive_input_fn
from estimator_lab.data.pipeline.paths import ExampleInput
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.inference.prediction import Table, predicted_batches
from estimator_lab.inference.prediction_files import csv_rows
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.tf1 import tf
from estimator_lab.training.experiment import Experiment
from estimator_lab.training.settings import Settings

GOAL = 0.95
SECONDS_TO_FIRST = 3
_IMAGES = 2000

Sizes = Iterator[int]


class Contenders:
    """Each yields the sizes of the batches that it has done."""

    def __init__(self, trained: Trained, archive: str, decode: str, batch_size: int) -> None:
        self._trained = trained
        self._archive = archive
        self._pixels = trained.reader_with(decode)
        self._batch_size = batch_size

    def input(self) -> Sizes:
        """The input pipeline as predict has it, whose batches nobody looks at."""
        input_fn = archive_input_fn(
            ExampleInput([self._archive]), self._pixels, self._batch_size, InputReport()
        )
        with tf.Graph().as_default(), tf.Session() as session:
            batch = input_fn().make_one_shot_iterator().get_next()['key']
            yield from _until_the_end(lambda: len(session.run(batch)))

    def network(self) -> Sizes:
        """The network on one batch from memory, again and again."""
        trained, shape = self._trained, (self._batch_size, *self._trained.shape)
        pixels = np.random.default_rng(1).random(shape, np.float32)
        with tf.Graph().as_default(), tf.Session() as session:
            images = tf.placeholder(tf.float32, [None, *trained.shape])
            spec = trained.model.model_fn(
                {'image': images}, None, tf.estimator.ModeKeys.PREDICT, trained.estimator_params
            )
            tf.train.Saver().restore(session, trained.checkpoint)
            for _ in range(0, _IMAGES, self._batch_size):
                session.run(spec.predictions, {images: pixels})
                yield self._batch_size

    def predict(self) -> Sizes:
        """Both, and rows of CSV."""
        table, stream = Table(self._trained), io.StringIO()
        write = csv_rows(stream, ['label', 'probability'])
        images = ExampleInput([self._archive])
        for batch in predicted_batches(self._trained, images, self._pixels, self._batch_size, InputReport()):
            for row in table.rows(batch):
                write(row)
            yield len(batch.keys)


def race(trained: Trained, archive: str, decode: str, batch_size: int, rounds: int) -> None:
    """Prints images/s of each contender and what predict reaches of the slower of its parts."""
    contenders = Contenders(trained, archive, decode, batch_size)
    runs = {'input': contenders.input, 'network': contenders.network, 'predict': contenders.predict}
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            costs[name].append(_cost(run()))
    print(f'--decode={decode} --batch_size={batch_size}')
    print(f'  {"":<8} images/s: median (slowest to fastest)   processor ms/image')
    rate, work = {}, {}
    for name, found in costs.items():
        rates = [cost.rate for cost in found]
        rate[name] = statistics.median(rates)
        work[name] = statistics.median(cost.processor_ms for cost in found)
        print(f'  {name:<8} {rate[name]:7.0f} ({min(rates):.0f} to {max(rates):.0f}) {work[name]:20.2f}')
    slower = min('input', 'network', key=rate.__getitem__)
    cores = len(os.sched_getaffinity(0))
    possible = best_rate(cores, rate['input'], rate['network'], work['input'] + work['network'])
    reached, allowed = rate['predict'] / rate[slower], possible / rate[slower]
    print(f'  predict / {slower} alone, images/s: {reached:.2f} (goal {GOAL})')
    print(f'  what {cores} cores allow of that, as both parts compute on them: {allowed:.2f}')
    print(f'  predict / what they allow: {reached / allowed:.2f}')


def best_rate(cores: int, input_rate: float, network_rate: float, processor_ms: float) -> float:
    """Returns images/s that no program can exceed which does the work of both parts.

    Args:
      cores: that both share.
      input_rate: images/s of the input pipeline alone.
      network_rate: images/s of the network alone.
      processor_ms: of both parts for an image, in milliseconds.
    """
    return min(input_rate, network_rate, cores * 1000 / processor_ms)


def first_row(model_dir: Path, archive: str, runs: int) -> None:
    """Prints how long the command takes from its start to its first row."""
    arguments = [sys.executable, '-m', 'estimator_lab.predict', f'--model_dir={model_dir}', archive]
    seconds = []
    for _ in range(runs):
        started = time.monotonic()
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            head, row = process.stdout.readline(), process.stdout.readline()
            seconds.append(time.monotonic() - started)
            process.stdout.close()
        if not head.startswith('key,') or not row:
            sys.exit(f'predict printed no row, but {head!r}')
    print(
        f'start to first row: {statistics.median(seconds):.1f} s '
        f'({min(seconds):.1f} to {max(seconds):.1f}, goal {SECONDS_TO_FIRST})'
    )


class Cost(NamedTuple):
    """Images a second, and milliseconds of processor time an image."""

    rate: float
    processor_ms: float


def _cost(sizes: Sizes) -> Cost:
    """Measures behind the first batch, in which sessions start."""
    next(sizes)
    started, busy = time.monotonic(), time.process_time()
    images = sum(sizes)
    return Cost(images / (time.monotonic() - started), (time.process_time() - busy) / images * 1000)


def _until_the_end(run: Callable[[], int]) -> Sizes:
    for _ in itertools.count():
        try:
            yield run()
        except tf.errors.OutOfRangeError:
            return


def main() -> None:
    """Trains for two steps and runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', required=True, help='tar archive of photographs in folders of labels')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--batch_size', type=int, default=64)
    given = parser.parse_args()
    print(this_machine())
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(model='cnn', data=[given.data], model_dir=Path(folder), max_steps=2, eval_steps=1)
        Experiment(settings, lambda line: None).train()
        trained = open_trained(settings.model_dir)
        for decode in ('exact', 'fast'):
            race(trained, given.data, decode, given.batch_size, given.rounds)
        first_row(settings.model_dir, given.data, given.rounds)


if __name__ == '__main__':
    main()
