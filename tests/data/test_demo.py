import os
import tarfile

import pytest

from estimator_lab.data import demo
from estimator_lab.data.demo_sets import archives, listops
from tests.support.commands import invoke


def names_in(path):
    with tarfile.open(path, 'r:') as archive:
        return archive.getnames()


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Three faces, in a cache folder of their own."""
    monkeypatch.setattr(archives, 'IDENTITIES', 3)
    monkeypatch.setattr(archives, 'IMAGES_EACH', {'train': 2, 'test': 1})
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def test_the_command_writes_both_archives(few, tmp_path, capsys):
    assert invoke(demo, str(tmp_path / 'faces')) == 0
    for name, images in (('train.tar', 6), ('test.tar', 3)):
        assert len(names_in(tmp_path / 'faces' / name)) == images
    with tarfile.open(tmp_path / 'faces/test.tar') as archive:
        first = archive.extractfile('test/n000001/0001_01.jpg').read()
    assert (tmp_path / 'faces/n000001.jpg').read_bytes() == first
    assert 'train.tar' in capsys.readouterr().out
    assert invoke(demo, str(tmp_path / 'one'), 'trees') == 2
    assert "One FOLDER at a time, not 'trees' as well" in capsys.readouterr().err
    assert not (tmp_path / 'one').exists()


def test_a_failed_write_leaves_no_folder(few, monkeypatch, tmp_path, capsys):
    archives.demo_faces()

    def fail(*paths):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', fail)
    assert invoke(demo, str(tmp_path / 'faces')) == 1
    assert 'faces cannot be written: No space left on device.' in capsys.readouterr().err
    assert not (tmp_path / 'faces').exists()


def test_the_command_writes_trees(monkeypatch, tmp_path):
    monkeypatch.setattr(listops, 'TRAIN', 5)
    monkeypatch.setattr(listops, 'TEST', 3)
    assert invoke(demo, str(tmp_path / 'trees'), '--set=trees') == 0
    for name, count in (('train.tsv', 5), ('test.tsv', 3)):
        assert len((tmp_path / 'trees' / name).read_text().splitlines()) == count
