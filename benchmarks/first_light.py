"""Prints the figures that the README claims for the CNN, each with the command that made it.

    python benchmarks/first_light.py demo      accuracy on the built-in faces; about 3 minutes
    python benchmarks/first_light.py mnist --train=mnist-train.tar.gz --test=mnist-test.tar.gz
                                               test accuracy on MNIST, streamed; about 10 minutes
    python benchmarks/first_light.py decode --train=photos-train.tar --test=photos-test.tar
                                               test accuracy with --decode=exact and fast; about 8 minutes
    python benchmarks/first_light.py linear    a linear model on the built-in faces (needs scikit-learn)
    python benchmarks/first_light.py startup   seconds to import, to --help, and to touch tf.estimator

The package has to be installed (`pip install -e '.[test]'`), and nothing else may run on the machine
meanwhile.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
from machine import this_machine
from training import train

from estimator_lab.conventions import to_unit_range
from estimator_lab.data.demo_sets.archives import cached_demo
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.labels import label_of
from estimator_lab.data.tar.stream import stream_members

MNIST_FLAGS = (
    '--image_size=28',
    '--batch_size=100',
    '--epochs=15',
    '--augment=shift=2',
)
DECODE_FLAGS = tuple(
    (f'--decode={decode}', f'--seed={seed}', '--epochs=6') for seed in (1, 2) for decode in ('exact', 'fast')
)


def linear() -> None:
    """Fits logistic regression to the same grey pixels; prints its best test accuracy."""
    from sklearn.linear_model import LogisticRegression

    paths = cached_demo()
    train_x, train_y = _arrays(str(paths.train), 64)
    test_x, test_y = _arrays(str(paths.test), 64)
    for strength in (0.001, 0.01, 0.1):
        model = LogisticRegression(C=strength, max_iter=500).fit(train_x, train_y)
        print(f'logistic regression, 64x64 grey, C={strength}: accuracy {model.score(test_x, test_y):.4f}')


def startup() -> None:
    """Prints median seconds of fresh processes."""
    _print_median('python -m estimator_lab.train --help', ['-m', 'estimator_lab.train', '--help'])
    _print_median('import estimator_lab', ['-c', 'import estimator_lab'])
    _print_median('import tensorflow', ['-c', 'import tensorflow'])
    _print_median('import estimator_lab.tf1', ['-c', 'import estimator_lab.tf1'])
    _print_median('the same, tf.estimator touched', ['-c', _TOUCH])


_TOUCH = 'import estimator_lab.tf1; estimator_lab.tf1.tf.estimator.Estimator'


def _print_median(name: str, arguments: Sequence[str], runs: int = 5) -> None:
    seconds = []
    for _ in range(runs + 1):  # the first one fills the file cache
        started = time.monotonic()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        seconds.append(time.monotonic() - started)
    print(f'{statistics.median(seconds[1:]):6.2f} s  {name}')


def _arrays(archive: str, side: int) -> tuple[np.ndarray, list[str]]:
    members = list(stream_members(archive))
    images = [to_unit_range(decode_image(member.data, side, side)).ravel() for member in members]
    return np.stack(images), [label_of(member.name) for member in members]


def main() -> None:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('figure', choices=['demo', 'mnist', 'decode', 'linear', 'startup'])
    parser.add_argument('--train', help='training archive for mnist and decode')
    parser.add_argument('--test', help='test archive for mnist and decode')
    given = parser.parse_args()
    print(this_machine())
    if given.figure in ('mnist', 'decode'):
        if not (given.train and given.test):
            parser.error(f'{given.figure} needs --train and --test')
        archives = f'--data={given.train}', f'--eval_data={given.test}'
        for flags in (MNIST_FLAGS,) if given.figure == 'mnist' else DECODE_FLAGS:
            train('--model=cnn', *archives, *flags)
    elif given.figure == 'demo':
        cached_demo()  # drawn before the clock starts
        train('--model=cnn')
    elif given.figure == 'linear':
        linear()
    else:
        startup()


if __name__ == '__main__':
    main()
