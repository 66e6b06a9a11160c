"""Figures of autoencoders.

    python benchmarks/autoencoders.py pca --train=mnist-train.tar.gz --test=mnist-test.tar.gz
                        squared error of 30 principal components, in the papers' unit; seconds
    python benchmarks/autoencoders.py deep30 --train=... --test=...
                        784-1000-500-250-30: squared error on test and training images; 30 minutes
    python benchmarks/autoencoders.py deep30_long --train=... --test=...
                        the same, 200 passes over digits shifted by up to a pixel; under an hour
    python benchmarks/autoencoders.py two --train=... --test=...
                        784-1000-500-250-2: error of the nearest neighbour among codes; 30 minutes
    python benchmarks/autoencoders.py denoise --train=... --test=...
                        Gaussian noise of deviation 0.5: PSNR against median and Gaussian filters; 15 minutes
    python benchmarks/autoencoders.py convolutional --train=photos-train.tar --test=photos-test.tar
                        128x128 pixels in 256 numbers, against PCA; 10 minutes

Each trains in its own folder below --runs, resumes what is there, and prints its figures at the end.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from archives import read_images
from runner import Figures, train

from estimator_lab.base.keys import to_unit_range
from estimator_lab.core.picture import COLUMNS, labelled_grid, png_bytes
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.runs.precision import PRECISIONS
from estimator_lab.tf1 import tf
from tests.input_batches import numpy_input_fn

FLAGS = {
    'deep30': ('--image_size=28', '--batch_size=50', '--epochs=24', '--hparams=loss=cross_entropy'),
    'deep30_long': (
        *('--image_size=28', '--batch_size=100', '--epochs=200', '--augment=shift=1'),
        '--hparams=loss=cross_entropy',
    ),
    'two': (
        *('--image_size=28', '--batch_size=50', '--epochs=40'),
        '--hparams=layers=1000-500-250-2,loss=cross_entropy',
    ),
    'denoise': (
        *('--image_size=28', '--batch_size=50', '--epochs=20'),
        '--hparams=layers=1000-500-250,loss=cross_entropy,corruption=gaussian,corruption_level=0.5',
    ),
    'convolutional': (
        *('--batch_size=10', '--epochs=30', '--augment=shift=8,mirror'),
        '--hparams=kind=convolutional',
    ),
}
NOISE = 0.5
_BATCH = 500
FIGURES = Figures(
    __doc__,
    train=('', 'training archive'),
    test=('', 'test archive'),
    precision=(PRECISIONS[0], 'bfloat16 is faster on some processors', PRECISIONS),
    runs=('runs/autoencoders', 'folder of the model_dirs and pictures'),
)


def learn(name: str, given: argparse.Namespace) -> Trained:
    """Runs the training command of a figure; returns the model."""
    folder = Path(given.runs) / name
    data = f'--data={given.train}', f'--eval_data={given.test}', f'--precision={given.precision}'
    train('--model=autoencoder', *data, *FLAGS[name], model_dir=folder)
    return open_trained(folder)


def images_of(archive: str, trained: Trained) -> tuple[np.ndarray, list[str]]:
    """Returns an archive's images as the model reads them, uint8 [n, height, width, channels], and labels."""
    return read_images(archive, trained.shape.width, trained.shape.channels)


def predictions(trained: Trained, images: np.ndarray, name: str) -> np.ndarray:
    """Returns what the model predicts under a name, for uint8 or float images."""
    if images.dtype == np.uint8:
        input_fn: Any = numpy_input_fn(images, batch_size=_BATCH)
    else:
        input_fn = tf.estimator.inputs.numpy_input_fn({'image': images}, batch_size=_BATCH, shuffle=False)
    return np.stack([found[name] for found in trained.estimator.predict(input_fn, predict_keys=[name])])


@FIGURES.add('train', 'test')
def pca(given: argparse.Namespace) -> None:
    """Prints the error of 30 principal components: 13.87 in Hinton and Salakhutdinov (2006)."""
    (known, _), (test, _) = read_images(given.train), read_images(given.test)
    test = to_unit_range(test)
    error = np.square(by_components(to_unit_range(known), test, 30) - test).sum(axis=(1, 2, 3)).mean()
    print(f'PCA with 30 components: squared error {error:.3f} a test image')


def by_components(known: np.ndarray, images: np.ndarray, count: int) -> np.ndarray:
    """Returns images restored from their first principal components, those of the known images."""
    from sklearn.decomposition import PCA

    fitted = PCA(count, svd_solver='randomized', random_state=1).fit(known.reshape(len(known), -1))
    restored = fitted.inverse_transform(fitted.transform(images.reshape(len(images), -1)))
    return np.asarray(restored).reshape(images.shape)


def deep(name: str, given: argparse.Namespace) -> None:
    """Prints squared errors an image: published 3.00 on test images; 0.73 in training (Sutskever 2013)."""
    trained = learn(name, given)
    for purpose, archive in (('test', given.test), ('training', given.train)):
        errors = predictions(trained, images_of(archive, trained)[0], 'error')
        print(f'squared error of {len(errors):,} {purpose} images: {errors.mean():.3f}')


