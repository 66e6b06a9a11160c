import tarfile

import pytest

from estimator_lab.data import demo
from estimator_lab.data.demo_sets.archives import write_demo
from estimator_lab.errors import DataError


def names_in(path):
    with tarfile.open(path, 'r:') as archive:
        return archive.getnames()


def test_the_command_writes_both_archives(monkeypatch, tmp_path, capsys):
    small = write_demo(tmp_path / 'cache', identities=2, train_per_identity=2, test_per_identity=1)
    monkeypatch.setattr(demo, 'cached_demo', lambda: small)
    assert demo._write_into([str(tmp_path / 'faces')]) == 0
    for name, images in (('train.tar', 4), ('test.tar', 2)):
        assert len(names_in(tmp_path / 'faces' / name)) == images
    assert 'train.tar' in capsys.readouterr().out
    (tmp_path / 'file').write_text('')
    with pytest.raises(DataError, match='file cannot be written'):
        demo._write_into([str(tmp_path / 'file')])
