"""Prints the figures of activations and of the plain network, each with the command that made it.

    python benchmarks/activations.py rates --train=mnist-train.tar.gz --test=mnist-test.tar.gz
                        dead units and accuracy over the learning rate, ReLU and leaky ReLU, as PNG; 15 min
    python benchmarks/activations.py order --train=... --test=...
                        test error of 784-1000-1000-1000-10 with ReLU, tanh and softplus; 40 minutes
    python benchmarks/activations.py mlp --train=... --test=...
                        test error of a plain network with dropout and max-norm; an hour
    python benchmarks/activations.py cnn --train=... --test=...
                        test error of the document's network on shifted digits; 20 minutes
    python benchmarks/activations.py faces
                        the same network on the built-in faces: accuracy and dead units; 10 minutes

--seeds=1,2,3 says with which seeds. Each run has a folder of its own below --runs and goes on with what is
there. The package has to be installed (`pip install -e '.[test]'`), and nothing else may run meanwhile.
"""

import argparse
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from curves import save_side_by_side
from machine import this_machine

from estimator_lab.core.display.charts import draw_curves
from estimator_lab.core.keys import ACCURACY, DEAD_UNITS
from estimator_lab.data.demo_sets.archives import cached_demo
from estimator_lab.training.experiment import Experiment
from estimator_lab.training.settings import Settings

_RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01)
_PLAIN = 'dropout_rate=0.0,input_dropout_rate=0.0'
_PUBLISHED = {'relu': 1.43, 'tanh': 1.57, 'softplus': 1.77}


def trained(given: argparse.Namespace, name: str, seed: int, **settings: object) -> Mapping[str, float]:
    """Trains in a folder of that name, or goes on there; returns the metrics of the last evaluation."""
    data = {'data': [given.train], 'eval_data': [given.test], 'image_size': 28, 'batch_size': 100}
    folder = Path(given.runs) / f'{name}_{seed}'
    chosen = Settings(**{**data, **settings, 'seed': seed, 'model_dir': folder})  # type: ignore[arg-type]
    print(
        f'{folder}: --model={chosen.model} --epochs={chosen.epochs:g} --hparams={chosen.hparams}', flush=True
    )
    started = time.monotonic()
    experiment = Experiment(chosen, lambda line: None)
    metrics = experiment.train().metrics
    dead = ', '.join(f'{layer} {share:.1%}' for layer, share in dead_shares(metrics).items())
    print(
        f'accuracy {metrics[ACCURACY]:.2%}, dead units: {dead}; {time.monotonic() - started:.0f} s',
        flush=True,
    )
    return metrics


def dead_shares(metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns the share of dead units by layer."""
    prefix = f'{DEAD_UNITS}/'
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}


def errors(given: argparse.Namespace, name: str, **settings: object) -> list[float]:
    """Returns the test errors in percent of one network, by the seeds."""
    return [100 * (1 - trained(given, name, seed, **settings)[ACCURACY]) for seed in given.seeds]


def _shown(values: Iterable[float]) -> str:
    found = list(values)
    return f'{", ".join(f"{value:.2f}" for value in found)} %, mean {sum(found) / len(found):.2f} %'


def rates(given: argparse.Namespace) -> None:
    """Draws what the learning rate does to the document's network, one pass over the digits each."""
    found = {
        (activation, rate): trained(
            given,
            f'{activation}_{rate}',
            given.seeds[0],
            epochs=given.epochs or 1,
            hparams=f'activation={activation},learning_rate={rate}',
        )
        for activation in ('relu', 'leaky_relu')
        for rate in _RATES
    }
    accuracy: dict[str, list[float]] = {}
    dead: dict[str, list[float]] = {}
    for (activation, _), metrics in found.items():
        accuracy.setdefault(activation, []).append(metrics[ACCURACY])
        for layer, share in dead_shares(metrics).items():
            dead.setdefault(f'{layer}, {activation}', []).append(share)
    places = [math.log10(rate) for rate in _RATES]
    panels = [
        draw_curves(title, 'log10 of the learning rate', {name: (places, y) for name, y in curves.items()})
        for title, curves in (('accuracy', accuracy), ('share of dead units', dead))
    ]
    save_side_by_side(Path(given.runs) / 'activations.png', panels)


def order(given: argparse.Namespace) -> None:
    """Prints the errors of three hidden layers with each activation, as Glorot et al. 2011 compare them."""
    found = {
        activation: errors(
            given,
            f'order_{activation}',
            model='mlp',
            epochs=given.epochs or 20,
            hparams=f'layers=1000-1000-1000,activation={activation},{_PLAIN},learning_rate=0.0005',
        )
        for activation in _PUBLISHED
    }
    for activation, values in found.items():
        print(f'{activation}: {_shown(values)}; Glorot et al. 2011: {_PUBLISHED[activation]} %')


def mlp(given: argparse.Namespace) -> None:
    """Prints the error of a plain network with dropout and max-norm: 1.05 % in Srivastava et al. 2014."""
    values = errors(
        given,
        'mlp',
        model='mlp',
        epochs=given.epochs or 60,
        hparams='layers=2048-2048,max_norm=3.0,learning_rate=0.001',
    )
    print(f'plain network: {_shown(values)}; Srivastava et al. 2014: 1.05 %')


def cnn(given: argparse.Namespace) -> None:
    """Prints the error of the document's network on digits that are shifted by up to two pixels."""
    values = errors(given, 'cnn', epochs=given.epochs or 15, augment='shift=2')
    print(f"the document's network: {_shown(values)}")


def faces(given: argparse.Namespace) -> None:
    """Prints what the network of the README's first command comes to."""
    paths = cached_demo()
    data = {'data': [str(paths.train)], 'eval_data': [str(paths.test)], 'image_size': 128, 'batch_size': 32}
    values = errors(given, 'faces', **data, epochs=given.epochs or 10)
    print(f'the built-in faces: {_shown(values)} wrong')


FIGURES = {f.__name__: f for f in (rates, order, mlp, cnn, faces)}


def main() -> None:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('figure', choices=list(FIGURES))
    parser.add_argument('--train', help='training archive')
    parser.add_argument('--test', help='test archive')
    parser.add_argument(
        '--epochs', type=float, default=0, help='passes over the images; 0 for its own number'
    )
    parser.add_argument(
        '--seeds', type=lambda text: list(map(int, text.split(','))), default=[1, 2, 3], help='such as 1,2,3'
    )
    parser.add_argument('--runs', default='runs/activations', help='folder of the runs and pictures')
    given = parser.parse_args()
    if given.figure != 'faces' and not (given.train and given.test):
        parser.error(f'{given.figure} needs --train and --test')
    print(this_machine())
    FIGURES[given.figure](given)


if __name__ == '__main__':
    main()
