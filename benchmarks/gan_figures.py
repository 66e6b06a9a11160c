"""Figures of adversarial networks.

    python benchmarks/gan_figures.py quality --train=mnist-train.tar.gz --test=mnist-test.tar.gz
                        classifier score and Frechet distance of a conditional generator, and those of
                        PyTorch's DCGAN, trained for as long; 100 minutes
    python benchmarks/gan_figures.py fakes --train=... --test=...
                        accuracy on real digits of a CNN that has seen only 60,000 fakes of the same
                        generator; 20 minutes after `quality`, 65 without
    python benchmarks/gan_figures.py step
                        a step of both networks against the same networks in PyTorch; 2 minutes
    python benchmarks/gan_figures.py faces
                        the built-in faces at 64x64 in colour: the judge's accuracy, a picture; 40 minutes

Each trains in folders below --runs and resumes what is there; the judge, a classifier, is trained at its
first use, in ten minutes. The rivals need `pip install torch`. The machine must be idle otherwise.
"""

import argparse
import functools
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from archives import read_images
from gan_contenders import BATCH, LATENT, SIDE
from runner import HERE, Clock, Figures, Measured, child, evaluate, print_table, python, race, train

from estimator_lab.base.keys import to_unit_range
from estimator_lab.data.demo_sets.archives import cached_demo
from estimator_lab.runs.model import open_trained
from estimator_lab.runs.reference_classifier import freeze
from estimator_lab.tf1 import tf

MNIST = '--image_size=28'
JUDGE = ('--model=cnn', '--batch_size=100', '--epochs=15', '--augment=shift=2')
GAN = ('--model=gan', f'--batch_size={BATCH}', '--eval_steps=40')
STEPS = {'digits': 16_000, 'faces': 5_000}
SAMPLES = 10_000
_BATCH = 500
FIGURES = Figures(
    __doc__,
    train=('', 'training archive'),
    test=('', 'test archive'),
    runs=('runs/gan_figures', 'folder of the trained models'),
    judge=('', 'folder of a trained classifier; default: train one'),
    steps=(0, 'of the training; 0: as many as the recorded figure has'),
    seconds=(0.0, 'of the rival in quality; 0: as many as ours took'),
    rival=(sys.executable, 'a Python that has PyTorch'),
    hparams=('', 'further hyper-parameters of the gan'),
)


def draw(folder: Path, out: Path, count: int, *flags: str) -> Path:
    """Writes samples of a model to a file, unless there are some from after its last training."""
    trained = (folder / 'checkpoint').stat().st_mtime
    if not out.exists() or out.stat().st_mtime < trained:
        out.unlink(missing_ok=True)
        flags = f'--model_dir={folder}', f'--count={count}', f'--out={out}', *flags
        python('-m', 'estimator_lab.dream', *flags)
    return out


