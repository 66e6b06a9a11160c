"""Prints the figures that the README claims for autoencoders, each with the command that made it.

    python benchmarks/autoencoders.py pca --train=mnist-train.tar.gz --test=mnist-test.tar.gz
                        squared error of 30 principal components, in the papers' unit; seconds
    python benchmarks/autoencoders.py deep30 --train=... --test=...
                        784-1000-500-250-30: squared error on test and training images; 30 minutes
    python benchmarks/autoencoders.py deep30_long --train=... --test=...
                        the same, 200 passes over digits that are shifted by up to a pixel; under an hour
    python benchmarks/autoencoders.py two --train=... --test=...
                        784-1000-500-250-2: error of the nearest neighbour among codes; 30 minutes
    python benchmarks/autoencoders.py denoise --train=... --test=...
                        Gaussian noise of deviation 0.5: PSNR beside median and Gaussian filters; 15 minutes
    python benchmarks/autoencoders.py convolutional --train=photos-train.tar --test=photos-test.tar
                        128x128 pixels in 256 numbers, beside PCA; 10 minutes

Each trains in a folder of its own below --runs, goes on with what is there, and prints its figures at the
end. The package has to be installed (`pip install -e '.[test]'`), and nothing else may run meanwhile.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import this_machine

from estimator_lab.core.display.picture import COLUMNS, labelled_grid, png_bytes
from estimator_lab.core.metrics.principal_components import FILE, load_components, principal_components
from estimator_lab.data.images.kind import ImageReader
from estimator_lab.data.images.shape import ImageShape
from estimator_lab.data.labels import label_of
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.pipeline.batches import read_batches
from estimator_lab.data.pipeline.input_fns import archive_input_fn
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.runs.precision import PRECISIONS
from estimator_lab.tf1 import tf

MNIST = '--image_size=28'
FLAGS = {
    'deep30': (MNIST, '--batch_size=50', '--epochs=24', '--hparams=loss=cross_entropy'),
    'deep30_long': (
        MNIST,
        '--batch_size=100',
        '--epochs=200',
        '--augment=shift=1',
        '--hparams=loss=cross_entropy',
    ),
    'two': (MNIST, '--batch_size=50', '--epochs=40', '--hparams=layers=1000-500-250-2,loss=cross_entropy'),
    'denoise': (
        MNIST,
        '--batch_size=50',
        '--epochs=20',
        '--hparams=layers=1000-500-250,loss=cross_entropy,corruption=gaussian,corruption_level=0.5',
    ),
    'convolutional': (
        '--batch_size=10',
        '--epochs=30',
        '--augment=shift=8,mirror',
        '--hparams=kind=convolutional',
    ),
}
NOISE = 0.5
_BATCH = 500


def train(name: str, given: argparse.Namespace) -> Trained:
    """Runs the training command of a figure; returns the model."""
    folder = Path(given.runs) / name
    command = [
        *(sys.executable, '-m', 'estimator_lab.train', '--model=autoencoder'),
        *(f'--data={given.train}', f'--eval_data={given.test}', f'--model_dir={folder}', *FLAGS[name]),
        f'--precision={given.precision}',
    ]
    print('$ python', *command[1:], flush=True)
    started = time.monotonic()
    subprocess.run(command, check=True)
    print(f'{time.monotonic() - started:.0f} s from start to end, evaluations and start-up included')
    return open_trained(folder)


def predictions(trained: Trained, archive: str, name: str) -> Iterator[tuple[str, Any]]:
    """Yields (key, value) for each image of an archive."""
    pixels = trained.reader
    input_fn = archive_input_fn(open_archives([archive]).order(), pixels, _BATCH, InputReport())
    for found in trained.estimator.predict(input_fn, predict_keys=[name, 'key']):
        yield found['key'].decode(), found[name]


def images_of(archive: str, shape: ImageShape) -> np.ndarray:
    """Returns all images of an archive, uint8 [n, height, width, channels]."""
    schedule = open_archives([archive]).order().epoch(0)
    return np.concatenate(
        [b.arrays['image'] for b in read_batches(schedule, _BATCH, ImageReader(shape), InputReport())]
    )


def pca(given: argparse.Namespace) -> None:
    """Prints the error of 30 principal components: 13.87 in Hinton and Salakhutdinov (2006)."""
    started = time.monotonic()
    shape = ImageShape(28, 28)
    components = principal_components([images_of(given.train, shape)], 30)
    test = images_of(given.test, shape) / np.float32(255)
    error = np.square(components.reconstruct(test) - test).sum(axis=(1, 2, 3)).mean()
    print(f'PCA with 30 components: {error:.3f} a test image; {time.monotonic() - started:.0f} s')


def deep30(given: argparse.Namespace) -> None:
    """Prints squared errors an image: published 3.00 on test images; 0.73 in training (Sutskever 2013)."""
    _deep('deep30', given)


def deep30_long(given: argparse.Namespace) -> None:
    """Prints the same of a network that was trained for longer."""
    _deep('deep30_long', given)


def _deep(name: str, given: argparse.Namespace) -> None:
    trained = train(name, given)
    for purpose, archive in (('test', given.test), ('training', given.train)):
        errors = np.array([error for _, error in predictions(trained, archive, 'error')])
        print(f'squared error of {len(errors):,} {purpose} images: {errors.mean():.3f}')


def two(given: argparse.Namespace) -> None:
    """Prints the error of the nearest code's label: published 28.7 % (van der Maaten 2009)."""
    from sklearn.neighbors import KNeighborsClassifier

    trained = train('two', given)
    codes, labels = [], []
    for archive in (given.train, given.test):
        found = list(predictions(trained, archive, 'code'))
        codes.append(np.stack([code for _, code in found]))
        labels.append(np.array([label_of(key.rpartition(':')[2]) for key, _ in found]))
    nearest = KNeighborsClassifier(1).fit(codes[0], labels[0])
    print(
        f'1-nearest-neighbour error, test among training codes: {1 - nearest.score(codes[1], labels[1]):.2%}'
    )
    neighbours = KNeighborsClassifier(1).fit(codes[1], labels[1]).kneighbors(n_neighbors=1)[1][:, 0]
    print(f'the same among test codes alone: {(labels[1][neighbours] != labels[1]).mean():.2%}')


