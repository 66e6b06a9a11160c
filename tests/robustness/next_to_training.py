"""Uses a model while a training saves and evaluates after each step, and keeps a hundred checkpoints.

    python -m tests.robustness.next_to_training --runs=400

`evaluate`, `predict`, `export` and `report` take turns in this process, so that TensorFlow is imported once.
Exit status 1 if one of them fails, or gives less than it does without a training.
"""

import argparse
import csv
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from estimator_lab.inference.evaluate import evaluate
from estimator_lab.inference.exporting import export
from estimator_lab.inference.prediction_files import predict_and_write
from estimator_lab.inference.report.page import report
from estimator_lab.inference.run import open_run
from estimator_lab.inference.settings import (
    EvaluationSettings,
    ExportSettings,
    PredictionFlags,
    ReportSettings,
)
from estimator_lab.tf1 import tf
from tests.robustness.driver import Tally, main
from tests.robustness.kills import FORKS
from tests.support.archive_files import small_archive
from tests.support.small_runs import train

_IMAGES = 24  # of small_archive
_WARM_UP = 8  # steps; by then everything is written that a training writes once


def training(folder: Path) -> None:
    """Trains on and on."""
    sys.stdout = open(os.devnull, 'w', encoding='utf-8')  # noqa: PTH123, SIM115 - the steps of the training
    often = {
        'save_checkpoints_steps': 1,
        'save_summary_steps': 1000,
        'eval_steps': 1,
        'keep_checkpoints': 100,
        'max_steps': 10**6,
    }
    train(folder, 'cnn', 'filters=2,dense_units=8', image_size=8, **often)


class Uses:
    """The ways to use a model.

    Args:
      folder: of the training, with train.tar and the model_dir.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._model_dir = folder, folder / 'model'
        self._data = [str(folder / 'train.tar')]

    def evaluate(self) -> bool:
        """Whether all images are evaluated."""
        run = open_run(self._model_dir)
        return evaluate(run, self._data, EvaluationSettings()).images == _IMAGES

    def predict(self) -> bool:
        """Whether each image has a row."""
        out = self._folder / 'rows.csv'
        flags = PredictionFlags(model_dir=self._model_dir, data=self._data, out=out)
        predict_and_write(open_run(self._model_dir), flags)
        with out.open(encoding='utf-8', newline='') as file:
            return sum(not row['problem'] for row in csv.DictReader(file)) == _IMAGES

    def export(self) -> bool:
        """Whether the model is whole."""
        saved = export(open_run(self._model_dir), ExportSettings(out=self._folder / 'exported'))
        return (saved / 'saved_model.pb').exists() and tf.train.checkpoint_exists(
            str(saved / 'variables' / 'variables')
        )

    def report(self) -> bool:
        """Whether everything that the run has written can be read."""
        out = self._folder / 'report.html'
        written = report(open_run(self._model_dir), ReportSettings(data=self._data, out=out, worst=2))
        if written.damage:
            raise ValueError(written.damage)
        return '</html>' in out.read_text(encoding='utf-8')


def measure(given: argparse.Namespace) -> int:
    """Uses the model of a training that goes on; returns the failures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small_archive(folder)
        process = FORKS.Process(target=training, args=(folder,), daemon=True)
        process.start()
        try:
            while _step(folder / 'model') < _WARM_UP:
                time.sleep(1)
                if not process.is_alive():
                    raise RuntimeError('the training failed')
            return _use(Uses(folder), process.is_alive, given.runs, folder / 'model')
        finally:
            process.kill()
            process.join()


def _use(uses: Uses, is_alive: Callable[[], bool], runs: int, model_dir: Path) -> int:
    tally, started, first = Tally(), time.monotonic(), _step(model_dir)
    turns = itertools.cycle((uses.evaluate, uses.predict, uses.export, uses.report))
    for number, use in enumerate(itertools.islice(turns, runs)):
        if number and number % 40 == 0:
            newest = tally.problems[-1] if tally.problems else ''
            print(f'{number} runs, {len(tally.problems)} failures', newest, flush=True)
        tally.counts[f'{use.__name__} runs'] += 1
        with tally.case(use.__name__):
            if not use():
                raise ValueError('a part of the result is missing')
    saved = _step(model_dir) - first
    tally.counts['checkpoints meanwhile'] = saved
    if not is_alive():
        tally.problems.append('the training ended early')
    seconds = time.monotonic() - started
    return tally.report(f'a checkpoint each {seconds / max(saved, 1):.1f} s')


def _step(model_dir: Path) -> int:
    newest = tf.train.latest_checkpoint(str(model_dir)) or '-0'
    return int(newest.rpartition('-')[2])


if __name__ == '__main__':
    main(__doc__, measure, runs=(400, 'in all'))
