"""``tensorflow.python.tpu.async_checkpoint``, which TensorFlow 2.16 deleted."""

import threading
from typing import Any

from tensorflow.python.training import basic_session_run_hooks


class AsyncCheckpointSaverHook(basic_session_run_hooks.CheckpointSaverHook):
    """A CheckpointSaverHook that writes in a thread while training goes on; the last one is waited for.

    As with 2.15's, variables may be written a step apart from each other. A checkpoint that fails raises at
    the next one, or at the end.
    """

    _thread: threading.Thread | None = None
    _error: BaseException | None = None

    def after_create_session(self, session: Any, coord: Any) -> None:
        super().after_create_session(session, coord)
        self._wait()

    def end(self, session: Any) -> None:
        self._wait()
        super().end(session)
        self._wait()

    def _save(self, session: Any, step: int) -> bool:
        """Starts to write; whether a listener asks to stop is not known yet, so that it is not heeded."""
        self._wait()
        write = super()._save

        def work() -> None:
            try:
                with session.graph.as_default():  # which each thread has its own of
                    write(session, step)
            except BaseException as error:
                self._error = error

        # The thread must not be ended halfway with the program: it is no daemon.
        self._thread = threading.Thread(target=work, name='checkpoint')
        self._thread.start()
        return False

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()
        error, self._error, self._thread = self._error, None, None
        if error is not None:
            raise error
