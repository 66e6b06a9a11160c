"""The position of a run in its data: a variable in each checkpoint, the number of examples consumed.

A step increases it by its examples, so that each checkpoint, also an older one, knows its own place, whatever
the batch size and the number of workers were.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import DataError, option
from estimator_lab.runs.record import InputRecord
from estimator_lab.runs.safe_paths import newest_checkpoint
from estimator_lab.runs.weights.checkpoint import open_checkpoint, step_of
from estimator_lab.tf1 import Session, SessionRunArgs, SessionRunContext, save_by, tf

CONSUMED = 'input/consumed'
"""Name of the variable, an int64."""


@dataclass(eq=False)
class PositionHook(tf.train.SessionRunHook):
    """Keeps the position in the checkpoints of a phase, and saves none unless the newest one was restored.

    TensorFlow takes a list of checkpoints that it can't read for none: it would begin anew, and overwrite. It
    also writes the restored checkpoint again, in place, which on a full disk destroys it.

    Attributes:
      examples: that a step of this process consumes; of all processes together where they take each step
        together.
      sets: whether this process sets the position at which the phase goes on; others get it from the chief.
      start: the global step at which the phase goes on.
    """

    folder: Path
    record: InputRecord
    examples: int
    sets: bool
    start: int = 0

    def begin(self) -> None:
        """Creates the variable; Estimator's Saver, which is built later, includes it."""
        self._variable = tf.get_variable(
            CONSUMED,
            [],
            tf.int64,
            tf.zeros_initializer(),
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self._given = tf.placeholder(tf.int64, [])
        self._set = tf.group(tf.assign(self._variable, self._given))
        self._add = tf.group(tf.assign_add(self._variable, tf.constant(self.examples, tf.int64)))
        self._step, self._position = tf.train.get_global_step(), tf.identity(self._variable)
        self._save = save_by(self._save_new)
        checkpoint = newest_checkpoint(self.folder)
        self._restored = (step_of(checkpoint), _consumed(checkpoint)) if checkpoint else None

    def after_create_session(self, session: Session, coord: Any) -> None:
        """Sets the position, unless a later checkpoint was restored, which has its own."""
        if self.sets and int(session.run(self._step)) == self.record.step:
            session.run(self._set, {self._given: self.record.position})

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Requests the increase in the same step."""
        return tf.train.SessionRunArgs(self._add)

    def _save_new(self, session: Session, *args: Any, **kwargs: Any) -> Any:
        step, position = map(int, session.run((self._step, self._position)))
        if step < self.start:
            raise DataError(
                f'The list of checkpoints in {self.folder} could not be read, so the checkpoint of step '
                f'{self.start} was not restored: start again.'
            )
        if (step, position) == self._restored:  # in all processes of a cluster, which save together
            return newest_checkpoint(self.folder)
        return self._save(session, *args, **kwargs)


def position_of(folder: Path, record: InputRecord) -> int:
    """Returns the position at which the input of a phase begins: its newest checkpoint's.

    Raises:
      DataError: the checkpoint holds none.
    """
    checkpoint = newest_checkpoint(folder)
    if not checkpoint or step_of(checkpoint) == record.step:
        return record.position
    return _consumed(checkpoint)


def _consumed(checkpoint: str) -> int:
    """Returns the position in a checkpoint; raises DataError if it holds none."""
    with open_checkpoint(checkpoint) as reader:
        if reader.has_tensor(CONSUMED):
            return int(reader.get_tensor(CONSUMED))
    raise DataError(
        f'{checkpoint} does not say which examples it has seen, as checkpoints of this version do: give '
        f'another folder, and {option.warm_start}={Path(checkpoint).parent}.'
    )
