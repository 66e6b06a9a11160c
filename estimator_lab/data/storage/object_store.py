"""Files in object stores (S3, Google Cloud Storage, Azure, Hugging Face), by their file systems of fsspec."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import fsspec

from estimator_lab.data.storage.failures import ChangedError, RemoteError, TransientError, failure_of
from estimator_lab.data.storage.names import scheme_of
from estimator_lab.data.storage.transport import Facts, Stream

_CHECK_SECONDS = 30.0  # after which a file is looked at again: these file systems read any version of it
# Of a file, whichever its file system knows, the best first.
_IDENTITIES = ('ETag', 'etag', 'generation', 'blob_id', 'md5Hash', 'content_md5', 'LastModified', 'mtime')
# Their own attempts come on top of those of `failures.repeated`.
_OPTIONS: dict[str, dict[str, Any]] = {
    's3': {'config_kwargs': {'connect_timeout': 10, 'read_timeout': 20, 'retries': {'max_attempts': 1}}}
}


class ObjectTransport:
    """Reads one object; see `Transport`.

    Args:
      url: of the object. Credentials come from the environment, or from fsspec's configuration.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._checked = 0.0
        self._fs: Any = None
        self._path = ''

    def probe(self) -> Facts:
        """See `Transport.probe`."""
        if not self._fs:
            self._fs, self._path = file_system(self._url)
        _call(self._fs.invalidate_cache, _call(self._fs._parent, self._path))
        info = _call(self._fs.info, self._path)
        self._checked = time.monotonic()
        if info.get('type') == 'directory':
            raise RemoteError('it is a folder, not a file')
        return Facts(info.get('size'), _identity(info), has_ranges=info.get('size') is not None)

    def fetch(self, offset: int, count: int, known: Facts) -> bytes:
        """See `Transport.fetch`."""
        if time.monotonic() > self._checked + _CHECK_SECONDS and self.probe() != known:
            raise ChangedError
        data: bytes = _call(self._fs.cat_file, self._path, start=offset, end=offset + count)
        if len(data) != count:
            self._checked = 0.0  # the next attempt looks at it again
            raise TransientError(f'{len(data):,} bytes arrived of {count:,}')
        return data

    def stream(self, known: Facts) -> Stream:
        """See `Transport.stream`."""
        opened: Stream = _call(self._fs.open, self._path, 'rb')
        return opened


def file_system(url: str) -> tuple[Any, str]:
    """Returns the file system of a URL, and the path in it.

    Raises:
      RemoteError: its configuration is wrong.
    """
    scheme = scheme_of(url)
    configured = fsspec.config.conf.get(scheme, {})
    options = {name: value for name, value in _OPTIONS.get(scheme, {}).items() if name not in configured}
    found: tuple[Any, str] = _call(fsspec.core.url_to_fs, url, **options)
    return found


def matches(pattern: str) -> list[str]:
    """Returns the URLs that match a glob, sorted.

    Raises:
      RemoteError: they can't be listed.
    """
    fs, path = file_system(pattern)
    scheme = scheme_of(pattern)
    found = _call(fs.glob, path)
    return sorted(name if '://' in name else f'{scheme}://{name}' for name in found)


def _identity(info: Mapping[str, Any]) -> str:
    return next((str(info[name]) for name in _IDENTITIES if info.get(name)), '')


def _call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    try:
        return function(*arguments, **options)
    except Exception as error:  # noqa: BLE001 - whatever the libraries raise is translated
        raise failure_of(error) from None  # its text may contain credentials
