"""The built-in data set: reproducible, whole or absent, and no two identities alike."""

import dataclasses
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.demo_sets import archives, faces

pytestmark = pytest.mark.once

SMALL = {'identities': 3, 'train_per_identity': 4, 'test_per_identity': 2}


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path, 'r:') as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def features(person: faces.Identity) -> tuple[str, ...]:
    """The names of the seven variants."""
    return dataclasses.astuple(person)[:7]


@pytest.fixture(scope='module')
def drawn(tmp_path_factory: pytest.TempPathFactory) -> archives.DemoPaths:
    return archives.write_demo(tmp_path_factory.mktemp('demo'), **SMALL)


def test_names_counts_and_identity_order(drawn: archives.DemoPaths) -> None:
    with tarfile.open(drawn.train, 'r:') as archive:  # nothing of the machine
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in archive} == {(0, 0, 0, '', 0o644)}
    for path, count in ((drawn.train, 4), (drawn.test, 2)):
        assert path.name == f'{path.stem}.tar'
        assert list(members(path)) == [
            f'{path.stem}/n{person:06d}/{image:04d}_01.jpg'
            for person in (1, 2, 3)
            for image in range(1, count + 1)
        ]


def test_same_arguments_give_the_same_bytes(drawn: archives.DemoPaths, tmp_path: Path) -> None:
    again = archives.write_demo(tmp_path, **SMALL)
    assert again.train.read_bytes() == drawn.train.read_bytes()
    assert again.test.read_bytes() == drawn.test.read_bytes()


def test_images_are_colour_jpegs_of_varying_size(drawn: archives.DemoPaths) -> None:
    images = [Image.open(io.BytesIO(data)) for data in members(drawn.train).values()]
    assert {(image.format, image.mode) for image in images} == {('JPEG', 'RGB')}
    assert all(120 <= side <= 220 for image in images for side in image.size)
    assert len({image.size for image in images}) > 6
    assert any(image.width != image.height for image in images)


def test_finished_archives_are_used_again(drawn: archives.DemoPaths) -> None:
    before = [path.stat() for path in drawn]
    folder = drawn.train.parent.parent
    calls: list[tuple[int, int]] = []
    again = archives.write_demo(folder, **SMALL, progress=lambda *call: calls.append(call))
    assert again == drawn
    assert calls == []
    assert [(s.st_ino, s.st_mtime_ns) for s in before] == [
        (path.stat().st_ino, path.stat().st_mtime_ns) for path in again
    ]


@pytest.mark.parametrize('error', [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize(('stop', 'left'), [(5, set()), (12, set()), (15, {'train.tar'})])
def test_an_interrupted_run_leaves_no_archive(
    error: type[BaseException], stop: int, left: set[str], drawn: archives.DemoPaths, tmp_path: Path
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == stop:
            raise error

    with pytest.raises(error):
        archives.write_demo(tmp_path, **SMALL, progress=interrupt)
    assert {path.name for path in tmp_path.rglob('*') if path.is_file()} == left

    calls: list[tuple[int, int]] = []
    after = archives.write_demo(tmp_path, **SMALL, progress=lambda *call: calls.append(call))
    assert after.train.read_bytes() == drawn.train.read_bytes()
    assert after.test.read_bytes() == drawn.test.read_bytes()
    assert calls == [(done, 18) for done in range(13 if left else 1, 19)]


@pytest.mark.parametrize('seed', [0, 1, 2, 3, 2**40])
@pytest.mark.parametrize(('count', 'shared'), [(10, 1), (49, 1), (343, 2)])
def test_no_two_identities_are_near_twins(count: int, shared: int, seed: int) -> None:
    people = faces.make_identities(count, seed)
    codes = np.array([features(person) for person in people])
    alike = (codes[:, None] == codes[None]).sum(axis=2)
    np.fill_diagonal(alike, 0)
    assert alike.max() <= shared
