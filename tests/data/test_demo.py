import os
import tarfile

from estimator_lab.data import demo
from estimator_lab.data.demo_sets import listops
from estimator_lab.data.demo_sets.archives import write_demo
from tests.support.commands import invoke


def names_in(path):
    with tarfile.open(path, 'r:') as archive:
        return archive.getnames()


def test_the_command_writes_both_archives(monkeypatch, tmp_path, capsys):
    small = write_demo(tmp_path / 'cache', identities=2, train_per_identity=2, test_per_identity=1)
    monkeypatch.setattr(demo, 'cached_demo', lambda: small)
    assert invoke(demo, str(tmp_path / 'faces')) == 0
    for name, images in (('train.tar', 4), ('test.tar', 2)):
        assert len(names_in(tmp_path / 'faces' / name)) == images
    with tarfile.open(small.test) as archive:
        first = archive.extractfile('test/n000001/0001_01.jpg').read()
    assert (tmp_path / 'faces/n000001.jpg').read_bytes() == first
    assert 'train.tar' in capsys.readouterr().out
    (tmp_path / 'file').write_text('')
    assert invoke(demo, str(tmp_path / 'file')) == 2
    assert 'file cannot be written' in capsys.readouterr().err
    assert invoke(demo, str(tmp_path / 'one'), 'trees') == 2
    assert "One FOLDER at a time, not 'trees' as well" in capsys.readouterr().err
    assert not (tmp_path / 'one').exists()


def test_a_failed_write_leaves_no_folder(monkeypatch, tmp_path, capsys):
    def fail(*paths):
        raise OSError(28, 'No space left on device')

    small = write_demo(tmp_path / 'cache', identities=2, train_per_identity=2, test_per_identity=1)
    monkeypatch.setattr(demo, 'cached_demo', lambda: small)
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
