import pytest

from tests.support.pack_files import write_tar


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
