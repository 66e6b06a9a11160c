"""Shared by the tests of archives."""

import pytest


@pytest.fixture
def write(tmp_path):
    """Writes bytes as an archive; returns its path."""

    def _write(data, name='archive.tar'):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return _write
