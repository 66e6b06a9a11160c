"""Files at URLs that TensorFlow reads, by `tf.io.gfile`."""

import io
import os
from typing import Any


class GFile(io.RawIOBase):
    """A file of `tf.io.gfile` as a raw binary file that raises OSErrors."""

    _file: Any = None

    def __init__(self, url: str) -> None:
        call('stat', url)  # GFile raises its errors only at the first read
        self._file = call('GFile', url, 'rb')

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the beginning of a buffer; returns 0 at the end."""
        data = _translated(self._file.read, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves, and returns the new position."""
        _translated(self._file.seek, offset, whence)
        return self.tell()

    def tell(self) -> int:
        """Returns the position."""
        return int(_translated(self._file.tell))

    def close(self) -> None:
        """Closes the file."""
        if self._file:
            self._file.close()
        super().close()


def call(name: str, *arguments: Any) -> Any:
    """Calls a function of `tf.io.gfile`.

    Raises:
      OSError: it fails.
    """
    from estimator_lab.tf1 import tf  # takes seconds, and few URLs need it

    return _translated(getattr(tf.io.gfile, name), *arguments)


def _translated(function: Any, *arguments: Any) -> Any:
    from estimator_lab.tf1 import tf

    try:
        return function(*arguments)
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(error.message) from error
    except tf.errors.PermissionDeniedError as error:
        raise PermissionError(error.message) from error
    except tf.errors.OpError as error:
        raise OSError(error.message) from error
