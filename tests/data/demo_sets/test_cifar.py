import io
import tarfile

import numpy as np
import pytest

from estimator_lab.data import demo
from estimator_lab.data.demo_sets.cifar import LABELS, write_cifar10
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.errors import DataError
from tests.commands import invoke

NAMES = [*(f'data_batch_{number}.bin' for number in range(1, 6)), 'test_batch.bin']


@pytest.fixture
def batches():
    """Class and pixels [32, 32, 3] of two images in each file, by name."""
    rng = np.random.default_rng(1)
    return {
        name: [(int(rng.integers(10)), rng.integers(0, 256, (32, 32, 3), np.uint8)) for _ in range(2)]
        for name in NAMES
    }


def as_bytes(images):
    """As the publisher describes the format: class, then all of red, green and blue."""
    return b''.join(
        bytes([number]) + b''.join(pixels[..., colour].tobytes() for colour in range(3))
        for number, pixels in images
    )


def archive(folder, batches):
    with tarfile.open(folder / 'cifar-10-binary.tar.gz', 'w:gz') as tar:
        for name, images in batches.items():
            info = tarfile.TarInfo(f'cifar-10-batches-bin/{name}')
            info.size = len(as_bytes(images))
            tar.addfile(info, io.BytesIO(as_bytes(images)))


@pytest.mark.parametrize('form', ['archive', 'folder', 'inner'])
def test_the_archives_hold_the_images_under_their_labels(batches, tmp_path, form):
    folder = tmp_path / 'cifar-10-batches-bin' if form == 'inner' else tmp_path
    folder.mkdir(exist_ok=True)
    if form == 'archive':
        archive(tmp_path, batches)
    else:
        for name, images in batches.items():
            (folder / name).write_bytes(as_bytes(images))
    assert invoke(demo, str(tmp_path), '--set=cifar10') == 0
    for part, names in (('train', NAMES[:5]), ('test', NAMES[5:])):
        members = list(stream_members(str(tmp_path / f'cifar10-{part}.tar.gz')))
        images = [image for name in names for image in batches[name]]
        assert [m.name for m in members] == [
            f'{part}/{LABELS[number]}/{place:05}.png' for place, (number, _) in enumerate(images)
        ]
        for member, (_, pixels) in zip(members, images, strict=True):
            assert np.array_equal(decode_image(member.data, 32, 32, 3), pixels)


def test_missing_wrong_and_damaged_files(batches, tmp_path):
    def refused(words):
        with pytest.raises(DataError, match=words):
            write_cifar10(tmp_path)
        assert not list(tmp_path.glob('cifar10-*'))

    refused(r'There is no data_batch_1\.bin in .*binary version')
    for name, images in batches.items():
        (tmp_path / name).write_bytes(as_bytes(images))
    (tmp_path / NAMES[2]).write_bytes(b'x' * 3072)
    refused(r'data_batch_3\.bin has 3,072 bytes, not a multiple of 3,073')
    (tmp_path / NAMES[2]).write_bytes(b'\x0a' * 3073)
    refused(r'data_batch_3\.bin has an image of class 10, but CIFAR-10 has 10 classes')
    archive(tmp_path, batches)
    whole = (tmp_path / 'cifar-10-binary.tar.gz').read_bytes()
    (tmp_path / 'cifar-10-binary.tar.gz').write_bytes(whole[: len(whole) // 2])
    refused(r'cifar-10-binary\.tar\.gz is damaged')