class ReferenceClassifier:
    """Scores of images by a classifier, in NumPy and SciPy.

    Args:
      folder: model_dir of the classifier.
    """

    def __init__(self, folder: Path) -> None:
        trained = open_trained(folder)
        with tf.Graph().as_default() as graph:
            self._images = tf.placeholder(tf.float32, [None, *trained.shape])
            self._outputs = freeze(trained)(self._images)
        self._session = tf.Session(graph=graph)

    def outputs(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns (probabilities, hidden values) of uint8 [n, height, width, channels]."""
        parts = [
            self._session.run(self._outputs, {self._images: to_unit_range(pixels[first : first + _BATCH])})
            for first in range(0, len(pixels), _BATCH)
        ]
        return tuple(np.concatenate(one).astype(np.float64) for one in zip(*parts, strict=True))  # type: ignore[return-value]

    def score(self, pixels: np.ndarray) -> float:
        """Returns the classifier score."""
        p = np.maximum(self.outputs(pixels)[0], 1e-30)
        return float(np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(0))), axis=1))))

    def distance(self, pixels: np.ndarray, others: np.ndarray) -> float:
        """Returns the Frechet distance of two sets of images."""
        from scipy.linalg import sqrtm

        a, b = self.outputs(pixels)[1], self.outputs(others)[1]
        covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
        root = sqrtm(covariances[0] @ covariances[1]).real
        return float(np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(sum(covariances) - 2 * root))


def conditional(given: argparse.Namespace, name: str, *flags: str) -> tuple[Path, Path]:
    """Trains a judge, unless there is one, and a conditional generator; returns the folders of both."""
    runs = Path(given.runs)
    judge = Path(given.judge or runs / {'digits': 'judge'}.get(name, f'judge_{name}'))
    if not (judge / 'export').exists() and not given.judge:
        train(*JUDGE, *flags, '--export=final', model_dir=judge)
    hparams = ','.join(filter(None, [f'conditional=true,judge={judge}', given.hparams]))
    steps = f'--max_steps={given.steps or STEPS[name]}'
    train(*GAN, *flags, steps, f'--hparams={hparams}', '--export=best', model_dir=runs / name)
    return runs / name, judge


def digits(given: argparse.Namespace) -> tuple[Path, Path]:
    """Returns the folders of the conditional generator of digits and of its judge."""
    return conditional(given, 'digits', f'--data={given.train}', f'--eval_data={given.test}', MNIST)


@FIGURES.add('train', 'test')
def quality(given: argparse.Namespace) -> None:
    """Prints the scores of 10,000 samples of a generator, and of PyTorch's DCGAN trained for as long."""
    started = time.monotonic()
    folder, judge_folder = digits(given)
    seconds = given.seconds or time.monotonic() - started
    ours, _ = read_images(draw(folder, Path(given.runs, 'quality.tar'), SAMPLES))
    judge = ReferenceClassifier(judge_folder)
    (real, _), (training, _) = read_images(given.test), read_images(given.train)
    print(f'classifier score {judge.score(ours):.3f}; of the test images {judge.score(real):.3f}')
    print(f'Frechet distance {judge.distance(ours, real):.2f}')
    chosen = np.random.default_rng(1).permutation(len(training))[:SAMPLES]
    print(f'  of 10,000 training images {judge.distance(training[chosen], real):.2f}')
    rival = Path(given.runs, 'dcgan.tar')
    try:
        script = HERE / 'gan_contenders.py'
        printed = python(script, 'dcgan', given.train, f'{seconds:.0f}', rival, executable=given.rival)
    except subprocess.CalledProcessError:
        print('  no rival: it needs PyTorch')
        return
    theirs, _ = read_images(rival)
    score, distance = judge.score(theirs), judge.distance(theirs, real)
    print(f'  DCGAN {json.loads(printed)["note"]}: score {score:.3f}, distance {distance:.2f}')


@FIGURES.add('train', 'test')
def fakes(given: argparse.Namespace) -> None:
    """Trains a CNN on fakes only; prints its accuracy on real digits."""
    folder, _ = digits(given)
    archive = draw(folder, Path(given.runs, 'fakes.tar'), 60_000)
    student = Path(given.runs, 'student')
    train(*JUDGE, MNIST, f'--data={archive}', f'--eval_data={given.test}', model_dir=student)
    accuracy = evaluate(student, given.test)['metrics']['accuracy']
    print(f'accuracy on real digits {accuracy:.4f}')


@FIGURES.add()
def step(given: argparse.Namespace) -> None:
    """Prints the time of a step, ours and PyTorch's, three times in turn."""
    steps = given.steps or 100
    contenders = {'ours': functools.partial(_our_step, steps)}
    for name in ('pytorch', 'pytorch_without_spectral_norm'):
        contenders[name] = functools.partial(child, 'gan_contenders.py', name, steps, executable=given.rival)
    print_table(race(contenders, 3), 'images', 'step', BATCH)


def _our_step(steps: int) -> Measured:
    """Measures --model=gan in an Estimator, on images in memory."""
    from estimator_lab.models.gan.model import model_fn

    def input_fn() -> tf.data.Dataset:
        images = np.random.default_rng(0).random((BATCH, SIDE, SIDE, 1), np.float32)
        return tf.data.Dataset.from_tensors({'image': images}).repeat()

    clock = Clock(steps, BATCH)
    params = {'image_shape': (SIDE, SIDE, 1), 'latent_size': LATENT}
    config = tf.estimator.RunConfig(save_summary_steps=None, save_checkpoints_secs=10_000, tf_random_seed=1)
    estimator = tf.estimator.Estimator(model_fn, config=config, params=params)
    estimator.train(input_fn, [clock.hook()], clock.total)
    return clock.measured(f'TensorFlow {tf.__version__}')


@FIGURES.add()
def faces(given: argparse.Namespace) -> None:
    """Trains a conditional generator on the built-in faces; prints its metrics, draws a picture."""
    paths = cached_demo()
    flags = f'--data={paths.train}', f'--eval_data={paths.test}', '--image_size=64', '--channels=3'
    folder, _ = conditional(given, 'faces', *flags)
    metrics = evaluate(folder, paths.test)['metrics']
    print({name: round(value, 3) for name, value in metrics.items()})
    out = draw(folder, Path(given.runs, 'faces.png'), 40)
    print(f"judge's accuracy on fakes {metrics['judge_accuracy']:.3f}; picture {out}")


if __name__ == '__main__':
    FIGURES.main()
