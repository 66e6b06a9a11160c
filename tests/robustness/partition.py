"""A proxy in front of a task's port that can drop its traffic, as a network that fails does."""

import contextlib
import socket
import threading
import time

_POLL_SECONDS = 0.2


class Proxy:
    """Passes the connections to a port on to another one, unless it is cut off.

    It listens only while the other one does: else a task that has ended would seem to answer. While it is cut
    off, no connection is accepted and no data arrive, and the sender of data sees no error.

    Args:
      port: on which it listens.
      target: port of the task.

    Attributes:
      is_cut: whether it is cut off.
    """

    def __init__(self, port: int, target: int) -> None:
        self.is_cut = False
        self._port, self._target = port, target
        self._is_closed = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        """Accepts no more connections."""
        self._is_closed.set()

    def _run(self) -> None:
        while not self._is_closed.wait(_POLL_SECONDS):
            if self._target_listens():
                # Without a backlog, connections that are not accepted soon get no answer.
                with socket.create_server(('127.0.0.1', self._port), backlog=0) as server:
                    server.settimeout(_POLL_SECONDS)
                    self._accept(server)

    def _accept(self, server: socket.socket) -> None:
        while not self._is_closed.is_set():
            if self.is_cut:
                time.sleep(_POLL_SECONDS)
                continue
            try:
                client, _ = server.accept()
            except TimeoutError:
                if not self._target_listens():
                    return
                continue
            client.setblocking(True)
            try:
                target = self._connected()
            except OSError:
                client.close()
                return
            for pair in ((client, target), (target, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _connected(self) -> socket.socket:
        return socket.create_connection(('127.0.0.1', self._target))

    def _target_listens(self) -> bool:
        with contextlib.suppress(OSError), self._connected():
            return True
        return False

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with source, target, contextlib.suppress(OSError):
            while data := source.recv(65_536):
                while self.is_cut:
                    time.sleep(_POLL_SECONDS)
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
