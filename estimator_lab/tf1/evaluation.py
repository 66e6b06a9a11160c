"""Evaluates successive checkpoints in one graph and one session."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow.compat.v1 as tf


@contextlib.contextmanager
def reused_evaluation_graph(estimator: Any) -> Iterator[None]:
    """Context in which evaluations that differ only in their checkpoint share a graph and a session.

        with reused_evaluation_graph(estimator):
            tf.estimator.train_and_evaluate(estimator, train_spec, eval_spec)

    Each evaluation restores its checkpoint, restarts its input, metrics and tables, and calls the hooks, as
    `Estimator.evaluate` does in a new graph; it returns and writes the same. A model function must meet two
    conditions: its evaluation hooks reset themselves in `begin` or `after_create_session`, and an evaluation
    draws random numbers by stateless operations, because the state of others continues.

    Between evaluations the session keeps a second copy of the model's variables, without an optimizer's.

    Queue runners and one-shot iterators cannot restart, so an evaluation that has them gets a new graph each
    time, and so does one by a tf.distribute.Strategy.
    """
    original: Callable[..., Any] = estimator._actual_eval
    kept: _Evaluation | None = None

    def close() -> None:
        nonlocal kept
        if kept is not None:
            kept.close()
        kept = None

    def evaluate(
        input_fn: Callable[..., Any],
        strategy: Any = None,
        steps: int | None = None,
        hooks: Sequence[Any] | None = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> Any:
        nonlocal kept
        checkpoint_path = checkpoint_path or estimator.latest_checkpoint()
        if strategy or not checkpoint_path or (steps is not None and steps <= 0):
            return original(input_fn, strategy, steps, hooks, checkpoint_path, name)
        arguments = (input_fn, steps, list(hooks or ()), name)
        if kept is None or arguments != kept.arguments:
            close()
            kept = _Evaluation(estimator, *arguments, checkpoint_path)
        try:
            found = kept.run(checkpoint_path)
        except BaseException:
            close()
            raise
        if not kept.can_restart():
            close()
        return found

    # Estimator forbids its subclasses to have this method.
    estimator._actual_eval = evaluate
    try:
        yield
    finally:
        del estimator._actual_eval
        close()


class _Evaluation:
    """One evaluation that can run repeatedly; it is also the session creator of its MonitoredSession."""

    def __init__(
        self,
        estimator: Any,
        input_fn: Callable[..., Any],
        steps: int | None,
        hooks: list[Any],
        name: str | None,
        checkpoint_path: str,
    ) -> None:
        self.arguments = (input_fn, steps, hooks, name)
        self._estimator = estimator
        self._steps = steps
        self._name = name
        self._session: Any = None
        self._graph = tf.Graph()
        with self._graph.as_default():
            scaffold, self._update, self._values, self._hooks = estimator._evaluate_build_graph(
                input_fn, _estimator_module()._check_hooks_type(hooks), checkpoint_path
            )
        self._scaffold = scaffold or tf.train.Scaffold()

    def run(self, checkpoint_path: str) -> Any:
        """Evaluates a checkpoint and writes the metrics; returns them by name."""
        self._checkpoint_path = checkpoint_path
        values = tf.train.FinalOpsHook(self._values)
        hooks = [*self._hooks, values]
        with self._graph.as_default():
            with tf.train.MonitoredSession(self, hooks) as session:
                for _ in itertools.count() if self._steps is None else range(self._steps):
                    if session.should_stop():
                        break
                    session.run(self._update)
            found = values.final_ops_values
            folder, step = self._estimator.eval_dir(self._name), found[tf.GraphKeys.GLOBAL_STEP]
            _estimator_module()._write_dict_to_summary(folder, found, step)
            _estimator_module()._write_checkpoint_path_to_summary(folder, checkpoint_path, step)
        return found

    def create_session(self) -> Any:
        """Returns the session in the state of a new one that has restored the checkpoint."""
        if self._session is None:
            self._session = tf.train.ChiefSessionCreator(
                self._scaffold,
                self._estimator.config.evaluation_master,
                self._estimator._session_config,
                checkpoint_filename_with_path=self._checkpoint_path,
            ).create_session()
            # MonitoredSession would close it.
            self._close, self._session.close = self._session.close, lambda: None
        else:
            self._graph.finalize()
            self._scaffold.saver.restore(self._session, self._checkpoint_path)
            self._session.run(self._scaffold.local_init_op, self._scaffold.local_init_feed_dict)
        return self._session

    def can_restart(self) -> bool:
        """Returns whether the input yields the same elements again."""
        once = any(operation.type == 'OneShotIterator' for operation in self._graph.get_operations())
        return not once and not self._graph.get_collection(tf.GraphKeys.QUEUE_RUNNERS)

    def close(self) -> None:
        """Closes the session, if there is one."""
        if self._session is not None:
            self._close()


def _estimator_module() -> Any:
    # Imported late: Estimator is loaded at its first use.
    from tensorflow_estimator.python.estimator import estimator

    return estimator
