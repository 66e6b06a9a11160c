"""Prints the figures that the README claims for RBMs and belief networks, each with the command that made it.

    python benchmarks/belief_networks.py dbn --train=mnist-train.tar.gz --test=mnist-test.tar.gz
        test error with and without pre-training; --seeds=1,2,3 repeats it; about 15 minutes a seed
    python benchmarks/belief_networks.py shifted --train=... --test=...
        the same network, trained for longer on digits that are shifted by up to a pixel
    python benchmarks/belief_networks.py labels --train=... --test=...
        the same with 1,000 labels, pre-trained on all images
    python benchmarks/belief_networks.py denoising --train=... --test=...
        three stacked denoising autoencoders
    python benchmarks/belief_networks.py nats --train=... --test=...
        test log probability of RBMs by annealed importance sampling
    python benchmarks/belief_networks.py epoch --train=...
        one epoch of CD-1, float32 and bfloat16, beside scikit-learn's BernoulliRBM and beside its own matrix
        products alone, in one run, by the clock and by processor time

--precision=bfloat16 makes training faster where the processor has it. The package has to be installed
(`pip install -e '.[test]'`). Nothing else may run meanwhile for `epoch`; the other figures only take longer.
"""

import argparse
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from machine import this_machine

from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.labels import label_of
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.runs.precision import PRECISIONS

MNIST = ('--image_size=28', '--batch_size=100')
# 15 passes for each of three layers take about as long as 15 of fine-tuning.
PRETRAINED, RANDOM = 'pretrain_epochs=15', 'pretrain_epochs=0'
EPOCHS = {PRETRAINED: 40, RANDOM: 55}
SHIFTED = ('--model=dbn', '--epochs=80', '--augment=shift=1', f'--hparams={PRETRAINED}')
DENOISING = (
    '--model=dbn',
    '--epochs=100',
    '--hparams=layers=1000-1000-1000,pretraining=denoising,pretrain_epochs=15',
)
ALONE = {'shifted': SHIFTED, 'denoising': DENOISING}
# What the paper found, how long it is trained, and how.
MACHINES = {
    'CD-1': ('-125.5', '--epochs=50', 'chains=0,cd_steps=1,ais_chains=100'),
    'CD-3': ('-105.5', '--epochs=50', 'chains=0,cd_steps=3,ais_chains=100'),
    'CD-25': ('-86.3', '--epochs=60', 'chains=0,cd_steps=25,ais_chains=500'),
    'persistent': ('-86.3 for CD-25', '--epochs=50', 'chains=100,learning_rate=0.01,ais_chains=100'),
}
_LABELS_EACH = 100


def train(*flags: str) -> str:
    """Runs the training command in a fresh model_dir; returns what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, '-m', 'estimator_lab.train', *MNIST, *flags]
        print('$ python', *command[1:], flush=True)
        started = time.monotonic()
        done = subprocess.run(
            [*command, f'--model_dir={folder}'], stdout=subprocess.PIPE, text=True, check=True
        )
        print(f'{time.monotonic() - started:.0f} s, evaluations and start-up included')
    return done.stdout


def error_of(printed: str) -> float:
    """Returns the test error in percent of a training run's output."""
    found = re.search(r'^Accuracy +([\d.]+)', printed, re.MULTILINE)
    return 100 - 100 * float(found[1]) if found else float('nan')


def compare(archives: tuple[str, ...], seeds: list[str]) -> None:
    """Trains with and without pre-training; prints the test errors."""
    for hparams, epochs in EPOCHS.items():
        flags = ('--model=dbn', f'--epochs={epochs}', f'--hparams={hparams}')
        errors = [error_of(train(*archives, *flags, f'--seed={seed}')) for seed in seeds]
        shown = ', '.join(f'{error:.2f}' for error in errors)
        print(f'{hparams}: test error {shown} %, mean {np.mean(errors):.2f} %')


def few_labels(train_archive: str, flags: tuple[str, ...], seeds: list[str]) -> None:
    """Compares with 100 labels a class, pre-training on all images."""
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / 'few.tar'
        _write_few(train_archive, few)
        archives = (f'--data={few}', *flags)
        for hparams, more in ((PRETRAINED, [f'--pretrain_data={train_archive}']), (RANDOM, [])):
            errors = []
            for seed in seeds:
                hparams_flag = f'--hparams={hparams},head_steps=100'
                printed = train(
                    *archives, *more, '--model=dbn', '--epochs=200', hparams_flag, f'--seed={seed}'
                )
                errors.append(error_of(printed))
            print(f'{hparams}: test error with 1,000 labels {np.mean(errors):.2f} % ({errors})')


def nats(archives: tuple[str, ...], names: list[str]) -> None:
    """Trains RBMs of 500 hidden units; prints their test log probability."""
    for name in names:
        paper, epochs, hparams = MACHINES[name]
        flags = ('--model=rbm', epochs, f'--hparams={hparams}', '--save_checkpoints_steps=100000')
        printed = train(*archives, *flags)
        figures = dict(re.findall(r'^(log_\w+) +(-?[\d.]+)', printed, re.MULTILINE))
        print(f'{name}: {figures}; Salakhutdinov and Murray 2008: {paper}')


def epoch(train_archive: str) -> None:
    """Times one epoch of CD-1 beside scikit-learn, three times in turn."""
    import rbm_epoch  # loads TensorFlow, which the other figures leave to the processes that they start

    images = np.stack([decode_image(member.data, 28, 28) for member in stream_members(train_archive)])
    rbm_epoch.quarter(images)
    rbm_epoch.compare(images)


def _write_few(archive: str, path: Path) -> None:
    """Writes the first 100 images of each label as an archive of their own."""
    taken: Counter[str] = Counter()
    with tarfile.open(path, 'w') as tar:
        for member in stream_members(archive):
            label = label_of(member.name)
            if taken[label] < _LABELS_EACH:
                taken[label] += 1
                info = tarfile.TarInfo(member.name)
                info.size = len(member.data)
                tar.addfile(info, io.BytesIO(member.data))


def main() -> None:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('figure', choices=['dbn', 'shifted', 'labels', 'denoising', 'nats', 'epoch'])
    parser.add_argument('--train', required=True, help='training archive')
    parser.add_argument('--test', help='test archive')
    parser.add_argument('--seeds', default='1', help='seeds of dbn and labels')
    parser.add_argument('--precision', choices=PRECISIONS, default=PRECISIONS[0])
    parser.add_argument(
        '--machines', nargs='*', choices=list(MACHINES), default=list(MACHINES), help='of nats'
    )
    given = parser.parse_args()
    if given.figure != 'epoch' and not given.test:
        parser.error(f'{given.figure} needs --test')
    print(this_machine())
    flags, seeds = (f'--precision={given.precision}', f'--eval_data={given.test}'), given.seeds.split(',')
    archives = (f'--data={given.train}', *flags)
    if given.figure == 'dbn':
        compare(archives, seeds)
    elif given.figure == 'labels':
        few_labels(given.train, flags, seeds)
    elif given.figure in ALONE:
        print(f'test error {error_of(train(*archives, *ALONE[given.figure])):.2f} %')
    elif given.figure == 'nats':
        nats(archives, given.machines)
    else:
        epoch(given.train)


if __name__ == '__main__':
    main()
