"""The built-in faces: reproducible, whole or absent, and no two identities alike."""

import dataclasses
import io
import tarfile
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from estimator_lab.base.errors import DataError
from estimator_lab.data.demo_sets import archives, faces


def members(path):
    with tarfile.open(path) as archive:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in archive} == {(0, 0, 0, '', 0o644)}
        return {member.name: archive.extractfile(member).read() for member in archive}


def test_names_counts_identity_order_and_images(few):
    drawn = archives.demo_faces()
    for path, count in ((drawn.train, 4), (drawn.test, 2)):
        assert list(members(path)) == [
            f'{path.stem}/n{person:06d}/{image:04d}_01.jpg'
            for person in (1, 2, 3)
            for image in range(1, count + 1)
        ]
    images = [Image.open(io.BytesIO(data)) for data in members(drawn.train).values()]
    assert {(image.format, image.mode) for image in images} == {('JPEG', 'RGB')}
    assert all(120 <= side <= 220 for image in images for side in image.size)
    assert len({image.size for image in images}) > 6
    assert any(image.width != image.height for image in images)


@pytest.mark.parametrize(('stop', 'left'), [(5, set()), (12, set()), (15, {'train.tar'})])
def test_an_interrupted_run_leaves_no_archive_and_the_next_one_draws_the_same(
    few, stop, left, tmp_path, monkeypatch
):
    def interrupt(line):
        if f' {stop} of 18' in line:
            raise KeyboardInterrupt

    monkeypatch.setattr(archives, '_DRAWN_AT_ONCE', 1)

    with pytest.raises(KeyboardInterrupt):
        archives.demo_faces(interrupt)
    assert {path.name for path in tmp_path.rglob('*') if path.is_file()} == left
    said = []
    after = archives.demo_faces(said.append)
    first = 13 if left else 1
    assert said == [f'Drawing the built-in faces: {done} of 18' for done in range(first, 19)]
    assert archives.demo_faces(said.append) == after and len(said) < 19
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'other'))
    again = archives.demo_faces()
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in after]


def test_a_cache_folder_that_cannot_be_written_is_named(few, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', '/dev/null')
    with pytest.raises(DataError, match=r'cannot be written to /dev/null/estimator_lab .*set XDG_CACHE_HOME'):
        archives.demo_faces()


@pytest.mark.parametrize('count', [10, 49])
def test_no_two_identities_are_near_twins(count):
    codes = np.array([dataclasses.astuple(person)[:7] for person in faces.make_identities(count)])
    alike = (codes[:, None] == codes[None]).sum(axis=2)
    np.fill_diagonal(alike, 0)
    assert alike.max() <= 1


def test_a_set_that_is_there_is_not_fetched_again(tmp_path, monkeypatch):
    from estimator_lab.tf1 import tf

    pixels = np.zeros((2, 28, 28), np.uint8)
    fetch = mock.Mock(return_value=((pixels, np.array([3, 4])), (pixels, np.array([5, 6]))))
    monkeypatch.setattr(tf.keras.datasets.mnist, 'load_data', fetch)
    paths = archives.write_keras_set(tmp_path, 'mnist')
    assert list(members(paths.train)) == ['train/3/00000.png', 'train/4/00001.png']
    assert archives.write_keras_set(tmp_path, 'mnist') == paths and fetch.call_count == 1
    paths.test.unlink()
    assert archives.write_keras_set(tmp_path, 'mnist') == paths and paths.test.exists()
