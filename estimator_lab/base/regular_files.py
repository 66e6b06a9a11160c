"""Opens untrusted paths as regular files only, since opening a pipe could block forever."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def open_regular(path: Path, follow_links: bool = True) -> Iterator[BinaryIO]:
    """Yields a regular file, opened for reading.

    Its last part may be a symbolic link, unless links are not followed.

    Raises:
      OSError: it can't be opened.
      ValueError: it is a pipe, a device or a folder, or a link that must not be followed.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow_links:
            raise ValueError('it is a link') from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError('it is not a regular file')
        with open(descriptor, 'rb', closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_regular(path: Path, most_bytes: int) -> bytes:
    """Returns the bytes of a regular file.

    Raises:
      OSError: it can't be read.
      ValueError: it is a pipe, a device or a folder, or larger than `most_bytes`.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise ValueError(f'it has {size:,} bytes, {most_bytes:,} are allowed')
        return file.read(size)


def why_unread(error: BaseException) -> str:
    """Returns why a file can't be read, as the end of a sentence, without error number and file name."""
    if isinstance(error, UnicodeDecodeError):
        return 'it is not a text file in UTF-8'
    reason = error.strerror if isinstance(error, OSError) else ''
    return ' '.join((reason or str(error)).split()).rstrip('.')
