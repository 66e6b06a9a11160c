"""Accuracy and errors of the defaults on small data, such as a user's own.

python benchmarks/defaults.py optimizers
    cnn and mlp by each first-order optimizer at its default learning rate, on scikit-learn's digits
python benchmarks/defaults.py optimizers --train=mnist-train.tar.gz --test=mnist-test.tar.gz
    the same for mlp on MNIST, one epoch
python benchmarks/defaults.py models
    dbn with and without pre-training, recurrent and recursive, and rbm next to scikit-learn's, on digits
"""

import argparse
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from archives import read_images, write_tar
from PIL import Image
from runner import Figures, error_of, train

from estimator_lab.core.picture import png_bytes

_OPTIMIZERS = ('sgd', 'momentum', 'nesterov', 'adagrad', 'adadelta', 'rmsprop', 'ftrl', 'adam')
_TEST = 360  # of 1,797 digits
FIGURES = Figures(
    __doc__,
    train=('', 'training archive of MNIST'),
    test=('', 'test archive of MNIST'),
    seeds=('1,2,3', 'of training'),
)


@contextmanager
def digits() -> Iterator[list[str]]:
    """Writes scikit-learn's digits of 8x8 pixels as two archives; yields the flags that name them."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    parts = train_test_split(range(len(found.images)), test_size=_TEST, random_state=0, stratify=found.target)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f'{name}.tar') for name in ('train', 'test')]
        for path, numbers in zip(paths, parts, strict=True):
            images = [Image.fromarray((found.images[n] * 255 / 16).astype(np.uint8)) for n in numbers]
            names = [f'{found.target[n]}/{n:04}.png' for n in numbers]
            write_tar(path, zip(names, map(png_bytes, images), strict=True))
        yield [f'--data={paths[0]}', f'--eval_data={paths[1]}', '--image_size=8']


def print_accuracy(given: argparse.Namespace, *flags: str) -> None:
    """Trains with each seed; prints the accuracies."""
    shown = [f'{1 - error_of(train(*flags, f"--seed={seed}")) / 100:.3f}' for seed in given.seeds.split(',')]
    print(' '.join(flag for flag in flags if 'data=' not in flag), ', '.join(shown), flush=True)


@FIGURES.add()
def optimizers(given: argparse.Namespace) -> None:
    """Compares optimizers at their default learning rates."""
    for name in _OPTIMIZERS:
        if given.train:
            data = f'--data={given.train}', f'--eval_data={given.test}', '--image_size=28', '--epochs=1'
            print_accuracy(given, *data, '--batch_size=100', '--model=mlp', f'--hparams=optimizer={name}')
            continue
        with digits() as data_flags:
            for model in ('cnn', 'mlp'):
                print_accuracy(given, *data_flags, f'--model={model}', f'--hparams=optimizer={name}')


@FIGURES.add()
def models(given: argparse.Namespace) -> None:
    """Trains other models on digits, at their defaults."""
    from sklearn.neural_network import BernoulliRBM

    with digits() as flags:
        for model in ('dbn', 'dbn --hparams=pretrain_epochs=0', 'recurrent', 'recursive'):
            print_accuracy(given, *flags, *f'--model={model}'.split())
        printed = train(*flags, '--model=rbm')
        steps = re.search(r'after ([\d,]+) steps', printed)
        images, test = (read_images(flag.partition('=')[2], side=8)[0] for flag in flags[:2])
    images, test = (part.reshape(len(part), -1) / 255 for part in (images, test))
    epochs = round(int(steps[1]) * 32 / len(images)) if steps else 1
    machine = BernoulliRBM(500, batch_size=32, n_iter=epochs, random_state=1).fit(images)

    def sigmoid(values: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-values))

    hidden = sigmoid(test @ machine.components_.T + machine.intercept_hidden_)
    visible = sigmoid(hidden @ machine.components_ + machine.intercept_visible_)
    error = np.square(visible - test).sum(axis=1).mean()
    print(f"scikit-learn's BernoulliRBM after {epochs} epochs: reconstruction error {error:.2f}")


if __name__ == '__main__':
    FIGURES.main()
