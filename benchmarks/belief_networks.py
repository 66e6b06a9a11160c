"""Figures of RBMs and belief networks.

    python benchmarks/belief_networks.py dbn --train=mnist-train.tar.gz --test=mnist-test.tar.gz
        test error with and without pre-training; --seeds=1,2,3 repeats it; about 15 minutes a seed
    python benchmarks/belief_networks.py shifted --train=... --test=...
        the same network, trained for longer on digits shifted by up to a pixel
    python benchmarks/belief_networks.py labels --train=... --test=...
        the same with 1,000 labels, pre-trained on all images
    python benchmarks/belief_networks.py few
        belief networks on 1,500 digits of 8x8 pixels: how much their samples differ, and accuracy
    python benchmarks/belief_networks.py nats --train=... --test=...
        test log probability of RBMs by annealed importance sampling
    python benchmarks/belief_networks.py epoch --train=...
        one epoch of CD-1, float32 and bfloat16, against scikit-learn's BernoulliRBM and against the matrix
        products alone, in one run, by the clock and by processor time

--precision=bfloat16 makes training faster where the processor has it. `epoch` needs a machine that is idle
otherwise.
"""

import argparse
import re
import tempfile
from pathlib import Path

import numpy as np
from archives import read_images, write_few, write_tar
from PIL import Image
from runner import Figures, error_of, python, train

from estimator_lab.core.picture import png_bytes
from estimator_lab.runs.precision import PRECISIONS

MNIST = ('--image_size=28', '--batch_size=100')
# 15 passes for each of three layers take about as long as 15 of fine-tuning.
PRETRAINED, RANDOM = 'pretrain_epochs=15', 'pretrain_epochs=0'
SAMPLED, FASTER = 'pretrain_binarize=true', 'pretrain_learning_rate=0.2'
EPOCHS = {PRETRAINED: 40, RANDOM: 55}
# The figure of the paper, the passes, the hyper-parameters.
MACHINES = {
    'CD-1': ('-125.5', '--epochs=50', 'chains=0,cd_steps=1,initial_momentum_steps=0,ais_chains=100'),
    'CD-3': ('-105.5', '--epochs=50', 'chains=0,cd_steps=3,initial_momentum_steps=0,ais_chains=100'),
    'CD-25': ('-86.3', '--epochs=60', 'chains=0,cd_steps=25,initial_momentum_steps=0,ais_chains=500'),
    'persistent': ('-86.3 for CD-25', '--epochs=50', 'chains=100,learning_rate=0.01,ais_chains=100'),
}
FIGURES = Figures(
    __doc__,
    train=('', 'training archive'),
    test=('', 'test archive'),
    seeds=('1', 'of dbn and labels'),
    precision=(PRECISIONS[0], 'of training', PRECISIONS),
    machines=(list(MACHINES), 'of nats'),
)


def learn(given: argparse.Namespace, *flags: str, data: str | Path = '') -> str:
    """Trains on digits; returns what the command printed."""
    archives = f'--data={data or given.train}', f'--eval_data={given.test}'
    return train(*MNIST, *archives, f'--precision={given.precision}', *flags)


def print_errors(given: argparse.Namespace, hparams: str, *flags: str, data: str | Path = '') -> None:
    """Trains a belief network with each seed; prints the test errors."""
    flags = '--model=dbn', f'--hparams={hparams}', *flags
    errors = [error_of(learn(given, *flags, f'--seed={seed}', data=data)) for seed in given.seeds.split(',')]
    shown = ', '.join(f'{error:.2f}' for error in errors)
    print(f'{hparams}: test error {shown} %, mean {np.mean(errors):.2f} %')


@FIGURES.add('train', 'test')
def dbn(given: argparse.Namespace) -> None:
    """Compares with and without pre-training."""
    for hparams, epochs in EPOCHS.items():
        print_errors(given, hparams, f'--epochs={epochs}')


@FIGURES.add('train', 'test')
def shifted(given: argparse.Namespace) -> None:
    """Trains for longer on shifted digits."""
    print_errors(given, PRETRAINED, '--epochs=80', '--augment=shift=1')


@FIGURES.add('train', 'test')
def labels(given: argparse.Namespace) -> None:
    """Compares with 100 labels a class, pre-training on all images."""
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder, 'few.tar')
        write_few(given.train, few, 100, seed=1)
        for hparams, more in ((PRETRAINED, [f'--pretrain_data={given.train}']), (RANDOM, [])):
            print_errors(given, f'{hparams},head_steps=100', '--epochs=200', *more, data=few)


@FIGURES.add()
def few(given: argparse.Namespace) -> None:
    """Trains on few images, from probabilities and from samples; prints the distance between samples."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    with tempfile.TemporaryDirectory() as folder:
        data, drawn = Path(folder, 'digits.tar'), Path(folder, 'dreams.tar')
        images = [(image * 255 / 16).astype(np.uint8) for image in digits.images[:1500]]
        names = [f'{label}/{number:04}.png' for number, label in enumerate(digits.target[:1500])]
        pictures = [png_bytes(Image.fromarray(image)) for image in images]
        write_tar(data, zip(names, pictures, strict=True))
        for number, more in enumerate(('', f',{FASTER}', f',{SAMPLED}', f',{SAMPLED},{FASTER}')):
            model_dir = Path(folder, str(number))
            hparams = f'--hparams=layers=200-200-500,pretrain_epochs=40{more}'
            flags = '--model=dbn', f'--data={data}', '--split=0.8', '--image_size=8', '--epochs=20', hparams
            train(*flags, '--save_checkpoints_steps=100000', model_dir=model_dir)
            python('-m', 'estimator_lab.dream', f'--model_dir={model_dir}', '--steps=200', f'--out={drawn}')
            share = _distance(read_images(drawn, side=8)[0]) / _distance(np.stack(images[:64]))
            print(f'{hparams}: distance between samples {share:.2f} of that between digits')


def _distance(images: np.ndarray) -> float:
    """Returns the root mean squared difference of two images [n, ...], on average over all pairs."""
    flat = images.reshape(len(images), -1) / 255.0
    return float(np.sqrt(np.square(flat[:, np.newaxis] - flat).mean(axis=2)).mean())


@FIGURES.add('train', 'test')
def nats(given: argparse.Namespace) -> None:
    """Trains RBMs of 500 hidden units; prints their test log probability."""
    for name in given.machines:
        paper, epochs, hparams = MACHINES[name]
        flags = '--model=rbm', epochs, f'--hparams={hparams}', '--save_checkpoints_steps=100000'
        figures = dict(re.findall(r'^(log_\w+) +(-?[\d.]+)', learn(given, *flags), re.MULTILINE))
        print(f'{name}: {figures}; Salakhutdinov and Murray 2008: {paper}')


@FIGURES.add('train')
def epoch(given: argparse.Namespace) -> None:
    """Times one epoch of CD-1 against scikit-learn, three times in turn."""
    import rbm_epoch  # loads TensorFlow, which the other figures leave to the processes that they start

    images, _ = read_images(given.train)
    rbm_epoch.compare(images[..., 0])


if __name__ == '__main__':
    FIGURES.main()
