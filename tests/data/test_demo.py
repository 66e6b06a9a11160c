import os
import re
import tarfile

import pytest

from estimator_lab.data import demo
from estimator_lab.data.demo_sets import archives, listops
from tests.support.commands import invoke

pytestmark = pytest.mark.both


def names_in(path):
    with tarfile.open(path, 'r:') as archive:
        return archive.getnames()


def test_the_command_writes_both_archives(few, tmp_path, capsys):
    assert invoke(demo, str(tmp_path / 'faces')) == 0
    for part, images in (('train', 4), ('test', 2)):
        names = [f'{part}/n{who:06}/{n:04}_01.jpg' for who in (1, 2, 3) for n in range(1, images + 1)]
        assert sorted(names_in(tmp_path / 'faces' / f'{part}.tar')) == names
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
    trees = [(tmp_path / 'trees' / name).read_text().splitlines() for name in ('train.tsv', 'test.tsv')]
    assert [*map(len, trees)] == [5, 3] and len({*trees[0], *trees[1]}) == 8
    assert all(re.fullmatch(r'[0-9]\t\( .* \)', line) for line in (*trees[0], *trees[1]))


def test_the_sets_of_keras_are_written_by_name(monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(demo, 'write_keras_set', lambda *given: asked.append(given) or ('one.tar', 'two.tar'))
    assert invoke(demo, str(tmp_path / 'mnist'), '--set=mnist') == 0
    assert asked == [(tmp_path / 'mnist', 'mnist')] and 'one.tar and two.tar' in capsys.readouterr().out
