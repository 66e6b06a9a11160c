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
_FIRST_STEP = 300  # generators still map everything to the same blur earlier
_LEAST_DIVERSITY = 0.25
_ALWAYS_RIGHT = 0.995
_RESTART = (
    'begin again from the best evaluation, --warm_start=MODEL_DIR/export/best/TIME/model_dir of a run with '
    '--export=best'
)
_WATCHED = ('diversity', 'real', 'fake')
_ADVICE = {
    'collapse': (
        'the samples differ from each other only {diversity:.2f} times as much as the images do, so that the '
        'generator collapses: try --hparams=r1=1, a smaller learning_rate or another loss, and ' + _RESTART
    ),
    'saturation': (
        'the discriminator recognises nearly all of the last images ({real:.1%}) and fakes '
        '({fake:.1%}), so that the generator learns little: try --hparams=r1=1, dropout_rate=0.3 or a '
        'smaller discriminator_learning_rate'
    ),
    'nan': (
        'a gradient is not finite, and its step is skipped: try a smaller --hparams=learning_rate, and '
        + _RESTART
    ),
}


class CollapseHook(tf.train.SessionRunHook):
    """Looks at every tenth step, and logs collapse, saturation and gradients that are not finite, once each.

    Args:
      values: scalars by name: 'diversity', spread of the fakes over that of the images; 'real' and 'fake',
        the discriminator's accuracy on each; 'norm', the sum of the lengths of both gradients.
      critic: whether the discriminator is a critic, which is meant to recognise all fakes.
    """

    def __init__(self, values: Mapping[str, Tensor], critic: bool = False) -> None:
        self._values = dict(values)
        self._critic = critic
        self._timer = tf.train.SecondOrStepTimer(every_steps=_EVERY)
        self._step = 0
        self._seen: dict[str, deque[float]] = {name: deque(maxlen=_LOOKS) for name in _WATCHED}
        self._warned: set[str] = set()

    def begin(self) -> None:
        """Finds the global step."""
        self._global_step = tf.train.get_global_step()

    def before_run(self, run_context: Any) -> Any:
        """Requests the values if they are due."""
        due = self._timer.should_trigger_for_step(self._step)
        return tf.train.SessionRunArgs((self._global_step, self._values if due else {}))

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Looks at the values."""
        self._step, values = run_values.results
        if values:
            self._timer.update_last_triggered_step(self._step)
            self.look(int(self._step), values)

    def look(self, step: int, values: Mapping[str, float]) -> None:
        """Records the values of a step, those of the scalars; logs a warning if there is a reason."""
        if not np.isfinite(values['norm']):
            self._warn('nan', step)
            return
        for name, seen in self._seen.items():
            seen.append(values[name])
        if step < _FIRST_STEP or len(self._seen['real']) < _LOOKS:
            return
        if self._mean('diversity') < _LEAST_DIVERSITY:
            self._warn('collapse', step)
        elif not self._critic and min(self._mean('real'), self._mean('fake')) > _ALWAYS_RIGHT:
            self._warn('saturation', step)

    def _mean(self, name: str) -> float:
        return float(np.mean(self._seen[name] or 0.0))

    def _warn(self, trouble: str, step: int) -> None:
        if trouble not in self._warned:
            self._warned.add(trouble)
            means = {name: self._mean(name) for name in _WATCHED}
            _LOG.warning(f'step {step}: {_ADVICE[trouble].format(**means)}.')
