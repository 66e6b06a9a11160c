"""One training run that logs which images each step saw; `kills.py` starts it and kills it.

The log gets one line of JSON for each step that began: [global step, keys]. It is written from within the
step, so that a step that is in a checkpoint is in the log.
"""

import json
import os
from pathlib import Path
from typing import Any

from estimator_lab.tf1 import tf
from estimator_lab.training.experiment import Experiment
from estimator_lab.training.settings import Settings

STEPS = 36
BATCH_SIZE = 5
STEPS_BETWEEN_CHECKPOINTS = 7


class _CountSteps(tf.train.SessionRunHook):
    """Knows the number of the step that runs now."""

    def __init__(self) -> None:
        self.step = 0

    def after_create_session(self, session: Any, coord: Any) -> None:
        self.step = int(session.run(tf.train.get_global_step()))

    def before_run(self, run_context: Any) -> None:
        self.step += 1


def run(archive: str, model_dir: Path, log: Path, cache: Path) -> None:
    """Trains up to the last step, from wherever model_dir is."""
    os.environ['XDG_CACHE_HOME'] = str(cache)
    settings = Settings(
        model='cnn',
        data=[archive],
        model_dir=model_dir,
        max_steps=STEPS,
        eval_steps=1,
        image_size=16,
        batch_size=BATCH_SIZE,
        shuffle_buffer=20,
        hparams='filters=4,dense_units=16,dropout_rate=0,optimizer=adam',
        save_checkpoints_steps=STEPS_BETWEEN_CHECKPOINTS,
        save_summary_steps=STEPS,
    )
    experiment = Experiment(settings, say=lambda line: None)
    one_thread = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    stage = experiment.trainer
    stage.estimator = tf.estimator.Estimator(
        _logging(stage.estimator.model_fn, log),
        config=stage.estimator.config.replace(session_config=one_thread),
    )
    experiment.train()


def _logging(model_fn: Any, path: Path) -> Any:
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    counter = _CountSteps()

    def write(keys: Any) -> None:
        line = json.dumps([counter.step, [key.decode() for key in keys]])
        os.write(log, f'{line}\n'.encode())  # at once: a kill can't leave half of it

    def logging_model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
        spec = model_fn(features, labels, mode, config)
        if mode != tf.estimator.ModeKeys.TRAIN:
            return spec
        written = tf.py_func(write, [features['key']], [])
        return spec._replace(
            train_op=tf.group(spec.train_op, written), training_hooks=[counter, *spec.training_hooks]
        )

    return logging_model_fn
