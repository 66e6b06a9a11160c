"""Figures of recurrent networks.

    python benchmarks/recurrent_figures.py rows --train=mnist-train.tar.gz --test=mnist-test.tar.gz
                        MNIST row by row, an LSTM: test accuracy; 15 minutes
    python benchmarks/recurrent_figures.py adding
                        the adding problem of 600 steps, by a GRU; 50 minutes
    python benchmarks/recurrent_figures.py step --layer=lstm
                        a training step of an LSTM over 784 steps against Keras 3 and PyTorch, or of a GRU, or
                        of an LSTM in both directions; 5 minutes

--epochs trains for longer or shorter. `step` needs a machine that is idle otherwise, and `pip install -e
'.[bench]'`.
"""

import argparse
import functools
from collections.abc import Callable

from recurrent_contenders import LAYERS, LSTM
from runner import ROOT, Figures, Measured, child, print_table, python, race, train

# Epochs and further flags of training.
TRAININGS: dict[str, tuple[int, tuple[str, ...]]] = {
    'rows': (30, ('--augment=shift=2', '--hparams=layers=128,learning_rate=0.003,bidirectional=true')),
}
ADDING = {
    'gru': ('--train_steps=8000', '--units=100', '--learning_rate=0.002'),
}
FIGURES = Figures(
    __doc__,
    train=('', 'training archive'),
    test=('', 'test archive'),
    epochs=(0, 'passes over the training images; 0 for the default of the figure'),
    model_dir=('', 'folder of the model; default: a temporary one'),
    layer=(LSTM, 'of step', LAYERS),
    rounds=(3, 'of step'),
    steps=(10, 'timed steps in a round of step'),
)


def learn(figure: str, given: argparse.Namespace) -> None:
    """Trains for a figure; prints accuracy and seconds."""
    epochs, flags = TRAININGS[figure]
    data = (f'--data={given.train}', f'--eval_data={given.test}', f'--epochs={given.epochs or epochs}')
    mnist = ('--model=recurrent', '--image_size=28', '--batch_size=100')
    train(*mnist, *flags, *data, model_dir=given.model_dir)


for name in TRAININGS:
    FIGURES.add('train', 'test', name=name)(functools.partial(learn, name))


@FIGURES.add()
def adding(given: argparse.Namespace) -> None:
    """Runs the example on the adding problem of 600 steps, once for each cell."""
    for cell, flags in ADDING.items():
        example = ROOT / 'examples' / 'recurrent.py'
        print(python(example, '--problem=adding', '--steps=600', f'--cells={cell}', *flags))


@FIGURES.add()
def step(given: argparse.Namespace) -> None:
    """Prints sequences a second of a training step of 100 sequences."""

    def contender(name: str, **environment: str) -> Callable[[], Measured]:
        script = 'recurrent_contenders.py'
        return lambda: child(script, name, given.layer, given.steps, environment=environment)

    contenders = {
        'ours': contender('own'),
        'Keras 3 fit': contender('keras'),
        'Keras 3 fit, oneDNN on': contender('keras', TF_ENABLE_ONEDNN_OPTS='1'),
        'PyTorch': contender('pytorch'),
    }
    print_table(race(contenders, given.rounds), 'sequences', 'step', 100)


if __name__ == '__main__':
    FIGURES.main()
