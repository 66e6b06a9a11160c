"""A web server for the tests, and short pauses between attempts."""

from collections.abc import Iterator

import pytest
from estimator_lab.data.storage import failures, files, range_cache

from tests.web_server import Web, web_server


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps nothing on disk, except where a test sets a size."""
    monkeypatch.setattr(range_cache, '_megabytes', 0)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A web server on the loopback interface."""
    pytest.importorskip('fsspec')
    pytest.importorskip('aiohttp')
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setattr(failures, 'PAUSES', (0.001,) * 7)
    monkeypatch.setattr(files, 'FIRST_PAUSES', (0.001,) * 7)
    monkeypatch.setattr(files, '_opened', {})
    with web_server() as server:
        yield server
