import pytest

from estimator_lab.data.demo_sets import archives
from estimator_lab.data.sources import remote
from tests.support import archive_files
from tests.support.archive_files import encoded, picture
from tests.support.pack_files import write_tar
from tests.support.web_server import web_server


@pytest.fixture
def write(tmp_path):
    """Writes bytes as an archive; returns its path."""

    def _write(data, name='archive.tar'):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return _write


@pytest.fixture
def source(tmp_path):
    """An archive to pack, `pack_files.FILES`."""
    return write_tar(tmp_path / 'source.tar')


@pytest.fixture
def out(tmp_path):
    """The folder to pack into."""
    return tmp_path / 'out'


@pytest.fixture
def short_pauses(monkeypatch, tmp_path):
    """Short pauses between attempts, an empty cache, and nothing kept on disk."""
    pytest.importorskip('fsspec')
    monkeypatch.setattr(remote, 'PAUSES', (0.001,) * 7)
    remote.opened.clear()
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    remote.keep(0)
    yield
    remote.keep(4096 * 2**20)


@pytest.fixture
def web():
    """A web server on the loopback interface."""
    pytest.importorskip('aiohttp')
    with web_server() as server:
        yield server


@pytest.fixture
def with_bad(tmp_path):
    """An archive of 12 images, of which the third and the eighth are bad."""
    files = [(f'a/{number:02}.png', encoded(picture(number))) for number in range(12)]
    files[2], files[7] = (files[2][0], b'no image'), (files[7][0], b'')
    return str(archive_files.write_tar(tmp_path / 'bad.tar', files))


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Three identities, in a cache folder of their own."""
    monkeypatch.setattr(archives, 'IDENTITIES', 3)
    monkeypatch.setattr(archives, 'IMAGES_EACH', {'train': 4, 'test': 2})
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
