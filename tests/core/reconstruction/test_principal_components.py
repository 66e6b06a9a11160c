import io
import os
import zipfile

import numpy as np
import pytest

from estimator_lab.core.reconstruction import principal_components as module
from estimator_lab.core.reconstruction.principal_components import load_components, principal_components
from estimator_lab.errors import DataError

WIDE = (36, 60, 1)  # 2,160 values: above what is decomposed exactly


def smooth_images(count, shape, seed=0):
    """Images of 12 hidden factors and some noise, so that their variances fall off."""
    rng = np.random.default_rng(seed)
    patterns = (
        np.random.default_rng(1).normal(size=(12, *shape)) * (0.7 ** np.arange(12))[:, None, None, None]
    )
    factors = rng.normal(size=(count, 12))
    noise = 0.05 * rng.normal(size=(count, *shape))
    images = 0.5 + 0.1 * np.tensordot(factors, patterns, 1) + noise
    return np.clip(np.rint(images * 255), 0, 255).astype(np.uint8)


def batches(images, size=50):
    return (images[first : first + size] for first in range(0, len(images), size))


def error(components, images):
    pixels = images.astype(np.float32) / 255
    return float(((components.reconstruct(pixels) - pixels) ** 2).sum(axis=(1, 2, 3)).mean())


def error_of_scikit_learn(train, test, size):
    decomposition = pytest.importorskip('sklearn.decomposition')
    flat, other = (images.reshape(len(images), -1) / 255.0 for images in (train, test))
    fit = decomposition.PCA(size, svd_solver='full').fit(flat)
    return float(((fit.inverse_transform(fit.transform(other)) - other) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize(('shape', 'tolerance'), [((8, 9, 3), 1e-5), (WIDE, 0.002)])
def test_components_match_scikit_learn(shape, tolerance):
    train, test = smooth_images(400, shape), smooth_images(60, shape, seed=2)
    components = principal_components(batches(train), 6)
    assert components.images == 400
    assert np.allclose(components.axes @ components.axes.T, np.eye(6), atol=1e-4)
    assert np.allclose(components.mean, train.reshape(400, -1).mean(axis=0) / 255, atol=1e-6)
    for images in (train, test):
        assert error(components, images) == pytest.approx(
            error_of_scikit_learn(train, images, 6), rel=tolerance
        )


def test_wide_images_are_exact_while_they_fit_the_sketch():
    train, test = smooth_images(60, WIDE), smooth_images(40, WIDE, seed=2)
    components = principal_components(batches(train, 7), 30)  # the sketch holds 92 rows
    assert error(components, test) == pytest.approx(error_of_scikit_learn(train, test, 30), rel=1e-4)


@pytest.mark.parametrize('shape', [(4, 4, 1), WIDE])
def test_fewer_images_than_components(shape):
    images = smooth_images(3, shape)
    assert error(principal_components([images], 10), images) == pytest.approx(0, abs=1e-6)


def test_more_components_than_values():
    images = smooth_images(30, (2, 2, 1))
    components = principal_components([images], 10)
    assert components.axes.shape == (4, 4)
    assert error(components, images) == pytest.approx(0, abs=1e-6)


def test_only_the_first_of_very_many_images_count(monkeypatch):
    monkeypatch.setattr(module, '_MOST_VALUES', 16 * 100)
    images = smooth_images(400, (4, 4, 1))
    components = principal_components(batches(images), 2)
    assert components.images == 100
    first = principal_components([images[:100]], 2)
    assert np.allclose(components.mean, first.mean)


def test_saved_and_loaded(tmp_path):
    images = smooth_images(20, (4, 4, 1))
    components = principal_components([images], 3)
    components.save(tmp_path / module.FILE)
    loaded = load_components(tmp_path / module.FILE, 16)
    assert [path.name for path in tmp_path.iterdir()] == ['principal_components.npz']
    assert error(loaded, images) == error(components, images)
    assert loaded.images == 20


RIGHT = {'mean': np.zeros(16, '<f4'), 'axes': np.eye(3, 16, dtype='<f4'), 'images': np.int64(20)}


def claiming(kind, shape):
    """An array of NumPy's whose header claims a shape, and which holds nothing."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {'descr': kind, 'fortran_order': False, 'shape': shape})
    return buffer.getvalue()


@pytest.mark.parametrize(
    'changes',
    [
        {'mean': np.zeros(15, '<f4')},
        {'mean': np.zeros(16)},
        {'mean': np.full(16, np.nan, '<f4')},
        {'axes': np.zeros((3, 15), '<f4')},
        {'axes': np.zeros((17, 16), '<f4')},
        {'axes': np.zeros(16, '<f4')},
        {'axes': None},
        {'axes': claiming('<f4', (10**9, 16))},
        {'axes': claiming('<f4', (-1, 16))},
        {'mean': claiming('|O', (16,))},
        {'mean': b'no array'},
        {'images': np.zeros(3, np.int64)},
    ],
)
def test_untrusted_files_are_checked(tmp_path, changes):
    path = tmp_path / module.FILE
    with zipfile.ZipFile(path, 'w') as file:
        for name, array in {**RIGHT, **changes}.items():
            if array is not None:
                buffer = io.BytesIO(array if isinstance(array, bytes) else b'')
                if not isinstance(array, bytes):
                    np.save(buffer, array)
                file.writestr(f'{name}.npy', buffer.getvalue())
    with pytest.raises(DataError, match='has no usable principal components'):
        load_components(path, 16)


def test_other_files_are_rejected(tmp_path):
    path = tmp_path / module.FILE
    np.savez_compressed(path, **RIGHT)
    with pytest.raises(DataError, match='is compressed'):
        load_components(path, 16)
    whole = path.read_bytes()
    for data in (b'', b'PK', whole[:-30], whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(DataError):
            load_components(path, 16)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match='not a regular file'):
        load_components(path, 16)
