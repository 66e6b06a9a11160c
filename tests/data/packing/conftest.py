"""Shared by the tests of packing: what is packed, and where to."""

import pytest

from tests.pack_files import write_tar


@pytest.fixture
def source(tmp_path):
    return write_tar(tmp_path / 'source.tar')


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'out'