def denoise(given: argparse.Namespace) -> None:
    """Prints PSNR before and after the network, and after filters with the parameters that suit them best."""
    from scipy.ndimage import gaussian_filter, median_filter

    trained = train('denoise', given)
    clean = images_of(given.test, trained.shape) / np.float32(255)
    noise = np.random.default_rng(1).normal(0, NOISE, clean.shape).astype(np.float32)
    noisy = clean + noise
    input_fn = tf.estimator.inputs.numpy_input_fn({'image': noisy}, batch_size=_BATCH, shuffle=False)
    found = trained.estimator.predict(input_fn, predict_keys=['reconstruction'])
    ours = np.stack([example['reconstruction'] for example in found])
    before, after = _psnr(clean, noisy), _psnr(clean, ours)
    medians = {f'median {k}x{k}': _filtered(noisy, median_filter, k) for k in (3, 5, 7)}
    gaussians = {f'Gaussian {s:g}': _filtered(noisy, gaussian_filter, s) for s in (0.6, 0.8, 1.0, 1.2, 1.5)}
    results = {name: _psnr(clean, images) for name, images in {**medians, **gaussians}.items()}
    print(f'PSNR {before:.2f} dB noisy, {after:.2f} denoised: gain {after - before:.2f} dB')
    print('filters: ' + ', '.join(f'{name} {value:.2f}' for name, value in results.items()))
    best = max(results, key=lambda name: results[name])
    print(f'ahead of the best of them ({best}) by {after - results[best]:.2f} dB')
    _picture(
        given,
        'denoise',
        {'clean': clean, 'noisy': noisy, 'denoised': ours, best: {**medians, **gaussians}[best]},
    )


def convolutional(given: argparse.Namespace) -> None:
    """Prints squared error and PSNR of photos in 256 numbers, beside as many principal components."""
    trained = train('convolutional', given)
    photos = images_of(given.test, trained.shape) / np.float32(255)
    ours = np.stack([image for _, image in predictions(trained, given.test, 'reconstruction')])
    components = load_components(trained.model_dir / FILE, photos[0].size)
    theirs = np.clip(components.reconstruct(photos), 0, 1)
    for name, images in (('autoencoder', ours), ('PCA', theirs)):
        error = np.square(images - photos).sum(axis=(1, 2, 3)).mean()
        print(f'{name}: squared error {error:.2f} a test image, PSNR {_psnr(photos, images):.2f} dB')
    _picture(given, 'convolutional', {'photo': photos, 'autoencoder': ours, 'PCA': theirs})


def _filtered(images: np.ndarray, function: Callable[..., np.ndarray], width: float) -> np.ndarray:
    """Applies a filter to each image's plane, and clips to [0, 1], which only helps."""
    return np.clip(np.stack([function(image[:, :, 0], width)[..., np.newaxis] for image in images]), 0, 1)


def _psnr(images: np.ndarray, others: np.ndarray) -> float:
    """Returns the mean over the images of each one's PSNR in dB, for a peak of 1."""
    return float(np.mean(-10 * np.log10(np.square(images - others).mean(axis=(1, 2, 3)))))


def _picture(given: argparse.Namespace, name: str, rows: dict[str, np.ndarray]) -> None:
    """Writes eight images, spread over all, and what became of them, below each other."""
    path = Path(given.runs) / f'{name}.png'
    chosen = np.linspace(0, len(next(iter(rows.values()))) - 1, COLUMNS).astype(int)
    texts = [text for text in rows for _ in chosen]
    path.write_bytes(png_bytes(labelled_grid(np.concatenate([r[chosen] for r in rows.values()]), texts)))
    print(f'picture: {path}')


FIGURES = {f.__name__: f for f in (pca, deep30, deep30_long, two, denoise, convolutional)}


def main() -> None:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('figure', choices=list(FIGURES))
    parser.add_argument('--train', required=True, help='training archive')
    parser.add_argument('--test', required=True, help='test archive')
    parser.add_argument(
        '--precision', choices=PRECISIONS, default=PRECISIONS[0], help='bfloat16 is faster on some processors'
    )
    parser.add_argument('--runs', default='runs/autoencoders', help='folder of the model_dirs and pictures')
    given = parser.parse_args()
    print(this_machine())
    FIGURES[given.figure](given)


if __name__ == '__main__':
    main()
