"""Figures of activations and of the plain network.

    python benchmarks/activations.py rates --train=mnist-train.tar.gz --test=mnist-test.tar.gz
                        dead units and error over the learning rate, ReLU and leaky ReLU; 15 minutes
    python benchmarks/activations.py order --train=... --test=...
                        test error of 784-1000-1000-1000-10 with ReLU, tanh and softplus; 40 minutes
    python benchmarks/activations.py mlp --train=... --test=...
                        test error of a plain network with dropout and max-norm; an hour
    python benchmarks/activations.py smooth --train=... --test=...
                        the same with virtual adversarial training; an hour
    python benchmarks/activations.py cnn --train=... --test=...
                        test error of the notes' network on shifted digits; 20 minutes
    python benchmarks/activations.py faces
                        the same network on the built-in faces: accuracy and dead units; 10 minutes

--seeds=1,2,3 selects the seeds. Each run has its own folder below --runs and resumes what is there.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from runner import Figures

from estimator_lab.core.keys import ACCURACY, DEAD_UNITS
from estimator_lab.data.demo_sets.archives import cached_demo
from estimator_lab.training.experiment import Experiment
from estimator_lab.training.settings import Settings

_RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01)
_PLAIN = 'dropout_rate=0.0,input_dropout_rate=0.0'
_PUBLISHED = {'relu': 1.43, 'tanh': 1.57, 'softplus': 1.77}
FIGURES = Figures(
    __doc__,
    train=('', 'training archive'),
    test=('', 'test archive'),
    epochs=(0.0, 'passes over the images; 0 for the default of the figure'),
    seeds=('1,2,3', 'such as 1,2,3'),
    runs=('runs/activations', 'folder of the runs'),
)


def trained(given: argparse.Namespace, name: str, seed: int, **settings: object) -> Mapping[str, float]:
    """Trains or resumes in the folder of that name; returns the metrics of the last evaluation."""
    data = {'data': [given.train], 'eval_data': [given.test], 'image_size': 28, 'batch_size': 100}
    folder = Path(given.runs) / f'{name}_{seed}'
    chosen = Settings(**{**data, **settings, 'seed': seed, 'model_dir': folder})  # type: ignore[arg-type]
    print(f'{folder}: --model={chosen.model} --epochs={chosen.epochs:g} --hparams={chosen.hparams}')
    started = time.monotonic()
    metrics = Experiment(chosen, lambda line: None).train().metrics
    dead = ', '.join(f'{layer} {share:.1%}' for layer, share in dead_shares(metrics).items())
    seconds = time.monotonic() - started
    print(f'accuracy {metrics[ACCURACY]:.2%}, dead units: {dead}; {seconds:.0f} s', flush=True)
    return metrics


def dead_shares(metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns the share of dead units by layer."""
    prefix = f'{DEAD_UNITS}/'
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}


def print_errors(given: argparse.Namespace, name: str, published: str = '', **settings: object) -> None:
    """Trains with each seed; prints the test errors."""
    errors = [
        100 * (1 - trained(given, name, int(seed), **settings)[ACCURACY]) for seed in given.seeds.split(',')
    ]
    shown = ', '.join(f'{error:.2f}' for error in errors)
    print(f'{name}: test error {shown} %, mean {np.mean(errors):.2f} %{published}')


@FIGURES.add('train', 'test')
def rates(given: argparse.Namespace) -> None:
    """Prints the effect of the learning rate on the notes' network, after one pass over the digits."""
    errors: dict[str, list[float]] = {}
    dead: dict[str, list[float]] = {}
    for activation in ('relu', 'leaky_relu'):
        for rate in _RATES:
            hparams = f'activation={activation},learning_rate={rate}'
            seed = int(given.seeds.split(',')[0])
            metrics = trained(given, f'{activation}_{rate}', seed, epochs=given.epochs or 1, hparams=hparams)
            errors.setdefault(activation, []).append(100 * (1 - metrics[ACCURACY]))
            for layer, share in dead_shares(metrics).items():
                dead.setdefault(f'{layer}, {activation}', []).append(share)
    for title, found in (('test error in %', errors), ('share of units that are dead', dead)):
        print(f'{title}, by learning rate: {", ".join(map(str, _RATES))}')
        for name, values in found.items():
            print(f'  {name:<24} {", ".join(f"{value:.3g}" for value in values)}')


@FIGURES.add('train', 'test')
def order(given: argparse.Namespace) -> None:
    """Prints the errors of three hidden layers with each activation, as Glorot et al. 2011 compare them."""
    for activation, published in _PUBLISHED.items():
        hparams = f'layers=1000-1000-1000,activation={activation},{_PLAIN},learning_rate=0.0005'
        paper = f'; Glorot et al. 2011: {published} %'
        epochs = given.epochs or 20
        print_errors(given, f'order_{activation}', paper, model='mlp', epochs=epochs, hparams=hparams)


@FIGURES.add('train', 'test')
def mlp(given: argparse.Namespace) -> None:
    """Prints the error of a plain network with dropout and max-norm."""
    hparams, paper = 'layers=2048-2048,max_norm=3.0,learning_rate=0.001', '; Srivastava et al. 2014: 1.05 %'
    print_errors(given, 'mlp', paper, model='mlp', epochs=given.epochs or 60, hparams=hparams)


@FIGURES.add('train', 'test')
def smooth(given: argparse.Namespace) -> None:
    """Prints the error of the paper's plain network with virtual adversarial training, in bfloat16."""
    hparams = f'layers=1200-600-300-150,virtual_adversarial=2,{_PLAIN}'
    changes = {'model': 'mlp', 'precision': 'bfloat16', 'epochs': given.epochs or 60, 'hparams': hparams}
    print_errors(given, 'smooth', '; Miyato et al. 2018: 0.64 %', **changes)


@FIGURES.add('train', 'test')
def cnn(given: argparse.Namespace) -> None:
    """Prints the error of the notes' network on digits shifted by up to two pixels."""
    print_errors(given, 'cnn', epochs=given.epochs or 15, augment='shift=2')


@FIGURES.add()
def faces(given: argparse.Namespace) -> None:
    """Prints the error of the README's first command."""
    paths = cached_demo()
    archives = {'data': [str(paths.train)], 'eval_data': [str(paths.test)]}
    print_errors(given, 'faces', '', **archives, image_size=128, batch_size=32, epochs=given.epochs or 10)


if __name__ == '__main__':
    FIGURES.main()
