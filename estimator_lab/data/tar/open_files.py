"""Archives that are read at random stay open, as many of them as the process may well have open."""

import os
import resource
import threading
from collections import OrderedDict

_MOST = 512
_LEAST = 4


class OpenFile:
    """A file that is closed when the last thread has let go of it."""

    descriptor = -1

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


class OpenFiles:
    """The files that were used last; may be used from many threads."""

    def __init__(self) -> None:
        self._files: OrderedDict[tuple[str, int], OpenFile] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str, mtime_ns: int) -> OpenFile:
        """Returns a file, opened anew if that has not been done for this modification time.

        Raises:
          OSError: it can't be opened.
        """
        key = path, mtime_ns
        with self._lock:
            if key in self._files:
                self._files.move_to_end(key)
                return self._files[key]
        file = OpenFile(path)  # by two threads at once, perhaps: then one of the two is kept
        with self._lock:
            self._files[key] = file
            while len(self._files) > share_of_limit(4, _MOST, _LEAST):
                self._files.popitem(last=False)
        return file

    def forget(self, path: str, mtime_ns: int) -> None:
        """Lets go of a file."""
        with self._lock:
            self._files.pop((path, mtime_ns), None)


def share_of_limit(part: int, most: int, least: int) -> int:
    """Returns one `part`-th of the files that this process may have open, within [least, most]."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else min(max(soft // part, least), most)
