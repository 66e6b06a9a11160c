"""Accuracy of the defaults on small data, such as a user's own, next to scikit-learn on the same pixels.

python benchmarks/defaults.py [--train=mnist-train.tar.gz --test=mnist-test.tar.gz]
    digits of several sizes and shades, wrong labels, shapes, letters, icons, textures; small parts of MNIST
python benchmarks/defaults.py --table=optimizers [--train=mnist-train.tar.gz --test=mnist-test.tar.gz]
    cnn, mlp and autoencoder on digits by each first-order optimizer; or mlp after an epoch of MNIST
python benchmarks/defaults.py --table=boltzmann
    dbn on digits with and without pre-training; the error of rbm, of scikit-learn's, and of rbm by CD-1
"""

import math
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from runner import command_line, machine
from small_sets import Split, all_sets, digits, mnist

from estimator_lab import api

_OPTIMIZERS = ('sgd', 'momentum', 'nesterov', 'adagrad', 'adadelta', 'rmsprop', 'ftrl', 'adam')


def trained(model: str, split: Split, seed: int, **settings: Any) -> dict[str, Any]:
    """Trains a model at its defaults, but for some settings; returns the metrics of the test images."""
    with tempfile.TemporaryDirectory() as folder:
        given = {**split.data(Path(folder)), **settings}
        run = api.fit(model, model_dir=Path(folder, 'run'), say=None, seed=seed, **given)
        return dict(run.metrics)


def print_row(name: str, values: list[float]) -> None:
    """Prints a line of a table."""
    print(f'{name:<24}', *(f'{value:>10.3f}' for value in values), flush=True)


def baselines(split: Split) -> list[float]:
    """Returns the accuracies of scikit-learn's logistic regression and support-vector machine."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    x, x_test = (images.reshape(len(images), -1) for images in split.seen)
    return [
        float(each.fit(x, split.y).score(x_test, split.y_test))
        for each in (LogisticRegression(max_iter=1000), SVC())
    ]


def print_sets(models: list[str], given: Any) -> None:
    """Prints the accuracy of each model on each data set, and the baselines.

    A miss, marked with *, is below logistic regression by more than half of the 95 % confidence interval of
    that one's accuracy.
    """
    print(f'{"":<24}', *(f'{name:>10}' for name in ('logistic', 'SVC', *models)))
    missed = 0
    for name, split in all_sets(given.train, given.test):
        if not re.search(given.only, name):
            continue
        logistic, svc = baselines(split)
        limit = logistic - 1.96 * math.sqrt(logistic * (1 - logistic) / len(split.y_test))
        print(f'{name:<24} {logistic:>10.3f} {svc:>10.3f}', end='', flush=True)
        for model in models:
            accuracy = float(trained(model, split, given.seed, hparams=given.hparams or {})['accuracy'])
            missed += accuracy < limit
            print(f'{accuracy:>10.3f}{"*" if accuracy < limit else " "}', end='', flush=True)
        print()
    print(f'{missed} are below logistic regression by more than its confidence interval')


def print_optimizers(given: Any) -> None:
    """Prints the accuracy by each first-order optimizer, and the error of the autoencoder."""
    split = mnist(given.train, given.test, rows=None) if given.train else digits(8)
    settings = {'epochs': 1, 'batch_size': 100} if given.train else {}
    figures = {'mlp': 'accuracy'}
    if not given.train:
        figures = {'cnn': 'accuracy', **figures, 'autoencoder': 'squared_error'}
    print(f'{"":<24}', *(f'{model:>10}' for model in figures))
    for name in _OPTIMIZERS:
        hparams = {'optimizer': name}
        found = {model: trained(model, split, given.seed, hparams=hparams, **settings) for model in figures}
        print_row(name, [found[model][figure] for model, figure in figures.items()])


def print_boltzmann(given: Any) -> None:
    """Prints the accuracy of dbn, and the reconstruction errors of rbm and of scikit-learn's."""
    split = digits(8)
    print_row('dbn', [trained('dbn', split, given.seed)['accuracy']])
    bare = trained('dbn', split, given.seed, hparams={'pretrain_epochs': 0})
    print_row('without pre-training', [bare['accuracy']])
    print_row('rbm', [trained('rbm', split, given.seed)['reconstruction_error']])
    print_row("scikit-learn's", [_scikit_learns_error(split)])
    for rate in (0.05, 0.1):
        hparams = {'chains': 0, 'learning_rate': rate}
        error = trained('rbm', split, given.seed, hparams=hparams)['reconstruction_error']
        print_row(f'rbm, chains=0, rate {rate}', [error])


def _scikit_learns_error(split: Split) -> float:
    """Returns the reconstruction error of its RBM, of the same size after the 4,500 steps of ours."""
    from sklearn.neural_network import BernoulliRBM

    images, test = (images.reshape(len(images), -1) / 255 for images in (split.x, split.x_test))
    machine = BernoulliRBM(500, batch_size=32, n_iter=100, random_state=1).fit(images)

    def sigmoid(values: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-values))

    hidden = sigmoid(test @ machine.components_.T + machine.intercept_hidden_)
    visible = sigmoid(hidden @ machine.components_ + machine.intercept_visible_)
    return float(np.square(visible - test).sum(axis=1).mean())


def main() -> None:
    """Prints a table."""
    flags = {
        'table': ('sets', 'which one', ('sets', 'optimizers', 'boltzmann')),
        'models': ('mlp,cnn,recurrent,dbn', 'names of classifiers, for the table of sets'),
        'train': ('', 'training archive of MNIST'),
        'test': ('', 'test archive of MNIST'),
        'hparams': ('', 'of the models, for the table of sets, such as weight_decay=0.001'),
        'only': ('', 'a pattern that names of the sets contain'),
        'seed': (1, 'of the training'),
    }
    given = command_line(__doc__, **flags).parse_args()
    print(machine('scikit-learn'))
    if given.table == 'sets':
        print_sets(given.models.split(','), given)
    elif given.table == 'optimizers':
        print_optimizers(given)
    else:
        print_boltzmann(given)


if __name__ == '__main__':
    main()
