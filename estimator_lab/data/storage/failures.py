"""Errors of files elsewhere, as clauses without credentials, and the repetition of attempts."""

import errno
import os
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from estimator_lab.base.interrupts import stops_within
from estimator_lab.base.urls import hide_secrets

T = TypeVar('T')

PAUSES = (0.002, 0.1, 0.5, 2.0, 5.0)
"""Seconds between attempts, on average. The first is short, as most often an old connection was reset."""
FIRST_PAUSES = PAUSES[:4]
"""The same when a file is opened, as it may be the wrong name."""
_LONGEST_PAUSE = 30.0
_LONGEST = 200  # letters of an error of others
_EXPIRED = ('expired', 'expiredtoken', 'invalidtoken', 'token has been revoked')
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_NO_PERMISSION = (401, 403, 407)
_GONE = (404, 410)
# A connection was refused, reset or cut off; by name, as the libraries need not be installed.
_CONNECTION = {
    'ConnectionError',
    'ClientConnectionError',
    'ClientPayloadError',
    'ServerDisconnectedError',
    'EndpointConnectionError',
    'HTTPClientError',
    'IncompleteReadError',
    'RequestException',
}
_NEEDED = 'check the credentials, or sign the URL'


class RemoteError(OSError):
    """A file elsewhere can't be read; `strerror` is the reason as a clause, without credentials."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EIO, hide_secrets(reason))


class MissingError(RemoteError, FileNotFoundError):
    """There is no such file."""


class DeniedError(RemoteError, PermissionError):
    """The credentials are missing, wrong or expired."""


class ChangedError(RemoteError):
    """The file is no longer the one that was opened."""

    def __init__(self) -> None:
        super().__init__('it has changed since it was opened: start again, and it is indexed anew')


class TransientError(RemoteError):
    """An attempt failed, and another one may succeed.

    Args:
      reason: as a clause.
      pause: seconds that the server asks to wait; 0 if it does not.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


def repeated(attempt: Callable[[], T], pauses: Sequence[float] = ()) -> T:
    """Returns the result of an attempt, repeated after transient errors with growing pauses.

    Raises:
      RemoteError: the last attempt failed, an attempt can't succeed, or a signal asks to stop.
    """
    pauses = pauses or PAUSES
    for pause in pauses:
        try:
            return attempt()
        except TransientError as error:
            wait = max(pause * random.uniform(0.5, 1.5), min(error.pause, _LONGEST_PAUSE))
            if stops_within(wait):
                raise RemoteError('a signal asked to stop') from error
    try:
        return attempt()
    except TransientError as error:
        raise RemoteError(f'{error.strerror}, {len(pauses) + 1} times') from error


def failure_of(error: BaseException) -> OSError:
    """Returns the error of this module for one of fsspec and the libraries below it."""
    if isinstance(error, RemoteError):
        return error
    names = {kind.__name__ for kind in type(error).__mro__}
    if 'TooManyRedirects' in names:
        return RemoteError('the server redirects without end')
    if 'ClientResponseError' in names:  # its words quote the answer
        return RemoteError('the answer of the server is not valid HTTP')
    if isinstance(error, ValueError):  # of yarl and aiohttp, about the URL itself
        return RemoteError('it is not a valid URL')
    words = ' '.join(str(error).split())[:_LONGEST].rstrip('.') or type(error).__name__
    status = getattr(error, 'status', None) or getattr(error, 'code', None)
    if isinstance(error, FileNotFoundError) or status in _GONE:
        return MissingError('there is no such file')
    if _is_expired(words):
        return DeniedError(f'its signature or its credentials have expired ({words}): renew them')
    if isinstance(error, PermissionError) or status in _NO_PERMISSION or 'redential' in type(error).__name__:
        return DeniedError(f'access is denied ({words}): {_NEEDED}')
    if 'imeout' in type(error).__name__:
        return TransientError('no answer came in time')
    if names & _CONNECTION or status in _BUSY:
        return TransientError(f'the connection failed ({_system_reason(error)})')
    return RemoteError(words)


def failure_of_status(status: int, reason: str, body: str, pause: float) -> OSError:
    """Returns the error for an HTTP status that is not a success.

    Args:
      status: its number.
      reason: its words.
      body: the first characters of the answer.
      pause: seconds after which the server wants to be asked again; 0 if unknown.
    """
    answer = f'the server answers {status} {reason}'.rstrip()
    if status in _GONE:
        return MissingError(answer)
    if status in (400, *_NO_PERMISSION) and _is_expired(body):
        return DeniedError(f'{answer}, as its signature or its credentials have expired: renew them')
    if status in _NO_PERMISSION:
        return DeniedError(f'{answer}: {_NEEDED}')
    if status == 412:
        return ChangedError()
    return TransientError(answer, pause) if status in _BUSY else RemoteError(answer)


def _system_reason(error: BaseException) -> str:
    """Returns why a connection failed, as the system says it; the name of the error if it does not."""
    below = getattr(error, 'os_error', error)
    if isinstance(below, OSError) and below.errno:
        return os.strerror(below.errno) if below.errno > 0 else str(below.strerror)
    return type(error).__name__


def _is_expired(words: str) -> bool:
    return any(sign in words.lower() for sign in _EXPIRED)
