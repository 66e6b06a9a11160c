"""Figures of the CNN.

    python benchmarks/first_light.py demo      accuracy on the built-in faces; about 3 minutes
    python benchmarks/first_light.py mnist --train=mnist-train.tar.gz --test=mnist-test.tar.gz
                                               test accuracy on MNIST, streamed; about 10 minutes
    python benchmarks/first_light.py decode --train=photos-train.tar --test=photos-test.tar
                                               test accuracy with --decode=exact and fast; about 8 minutes
    python benchmarks/first_light.py linear    a linear model on the built-in faces (needs scikit-learn)
    python benchmarks/first_light.py startup   seconds to import, to --help, and to touch tf.estimator

The machine must be idle otherwise.
"""

import argparse
import statistics
import subprocess
import sys
import time

from archives import read_images
from runner import Figures, train

from estimator_lab.base.keys import to_unit_range
from estimator_lab.data.demo_sets.archives import cached_demo

MNIST_FLAGS = ('--image_size=28', '--batch_size=100', '--epochs=15', '--augment=shift=2')
_STARTS = {
    'python -m estimator_lab.train --help': ['-m', 'estimator_lab.train', '--help'],
    'import estimator_lab': ['-c', 'import estimator_lab'],
    'import tensorflow': ['-c', 'import tensorflow'],
    'import estimator_lab.tf1': ['-c', 'import estimator_lab.tf1'],
    'the same, tf.estimator touched': ['-c', 'from estimator_lab.tf1 import tf; tf.estimator.Estimator'],
}
FIGURES = Figures(__doc__, train=('', 'training archive'), test=('', 'test archive'))


@FIGURES.add()
def demo(given: argparse.Namespace) -> None:
    """Prints the accuracy on the built-in faces."""
    cached_demo()  # drawn before the clock starts
    train('--model=cnn')


@FIGURES.add('train', 'test')
def mnist(given: argparse.Namespace) -> None:
    """Prints the test accuracy on MNIST."""
    train('--model=cnn', f'--data={given.train}', f'--eval_data={given.test}', *MNIST_FLAGS)


@FIGURES.add('train', 'test')
def decode(given: argparse.Namespace) -> None:
    """Prints the test accuracy with each way to decode, for two seeds."""
    archives = f'--data={given.train}', f'--eval_data={given.test}'
    for seed in (1, 2):
        for way in ('exact', 'fast'):
            train('--model=cnn', *archives, f'--decode={way}', f'--seed={seed}', '--epochs=6')


@FIGURES.add()
def linear(given: argparse.Namespace) -> None:
    """Fits logistic regression to the same grey pixels; prints its test accuracies."""
    from sklearn.linear_model import LogisticRegression

    paths = cached_demo()
    (train_x, train_y), (test_x, test_y) = (read_images(path, 64) for path in (paths.train, paths.test))
    train_x, test_x = (to_unit_range(images).reshape(len(images), -1) for images in (train_x, test_x))
    for strength in (0.001, 0.01, 0.1):
        model = LogisticRegression(C=strength, max_iter=500).fit(train_x, train_y)
        print(f'logistic regression, 64x64 grey, C={strength}: accuracy {model.score(test_x, test_y):.4f}')


@FIGURES.add()
def startup(given: argparse.Namespace) -> None:
    """Prints the median seconds of five fresh processes, after one that fills the file cache."""
    for name, arguments in _STARTS.items():
        seconds = []
        for _ in range(6):
            started = time.monotonic()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            seconds.append(time.monotonic() - started)
        print(f'{statistics.median(seconds[1:]):6.2f} s  {name}', flush=True)


if __name__ == '__main__':
    FIGURES.main()