@FIGURES.add('train', 'test')
def deep30(given: argparse.Namespace) -> None:
    """Prints the squared errors of the network of the papers."""
    deep('deep30', given)


@FIGURES.add('train', 'test')
def deep30_long(given: argparse.Namespace) -> None:
    """Prints the squared errors after more training."""
    deep('deep30_long', given)


@FIGURES.add('train', 'test')
def two(given: argparse.Namespace) -> None:
    """Prints the error of the nearest code's label: published 28.7 % (van der Maaten 2009)."""
    from sklearn.neighbors import KNeighborsClassifier

    trained = learn('two', given)
    images, labels = images_of(given.train, trained)
    test_images, test_labels = images_of(given.test, trained)
    codes = predictions(trained, test_images, 'code')
    nearest = KNeighborsClassifier(1).fit(predictions(trained, images, 'code'), labels)
    error = 1 - nearest.score(codes, test_labels)
    print(f'1-nearest-neighbour error, test among training codes: {error:.2%}')
    neighbours = KNeighborsClassifier(1).fit(codes, test_labels).kneighbors(n_neighbors=1)[1][:, 0]
    own = np.array(test_labels)
    print(f'the same among test codes alone: {(own[neighbours] != own).mean():.2%}')


@FIGURES.add('train', 'test')
def denoise(given: argparse.Namespace) -> None:
    """Prints PSNR before and after the network, and after filters with their best parameters."""
    from scipy.ndimage import gaussian_filter, median_filter

    trained = learn('denoise', given)
    clean = to_unit_range(images_of(given.test, trained)[0])
    noisy = clean + np.random.default_rng(1).normal(0, NOISE, clean.shape).astype(np.float32)
    ours = predictions(trained, noisy, 'reconstruction')
    before, after = _psnr(clean, noisy), _psnr(clean, ours)
    filtered = {f'median {k}x{k}': _filtered(noisy, median_filter, k) for k in (3, 5, 7)}
    filtered |= {f'Gaussian {s:g}': _filtered(noisy, gaussian_filter, s) for s in (0.6, 0.8, 1.0, 1.2, 1.5)}
    results = {name: _psnr(clean, images) for name, images in filtered.items()}
    print(f'PSNR {before:.2f} dB noisy, {after:.2f} denoised: gain {after - before:.2f} dB')
    print('filters: ' + ', '.join(f'{name} {value:.2f}' for name, value in results.items()))
    best = max(results, key=results.__getitem__)
    print(f'ahead of the best of them ({best}) by {after - results[best]:.2f} dB')
    title = 'Digits, with noise, denoised by an autoencoder, and by the best filter'
    rows = {'clean': clean, 'noisy': noisy, 'denoised': ours, best: filtered[best]}
    _picture(given, 'denoise', title, rows)


@FIGURES.add('train', 'test')
def convolutional(given: argparse.Namespace) -> None:
    """Prints squared error and PSNR of photos in 256 numbers, against as many principal components."""
    trained = learn('convolutional', given)
    pixels, _ = images_of(given.test, trained)
    photos, ours = to_unit_range(pixels), predictions(trained, pixels, 'reconstruction')
    known = to_unit_range(images_of(given.train, trained)[0])
    theirs = np.clip(by_components(known, photos, 256), 0, 1)
    for name, images in (('autoencoder', ours), ('PCA', theirs)):
        error = np.square(images - photos).sum(axis=(1, 2, 3)).mean()
        print(f'{name}: squared error {error:.2f} a test image, PSNR {_psnr(photos, images):.2f} dB')
    title = 'Unseen photos, restored from 256 numbers by an autoencoder and by principal components'
    _picture(given, 'convolutional', title, {'photo': photos, 'autoencoder': ours, 'PCA': theirs})


def _filtered(images: np.ndarray, function: Callable[..., np.ndarray], width: float) -> np.ndarray:
    """Applies a filter to each image's plane, and clips to [0, 1], which improves all of them."""
    return np.clip(np.stack([function(image[:, :, 0], width)[..., np.newaxis] for image in images]), 0, 1)


def _psnr(images: np.ndarray, others: np.ndarray) -> float:
    """Returns the mean PSNR of the images in dB, for a peak of 1."""
    return float(np.mean(-10 * np.log10(np.square(images - others).mean(axis=(1, 2, 3)))))


def _picture(given: argparse.Namespace, name: str, title: str, rows: dict[str, np.ndarray]) -> None:
    """Writes a grid: a row for each name, of eight images at equal distances."""
    path = Path(given.runs) / f'{name}.png'
    chosen = np.linspace(0, len(next(iter(rows.values()))) - 1, COLUMNS).astype(int)
    texts = [text for text in rows for _ in chosen]
    images = np.concatenate([images[chosen] for images in rows.values()])
    path.write_bytes(png_bytes(labelled_grid(images, texts, title=title)))
    print(f'picture: {path}')


if __name__ == '__main__':
    FIGURES.main()
