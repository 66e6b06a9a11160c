"""Prints the figures of recurrent networks, each with the command that made it.

    python benchmarks/recurrent_figures.py rows --train=mnist-train.tar.gz --test=mnist-test.tar.gz
                        MNIST row by row, an LSTM: test accuracy; 15 minutes
    python benchmarks/recurrent_figures.py pixels --train=... --test=...
                        pixel by pixel, 784 steps, diagonal linear recurrences; 90 minutes
    python benchmarks/recurrent_figures.py permuted --train=... --test=...
                        the same with the pixels in a fixed order of no meaning; 90 minutes
    python benchmarks/recurrent_figures.py irnn --train=... --test=...
                        pixel by pixel by a plain network of rectified units (Le et al. 2015); hours
    python benchmarks/recurrent_figures.py adding
                        the adding problem of 600 steps, by a GRU and by linear recurrences; 90 minutes
    python benchmarks/recurrent_figures.py step
                        a training step of an LSTM over 784 steps beside Keras 3 and PyTorch; 5 minutes

--epochs trains for longer or shorter. Times are of 2 cores. The package has to be installed (`pip install -e
'.[test,bench]'`), and nothing else may run meanwhile for `step`; the other figures only take longer.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from machine import this_machine
from train_step import Row, measure, show
from training import train

_MNIST = ('--model=recurrent', '--image_size=28', '--batch_size=100')
_ROOT = Path(__file__).parents[1]
_CONTENDERS = Path(__file__).with_name('recurrent_contenders.py')
_EXAMPLE = _ROOT / 'examples' / 'recurrent.py'

# Epochs and further flags of training.
TRAININGS: dict[str, tuple[int, tuple[str, ...]]] = {
    'rows': (30, ('--augment=shift=2', '--hparams=layers=128,learning_rate=0.003,bidirectional=true')),
    'pixels': (25, ('--hparams=read=pixels,cell=linear,layers=64-64-128,learning_rate=0.004',)),
    'permuted': (
        30,
        (
            '--hparams=read=permuted,cell=linear,layers=512,states=64,dense=512,dropout_rate=0.2,'
            'learning_rate=0.004',
        ),
    ),
    'irnn': (100, ('--hparams=read=pixels,cell=irnn,layers=100,learning_rate=0.0001',)),
}
ADDING = {
    'gru': ('--train_steps=8000', '--units=100', '--learning_rate=0.002'),
    'linear': ('--train_steps=40000', '--batch_size=50', '--units=32', '--learning_rate=0.004'),
}


def learn(figure: str, archives: tuple[str, str], epochs: int | None, model_dir: str) -> None:
    """Trains for a figure; prints accuracy and seconds."""
    usual, flags = TRAININGS[figure]
    data = (f'--data={archives[0]}', f'--eval_data={archives[1]}', f'--epochs={epochs or usual}')
    train(*_MNIST, *flags, *data, model_dir=model_dir)


def adding() -> None:
    """Runs the example on the adding problem of 600 steps, once for each cell."""
    for cell, flags in ADDING.items():
        command = [str(_EXAMPLE), '--problem=adding', '--steps=600', f'--cells={cell}', *flags]
        print('$ python', 'examples/recurrent.py', *command[1:], flush=True)
        subprocess.run([sys.executable, *command], check=True)


def step(rounds: int, steps: int) -> None:
    """Prints examples a second of an LSTM's training step; a step has 100."""
    rows = measure(
        [
            Row('ours', 'own', script=_CONTENDERS),
            Row('ours, --hparams=loop=dynamic_rnn', 'dynamic_rnn', script=_CONTENDERS),
            Row('Keras 3 fit', 'keras', package='keras', script=_CONTENDERS),
            Row(
                'Keras 3 fit, oneDNN turned on',
                'keras',
                {},
                {'TF_ENABLE_ONEDNN_OPTS': '1'},
                'keras',
                _CONTENDERS,
            ),
            Row('PyTorch', 'pytorch', package='torch', script=_CONTENDERS),
        ],
        rounds,
        steps,
    )
    show(rows)
    for row in rows:
        print(f'{100 / row.median():6.3f} s a step  {row.name}')


def main() -> None:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('figure', choices=[*TRAININGS, 'adding', 'step'])
    parser.add_argument('--train', help='training archive')
    parser.add_argument('--test', help='test archive')
    parser.add_argument('--epochs', type=int, help='passes over the training images')
    parser.add_argument('--model_dir', default='', help='where the model is kept; default: nowhere')
    parser.add_argument('--rounds', type=int, default=3, help='of step')
    parser.add_argument('--steps', type=int, default=10, help='timed steps in a round of step')
    given = parser.parse_args()
    print(this_machine())
    if given.figure == 'step':
        step(given.rounds, given.steps)
    elif given.figure == 'adding':
        adding()
    elif given.train and given.test:
        learn(given.figure, (given.train, given.test), given.epochs, given.model_dir)
    else:
        parser.error(f'{given.figure} needs --train and --test')


if __name__ == '__main__':
    main()
