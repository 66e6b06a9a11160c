"""Answers of servers that are wrong, or written to do harm."""

import contextlib
import socket
import threading

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.sources import remote, stores
from tests.support.archive_files import tar_bytes
from tests.support.streams import opened, stream_members

pytestmark = pytest.mark.usefixtures('short_pauses')

DATA = tar_bytes({f'a/{number}.jpg': b'%d' % number for number in range(9)})


def answer(status='206 Partial Content', body=b'', **headers):
    headers = {'Content_Length': str(len(body)), 'Connection': 'close', **headers}
    known = ((name.replace('_', '-'), text) for name, text in headers.items() if text)
    lines = [f'HTTP/1.1 {status}', *(f'{name}: {text}' for name, text in known)]
    return ('\r\n'.join(lines) + '\r\n\r\n').encode() + body


@pytest.fixture
def serve(monkeypatch):
    """Answers every request with the same bytes; returns the URL."""
    pytest.importorskip('aiohttp')
    monkeypatch.setattr(remote, 'PAUSES', (0.001,))
    monkeypatch.setattr(stores, 'SILENT_SECONDS', 2.0)
    with contextlib.ExitStack() as stack:

        def _serve(data):
            listener = stack.enter_context(socket.create_server(('127.0.0.1', 0)))
            threading.Thread(target=_run, args=[listener, data], daemon=True).start()
            return f'http://127.0.0.1:{listener.getsockname()[1]}/a.tar'

        yield _serve


def _run(listener, data):
    with contextlib.suppress(OSError):
        while True:
            connection = listener.accept()[0]
            with connection, contextlib.suppress(OSError):
                connection.recv(2**16)
                connection.sendall(data)


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'\0' * 1000,
        b'SSH-2.0-OpenSSH_9.6\r\n',
        b'HTTP/1.1 200 OK\r\n' + b'X: y\r\n' * 100_000,
        b'HTTP/1.1 99999999999 x\r\n\r\n',
        answer(Content_Range='bytes 0-511/99999999999999999999999', body=DATA[:512]),
        answer(Content_Range='bytes 5-511/10240', body=DATA[:512]),
        answer(Content_Range='bytes 0-511/*', body=DATA[:512]),
        answer(Content_Range='bytes 511-0/10240', body=DATA[:512]),
        answer(Content_Range='nonsense', body=DATA[:512]),
        answer(body=DATA[:512]),
        answer('301 Moved', Location='/a.tar'),
        answer('301 Moved', Location='file:///etc/passwd'),
        answer('304 Not Modified'),
        answer('200 OK', Content_Length='99999999999999'),
        answer('200 OK', Content_Length='-1'),
        answer('416 Range Not Satisfiable', Content_Range='bytes */0'),
        answer('500 Oops', body=b'x' * 10**6),
    ],
)
def test_nothing_can_be_read(serve, data):
    url = serve(data)
    for read in (lambda: opened(url), lambda: list(stream_members(url))):
        with pytest.raises(DataError) as caught:
            read()
        assert url in str(caught.value) and len(str(caught.value)) < 400 and '\n' not in str(caught.value)


def test_a_part_that_is_longer_than_requested_is_not_read(serve):
    """The server says so, or only sends more."""
    size = len(DATA)
    file = remote.open_remote(serve(answer(Content_Range=f'bytes 0-511/{size}', body=DATA[:512])))
    assert file.size == size and file.read([(0, 512), (size, 9)]) == [DATA[:512], b'']
    chunked = {'Content_Length': '', 'Transfer_Encoding': 'chunked', 'Content_Range': f'bytes 0-511/{size}'}
    body = b'%x\r\n%s\r\n0\r\n\r\n' % (len(DATA), DATA)
    assert remote.open_remote(serve(answer(**chunked) + body)).read([(0, 512)]) == [DATA[:512]]


# Object stores: S3 as moto's server speaks it.


@pytest.mark.parametrize(
    ('location', 'words'),
    [
        ('/a.tar', 'the server redirects in a circle'),
        ('file:///etc/passwd', 'the server redirects to file:///etc/passwd, which is not on the web'),
    ],
)
def test_redirects_that_lead_nowhere(serve, location, words):
    with pytest.raises(DataError, match=f'cannot be read: {words}'):
        opened(serve(answer('302 Found', Location=location)))
