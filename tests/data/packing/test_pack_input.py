"""What is told of the way while archives are packed."""

import gzip
import random

import pytest

from estimator_lab.console.progress import Progress
from estimator_lab.data.packing import pack_input
from estimator_lab.data.packing.pack_input import PackInput
from estimator_lab.data.packing.shards import PackSettings
from tests.archive_files import encoded, picture, tar_bytes

IMAGES = 60


@pytest.fixture
def archives(tmp_path):
    """Two of 30 images each, of about the same size, which no program can compress."""
    rng, paths = random.Random(1), []
    for number, compress in enumerate((bytes, gzip.compress)):
        files = {f'a/{n}.jpg': rng.randbytes(20_000) for n in range(IMAGES // 2)}
        paths.append(tmp_path / f'{number}.tar')
        paths[-1].write_bytes(compress(tar_bytes(files)))
    return [str(path) for path in paths]


@pytest.fixture
def told(monkeypatch):
    """What the progress bar is told, as (done, share)."""
    calls = []
    monkeypatch.setattr(Progress, '__call__', lambda self, *state: calls.append(state))
    return calls


def test_progress_is_right_in_small_jobs(archives, told):
    list(PackInput(archives, PackSettings(1), print).members())
    assert [done for done, _ in told] == [f'{n} images' for n in range(1, IMAGES + 1)]
    for number, (_, share) in enumerate(told, 1):
        assert share == pytest.approx(number / IMAGES, abs=0.05)


def test_images_that_are_not_scaled_down_yet_do_not_count(tmp_path, told):
    """A pool is given 32 at once; all are read long before they are ready."""
    path = tmp_path / 'a.tar'
    path.write_bytes(tar_bytes({f'a/{n}.png': encoded(picture(n)) for n in range(30)}))
    list(PackInput([str(path)], PackSettings(1, image_size=8), print).members())
    shares = [share for _, share in told]
    assert len(shares) == 30
    for number, share in enumerate(shares, 1):
        assert share == pytest.approx(number / 30, abs=0.15)


def test_pipes_have_no_known_end(archives, told, monkeypatch):
    monkeypatch.setattr(pack_input, 'stamp_of', lambda archive: None)
    list(PackInput(archives, PackSettings(1), print).members())
    assert {share for _, share in told} == {None}
