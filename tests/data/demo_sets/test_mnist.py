import gzip
import os
import struct

import numpy as np
import pytest

from estimator_lab.data import demo
from estimator_lab.data.demo_sets.mnist import FASHION_LABELS, write_fashion_mnist, write_mnist
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.errors import DataError
from tests.commands import invoke

SHAPES = {'train': 5, 't10k': 3}


def idx(values):
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f'>{values.ndim}I', *values.shape)
    return head + values.astype(np.uint8).tobytes()


@pytest.fixture
def digits(tmp_path):
    """The arrays of four IDX files in a folder, two of them compressed, by the beginning of their names."""
    rng, found = np.random.default_rng(1), {}
    for part, count in SHAPES.items():
        images, labels = rng.integers(0, 256, (count, 28, 28)), rng.integers(0, 10, count)
        (tmp_path / f'{part}-images-idx3-ubyte.gz').write_bytes(gzip.compress(idx(images)))
        (tmp_path / f'{part}-labels-idx1-ubyte').write_bytes(idx(labels))
        found[part] = images, labels
    return found


def test_the_archives_hold_the_images_under_their_labels(digits, tmp_path):
    paths = write_mnist(tmp_path)
    assert [path.name for path in paths] == ['mnist-train.tar.gz', 'mnist-test.tar.gz']
    for path, part, folder in zip(paths, SHAPES, ('train', 'test'), strict=True):
        images, labels = digits[part]
        members = list(stream_members(str(path)))
        assert [m.name for m in members] == [f'{folder}/{label}/{n:05}.png' for n, label in enumerate(labels)]
        decoded = [decode_image(m.data, 28, 28)[..., 0] for m in members]
        assert np.array_equal(decoded, images)


def test_the_same_files_give_the_same_bytes(digits, tmp_path):
    first = [path.read_bytes() for path in write_mnist(tmp_path)]
    assert first == [path.read_bytes() for path in write_mnist(tmp_path)]


def test_the_command_says_where_to_get_what_is_missing(digits, tmp_path, capsys):
    (tmp_path / 't10k-labels-idx1-ubyte').unlink()
    assert invoke(demo, str(tmp_path), '--set=mnist') == 1
    shown = capsys.readouterr().err
    assert f'There is no t10k-labels-idx1-ubyte in {tmp_path}' in shown and 'mirrors' in shown
    assert shown.count('\n') == 1 and not list(tmp_path.glob('*.partial*'))


# Compressed bytes hold the time of day, and a test has one name in all processes.
CUT_OFF = gzip.compress(idx(np.zeros([5, 28, 28])), mtime=0)[:-30]


@pytest.mark.parametrize(
    ('name', 'data', 'words'),
    [
        ('train-images-idx3-ubyte.gz', b'junk' * 9, 'is not an IDX file of bytes with 3 axes'),
        ('train-images-idx3-ubyte.gz', b'', 'is cut off'),
        ('train-images-idx3-ubyte.gz', idx(np.zeros([5, 28, 28]))[:-1], 'is cut off'),
        ('train-images-idx3-ubyte.gz', CUT_OFF, 'is damaged'),
        ('train-images-idx3-ubyte.gz', b'\x1f\x8b' + b'x' * 40, 'is damaged'),
        ('train-images-idx3-ubyte.gz', b'\0\0\x08\x03' + b'\xff' * 12, 'which is not MNIST'),
        ('train-images-idx3-ubyte.gz', b'\0\0\x08\x03' + bytes(12), 'which is not MNIST'),
        ('train-labels-idx1-ubyte', idx(np.zeros(4)), 'has 4 labels, but .* has 5 images'),
        ('train-labels-idx1-ubyte', idx(np.zeros([5, 1])), 'is not an IDX file of bytes with 1 axes'),
    ],
)
def test_bad_files_get_one_sentence(digits, tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=words):
        write_mnist(tmp_path)
    assert not (tmp_path / 'mnist-train.tar.gz').exists()
    assert sorted(path.name.partition('-')[0] for path in tmp_path.iterdir()) == ['t10k'] * 2 + ['train'] * 2


def test_a_pipe_does_not_block(digits, tmp_path):
    (tmp_path / 'train-labels-idx1-ubyte').unlink()
    os.mkfifo(tmp_path / 'train-labels-idx1-ubyte')
    with pytest.raises(DataError, match='it is not a regular file'):
        write_mnist(tmp_path)


def test_fashion_has_names_for_its_labels(digits, tmp_path):
    paths = write_fashion_mnist(tmp_path)
    assert [path.name for path in paths] == ['fashion-train.tar.gz', 'fashion-test.tar.gz']
    names = [FASHION_LABELS[label] for label in digits['train'][1]]
    assert [member.name.split('/')[1] for member in stream_members(str(paths.train))] == names
    (tmp_path / 't10k-labels-idx1-ubyte').write_bytes(idx(np.array([1, 2, 10])))
    with pytest.raises(DataError, match='t10k-labels-idx1-ubyte has the label 10, but there are 10 classes'):
        write_fashion_mnist(tmp_path)
