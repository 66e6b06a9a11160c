"""Accuracy and errors of the defaults on small data, such as a user's own.

python benchmarks/defaults.py
    scikit-learn's digits: cnn and mlp by each first-order optimizer at its learning rate; dbn with and
    without pre-training, recurrent, recursive, and rbm next to scikit-learn's
python benchmarks/defaults.py --train=mnist-train.tar.gz --test=mnist-test.tar.gz
    MNIST: mlp by each first-order optimizer, one epoch
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from archives import read_images, write_tar
from PIL import Image
from runner import command_line, machine

from estimator_lab.core.picture import png_bytes

_OPTIMIZERS = ('sgd', 'momentum', 'nesterov', 'adagrad', 'adadelta', 'rmsprop', 'ftrl', 'adam')
_TEST = 360  # of 1,797 digits


def train(*flags: str) -> str:
    """Trains by the command in a temporary folder; returns what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, '-m', 'estimator_lab.train', *flags, f'--model_dir={folder}']
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def print_accuracy(seeds: Sequence[str], data: Sequence[str], *flags: str) -> None:
    """Trains with each seed; prints the accuracies."""
    printed = (train(*data, *flags, f'--seed={seed}') for seed in seeds)
    found = (re.search(r'^Accuracy +([\d.]+)', text, re.MULTILINE) for text in printed)
    print(*flags, *(match[1] if match else 'none' for match in found), flush=True)


def print_digits(seeds: Sequence[str], folder: Path) -> None:
    """Prints the figures of scikit-learn's digits, 1,437 of 8x8 pixels, and 360 others to test on."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    parts = train_test_split(range(len(found.images)), test_size=_TEST, random_state=0, stratify=found.target)
    paths = folder / 'train.tar', folder / 'test.tar'
    for path, numbers in zip(paths, parts, strict=True):
        images = [Image.fromarray((found.images[n] * 255 / 16).astype(np.uint8)) for n in numbers]
        names = [f'{found.target[n]}/{n:04}.png' for n in numbers]
        write_tar(path, zip(names, map(png_bytes, images), strict=True))
    data = [f'--data={paths[0]}', f'--eval_data={paths[1]}', '--image_size=8']
    for name in _OPTIMIZERS:
        for model in ('cnn', 'mlp'):
            print_accuracy(seeds, data, f'--model={model}', f'--hparams=optimizer={name}')
    print_accuracy(seeds, data, '--model=dbn', '--hparams=pretrain_epochs=0')
    for model in ('dbn', 'recurrent', 'recursive'):
        print_accuracy(seeds, data, f'--model={model}')
    result = re.search(r'^Reconstruction error.*', train(*data, '--model=rbm'), re.MULTILINE)
    print('--model=rbm', result[0] if result else 'none')
    print(f"scikit-learn's BernoulliRBM: {_scikit_learns_error(*paths):.2f}")


def _scikit_learns_error(train_path: Path, test_path: Path) -> float:
    """Returns the reconstruction error of its RBM, of the same size after the 4,500 steps of ours."""
    from sklearn.neural_network import BernoulliRBM

    images, test = (read_images(path, side=8)[0].reshape(-1, 64) / 255 for path in (train_path, test_path))
    machine = BernoulliRBM(500, batch_size=32, n_iter=100, random_state=1).fit(images)

    def sigmoid(values: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-values))

    hidden = sigmoid(test @ machine.components_.T + machine.intercept_hidden_)
    visible = sigmoid(hidden @ machine.components_ + machine.intercept_visible_)
    return float(np.square(visible - test).sum(axis=1).mean())


def main() -> None:
    """Prints the figures of digits, or of MNIST."""
    flags = {
        'train': ('', 'training archive of MNIST'),
        'test': ('', 'test archive of MNIST'),
        'seeds': ('1,2,3', ''),
    }
    given = command_line(__doc__, **flags).parse_args()
    print(machine('scikit-learn'))
    seeds = given.seeds.split(',')
    if not given.train:
        with tempfile.TemporaryDirectory() as folder:
            print_digits(seeds, Path(folder))
        return
    data = [f'--data={given.train}', f'--eval_data={given.test}', '--image_size=28', '--batch_size=100']
    for name in _OPTIMIZERS:
        print_accuracy(seeds, data, '--epochs=1', '--model=mlp', f'--hparams=optimizer={name}')


if __name__ == '__main__':
    main()
