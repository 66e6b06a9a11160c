"""Two hooks that TensorFlow 2.16 deleted: for asynchronous checkpoints, and for the state of input pipelines.

Their old modules are ``tensorflow.python.tpu.async_checkpoint`` and ``tf.data.experimental``. The first is a
CheckpointSaverHook here: training waits while it writes.
"""

from typing import Any

from tensorflow.python.checkpoint import checkpoint_management
from tensorflow.python.data.experimental.ops import iterator_ops as policies
from tensorflow.python.data.ops import iterator_ops
from tensorflow.python.framework import ops
from tensorflow.python.training import basic_session_run_hooks, saver, session_run_hook

AsyncCheckpointSaverHook = basic_session_run_hooks.CheckpointSaverHook


class _Saver(saver.Saver):
    """A Saver whose list of checkpoints is a separate file next to the model's."""

    def __init__(self, saveables: list[Any], latest_filename: str) -> None:
        super().__init__(saveables, sharded=True)
        self._latest_filename = latest_filename

    def save(
        self, sess: Any, save_path: str, global_step: Any = None, latest_filename: Any = None, **more: Any
    ) -> Any:
        return super().save(sess, save_path, global_step, latest_filename or self._latest_filename, **more)


class _SaverHook(basic_session_run_hooks.CheckpointSaverHook):
    """Saves the iterators only: neither the graph nor the state at the session's start."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        pass


class CheckpointInputPipelineHook(session_run_hook.SessionRunHook):
    """Saves the position of the input pipeline next to the model's checkpoints, and resumes from it.

    Not a CheckpointSaverHook itself: Estimator would take it for its own and not save the model. A pipeline
    with a large shuffle buffer makes large checkpoints, which contain the buffer's elements.

    Args:
      estimator: the Estimator, for its model_dir and its RunConfig's saving intervals and task.
      external_state_policy: 'fail', 'warn' or 'ignore': what to do if part of the pipeline's state is outside
        TensorFlow (tf.py_func, another random number generator); None is 'fail'.

    Raises:
      ValueError: on another policy, or if the RunConfig saves no checkpoints.
    """

    def __init__(self, estimator: Any, external_state_policy: str | None = None) -> None:
        self._policy = policies._convert_external_state_policy_to_enum(external_state_policy or 'fail')
        config = estimator.config
        name = 'input'
        if config.num_worker_replicas > 1:
            name += f'_{config.task_type}_{config.task_id}'
        self._latest_filename = f'checkpoint_{name}'
        self._folder = estimator.model_dir
        self._hook = _SaverHook(
            self._folder,
            save_secs=config.save_checkpoints_secs,
            save_steps=config.save_checkpoints_steps,
            checkpoint_basename=f'{name}.ckpt',
        )
        self._new_session = True

    def begin(self) -> None:
        """Implements SessionRunHook."""
        saveables = [
            iterator_ops._IteratorSaveable(each, each.name, external_state_policy=self._policy)
            for each in ops.get_collection(iterator_ops.GLOBAL_ITERATORS)
        ]
        self._hook._saver = _Saver(saveables, self._latest_filename)
        self._hook.begin()

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Implements SessionRunHook."""
        self._new_session = True

    def before_run(self, run_context: Any) -> Any:
        """Implements SessionRunHook."""
        # Not in after_create_session, where the hook that initializes the iterator may run after this one.
        if self._new_session:
            self._restore_or_save(run_context.session)
            self._new_session = False
        return self._hook.before_run(run_context)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Implements SessionRunHook."""
        self._hook.after_run(run_context, run_values)

    def end(self, session: Any) -> None:
        """Implements SessionRunHook."""
        self._hook.end(session)

    def _restore_or_save(self, session: Any) -> None:
        latest = checkpoint_management.latest_checkpoint(self._folder, self._latest_filename)
        if latest:
            self._hook._saver.restore(session, latest)
            return
        step = session.run(self._hook._global_step_tensor)
        self._hook._save(session, step)
        self._hook._timer.update_last_triggered_step(step)
