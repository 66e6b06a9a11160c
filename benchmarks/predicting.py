"""The speed of `predict`, of its input pipeline alone and of the network alone; the seconds to its first row.

    python benchmarks/predicting.py --data=photos-train.tar        about 4 minutes

A CNN for 128x128 grey images, trained for two steps, on 2,000 JPEGs of one tar. The input pipeline (read,
decode, hand to TensorFlow), the network (batches from memory) and both together with rows of CSV run in turn
in one process; figures start after the first batch and are medians of the rounds. Both parts compute on the
same cores, so that no program reaches the speed of the slower one alone: if they need D and N seconds of a
core for an image, C cores do at most C / (D + N) images a second. The last lines compare `predict` with this
limit. Then the command itself is started several times, up to its first row. The machine must be idle
otherwise.
"""

import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from runner import command_line, machine, measure_stream, median, print_table, race

from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.examples import ExampleInput
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.input_fns import archive_input_fn
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
    """The parts of `predict`; each yields the sizes of the batches that it has handled."""

    def __init__(self, trained: Trained, archive: str, decode: str, batch_size: int) -> None:
        self._trained = trained
        self._archive = archive
        self._pixels = trained.reader_with(decode)
        self._batch_size = batch_size

    def input(self) -> Sizes:
        """The input pipeline of predict, without a network."""
        input_fn = archive_input_fn(
            ExampleInput([self._archive], IMAGES), self._pixels, self._batch_size, InputReport(IMAGES)
        )
        with tf.Graph().as_default(), tf.Session() as session:
            batch = input_fn().make_one_shot_iterator().get_next()['key']
            yield from _until_the_end(lambda: len(session.run(batch)))

    def network(self) -> Sizes:
        """The network on one batch from memory, over and over."""
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
        """Both, with rows of CSV."""
        table, stream = Table(self._trained), io.StringIO()
        write = csv_rows(stream, ['label', 'probability'])
        images = ExampleInput([self._archive], IMAGES)
        for batch in predicted_batches(
            self._trained, images, self._pixels, self._batch_size, InputReport(IMAGES)
        ):
            for row in table.rows(batch):
                write(row)
            yield len(batch.keys)


def compare(trained: Trained, archive: str, decode: str, batch_size: int, rounds: int) -> None:
    """Prints images/s of each contender, and of predict relative to the slower of its parts."""
    contenders = Contenders(trained, archive, decode, batch_size)
    found = race(
        {
            'input': lambda: measure_stream(contenders.input()),
            'network': lambda: measure_stream(contenders.network()),
            'predict': lambda: measure_stream(contenders.predict()),
        },
        rounds,
    )
    print(f'--decode={decode} --batch_size={batch_size}')
    print_table(found, 'images')
    rate = {name: median(measured) for name, measured in found.items()}
    work = sum(statistics.median(m.processor for m in found[part]) for part in ('input', 'network'))
    cores, slower = len(os.sched_getaffinity(0)), min('input', 'network', key=rate.__getitem__)
    reached = rate['predict'] / rate[slower]
    allowed = min(rate[slower], cores / work) / rate[slower]
    print(f'predict / {slower} alone: {reached:.2f} (goal {GOAL})')
    print(f'the limit of {cores} cores, as both parts compute on them: {allowed:.2f}')
    print(f'predict / the limit: {reached / allowed:.2f}')


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


def _until_the_end(run: Callable[[], int]) -> Sizes:
    while True:
        try:
            yield run()
        except tf.errors.OutOfRangeError:
            return


def main() -> None:
    """Trains for two steps and runs the benchmark."""
    given = command_line(
        __doc__,
        data=(None, 'tar archive of photos in folders of labels'),
        rounds=(5, 'of each contender'),
        batch_size=(64, 'images in a batch'),
    ).parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(model='cnn', data=[given.data], model_dir=Path(folder), max_steps=2, eval_steps=1)
        Experiment(settings, lambda line: None).train()
        trained = open_trained(settings.model_dir)
        for decode in ('exact', 'fast'):
            compare(trained, given.data, decode, given.batch_size, given.rounds)
        first_row(settings.model_dir, given.data, given.rounds)


if __name__ == '__main__':
    main()
