"""The notes, "Optimization methods": which learning rates work, by a range test.

    python examples/learning_rate.py [--model=MODEL] [--data=TRAIN.tar]

Takes about 30 s on 2 cores. (The first example to run also draws the built-in faces, in 15 s.) Trains a
model of the package for 100 steps, in which the learning rate increases from 0.000001 to 10 (Smith 2017,
arXiv 1506.01186), and suggests a tenth of the rate with the lowest smoothed loss, as fast.ai does.
"""

import argparse
import math
import tempfile
from typing import Any

import numpy as np
from built_in_data import SIDE, archives_from_command_line

from estimator_lab import api
from estimator_lab.tf1 import tf

CLASSIFIERS = ('cnn', 'mlp', 'vgg', 'resnet', 'recurrent', 'dbn')
HPARAMS = {'warmup_inputs': 0}
LOWEST, HIGHEST = 1e-6, 10.0
SMOOTHING = 0.9  # decay of the moving average
FIRST = 14  # steps at rates that are too low to learn


class RangeTest(tf.train.SessionRunHook):
    """Feeds each step the next learning rate, and keeps the loss; ends once the loss has diverged."""

    def __init__(self, steps: int) -> None:
        self.rates = np.geomspace(LOWEST, HIGHEST, steps)
        self.losses: list[float] = []

    def begin(self) -> None:
        """Looks up the learning rate and the loss."""
        (self._rate,) = tf.get_collection('learning_rate')  # of the schedule
        self._loss = tf.get_collection(tf.GraphKeys.LOSSES)[-1]

    def before_run(self, run_context: Any) -> Any:
        """Feeds the rate."""
        return tf.train.SessionRunArgs(self._loss, {self._rate: self.rates[len(self.losses)]})

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Keeps the loss."""
        self.losses.append(float(run_values.results))
        if not math.isfinite(self.losses[-1]) or self.losses[-1] > 10 * self.losses[0]:
            run_context.request_stop()


def smoothed(losses: list[float]) -> np.ndarray:
    """Returns the exponential moving average of losses, without bias to the first one."""
    weights = SMOOTHING ** np.arange(len(losses))
    return np.array([np.average(losses[n::-1], weights=weights[: n + 1]) for n in range(len(losses))])


def main(archives: api.DemoPaths, steps: int = 100, model: str = 'cnn') -> float:
    """Trains with increasing rates; prints the losses, and returns the suggestion."""
    train = api.input_fn(archives.train, (SIDE, SIDE, 1), shuffle=True, epochs=None)
    params = {'image_shape': (SIDE, SIDE, 1), 'vocabulary': train.labels, **HPARAMS}
    with tempfile.TemporaryDirectory() as folder:
        config = tf.estimator.RunConfig(folder, tf_random_seed=1, save_checkpoints_steps=steps)
        test = RangeTest(steps)
        tf.estimator.Estimator(api.model_fn(model), config=config, params=params).train(train, [test], steps)
    losses = [loss for loss in test.losses if math.isfinite(loss)]
    averages = smoothed(losses)
    for n in range(0, len(losses), max(steps // 20, 1)):
        print(f'learning rate {test.rates[n]:8.1e}   loss {averages[n]:8.4g}', flush=True)
    first = min(FIRST, len(losses) - 1)
    suggestion = float(test.rates[first + np.argmin(averages[first:])]) / 10
    print(f'suggestion: --hparams=learning_rate={suggestion:.0e}')
    return suggestion


if __name__ == '__main__':
    tf.disable_v2_behavior()
    flags = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flags.add_argument('--model', choices=CLASSIFIERS, default='cnn', help='the classifier to train')
    archives = archives_from_command_line(__doc__, [flags])
    main(archives, model=flags.parse_known_args()[0].model)
