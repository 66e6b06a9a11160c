"""Detects training that goes wrong, and warns with what to change."""

import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from estimator_lab.tf1 import Tensor, tf

_LOG = logging.getLogger('estimator_lab')
_EVERY = 10  # steps
_LOOKS = 20  # whose mean counts
_FIRST_STEP = 300  # before it, generators make the same blur of everything
_LEAST_DIVERSITY = 0.25
_ALWAYS_RIGHT = 0.995
_RESTART = (
    'begin again from the best evaluation, --warm_start=MODEL_DIR/export/best/TIME/model_dir of a run with '
    '--export=best'
)
_ADVICE = {
    'collapse': (
        'the samples differ from each other only {diversity:.2f} times as much as the images do, so that the '
        'generator collapses: try --hparams=r1=1, a smaller learning_rate or another loss, and ' + _RESTART
    ),
    'saturation': (
        'the discriminator has told all of the last images from fakes ({real:.1%} and {fake:.1%}), so that '
        'the generator learns little: try --hparams=r1=1, dropout_rate=0.3 or a smaller '
        'discriminator_learning_rate'
    ),
    'nan': (
        'a gradient is no number, and its step is left out: try a smaller --hparams=learning_rate, and '
        + _RESTART
    ),
}


class CollapseWatch:
    """Judges what is seen of a game now and then; each kind of trouble is told once.

    Args:
      critic: whether the discriminator is one, whose task is to tell all fakes from images.
    """

    def __init__(self, critic: bool = False) -> None:
        self._critic = critic
        self._seen: dict[str, deque[float]] = {name: deque(maxlen=_LOOKS) for name in _WATCHED}
        self._told: set[str] = set()

    def look(self, step: int, values: Mapping[str, float]) -> list[str]:
        """Takes in some values; returns warnings.

        Args:
          step: the global step.
          values: 'diversity', spread of the fakes over that of the images; 'real' and 'fake', the share of
            each that the discriminator was right about; 'norm', the lengths of both gradients, added up.
        """
        if not np.isfinite(values['norm']):
            return self._tell('nan', step)
        for name, seen in self._seen.items():
            seen.append(values[name])
        if step < _FIRST_STEP or len(self._seen['real']) < _LOOKS:
            return []
        if self._mean('diversity') < _LEAST_DIVERSITY:
            return self._tell('collapse', step)
        if not self._critic and min(self._mean('real'), self._mean('fake')) > _ALWAYS_RIGHT:
            return self._tell('saturation', step)
        return []

    def _mean(self, name: str) -> float:
        return float(np.mean(self._seen[name]))

    def _tell(self, trouble: str, step: int) -> list[str]:
        if trouble in self._told:
            return []
        self._told.add(trouble)
        means = {name: self._mean(name) if seen else 0.0 for name, seen in self._seen.items()}
        return [f'step {step}: {_ADVICE[trouble].format(**means)}.']


_WATCHED = ('diversity', 'real', 'fake')


class CollapseHook(tf.train.SessionRunHook):
    """Lets a `CollapseWatch` look at every tenth step, and says what it warns of.

    Args:
      values: scalars by name, as `CollapseWatch.look` takes them.
      watch: what looks.
    """

    def __init__(self, values: Mapping[str, Tensor], watch: CollapseWatch) -> None:
        self._values = dict(values)
        self._watch = watch
        self._timer = tf.train.SecondOrStepTimer(every_steps=_EVERY)
        self._step = 0

    def begin(self) -> None:
        self._global_step = tf.train.get_global_step()

    def before_run(self, run_context: Any) -> Any:
        due = self._timer.should_trigger_for_step(self._step)
        return tf.train.SessionRunArgs((self._global_step, self._values if due else {}))

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._step, values = run_values.results
        if values:
            self._timer.update_last_triggered_step(self._step)
            for warning in self._watch.look(int(self._step), values):
                _LOG.warning(warning)
