"""Prints the figures of the painter of styles, each with the command that made it.

    python benchmarks/style_figures.py learned --train=photos-train.tar --test=photos-test.tar
                        with --perceptual=runs/vgg16 --style=wave.jpg, or without: content and style losses on
                        unseen photos, beside those of the photos as they are and of 50 and 100 iterations
                        of L-BFGS on each picture itself; half an hour, then minutes a photo
    python benchmarks/style_figures.py paint --model_dir=runs/style
                        milliseconds to paint a photo of 512x512 and of 1024x1024; with --rival=python, one
                        that has PyTorch and ONNX Runtime, beside Johnson's network there

`learned` trains in --model_dir, or goes on with what is there. The package has to be installed (`pip install
-e '.[test]'`), and nothing else may run meanwhile.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from machine import this_machine
from painting_time import SIDES, print_times, random_photo

from estimator_lab.conventions import to_unit_range
from estimator_lab.core.model import keys
from estimator_lab.core.style.perceptual_loss import FILE, PerceptualLoss, load_perceptual_loss
from estimator_lab.data.order.archives import open_archives
from estimator_lab.inference.painting import Artist
from estimator_lab.models.style import perceived_losses
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.tf1 import tf
from estimator_lab.training.experiment import Experiment
from estimator_lab.training.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1] / 'examples'))
from artistic_style import optimized

_ITERATIONS = (50, 100)
_CONTENDERS = Path(__file__).with_name('style_contenders.py')


def learned(given: argparse.Namespace) -> None:
    """Trains a painter and compares it with L-BFGS on each picture."""
    started, cpu = time.monotonic(), time.process_time()
    settings = Settings(
        model='style',
        data=[given.train],
        eval_data=[given.test],
        model_dir=Path(given.model_dir),
        image_size=given.image_size,
        channels=3,
        batch_size=given.batch_size,
        max_steps=given.steps,
        eval_steps=30,
        precision=given.precision,
        hparams=f'style_image={given.style},perceptual={given.perceptual},{given.hparams}',
    )
    result = Experiment(settings, lambda line: None).train()
    print(
        f'{result.step} steps in {given.model_dir}: {time.monotonic() - started:.0f} s, of which '
        f'{time.process_time() - cpu:.0f} s of processors',
        flush=True,
    )
    trained = open_trained(settings.model_dir)
    perceptual_loss = load_perceptual_loss(settings.model_dir / FILE)
    names = ('photo', 'painted', *(f'{count} iterations' for count in _ITERATIONS))
    losses: dict[str, list[float]] = {name: [] for name in names}
    for number, photo in enumerate(unseen(trained, given.test, given.photos), 1):
        ours = painted_loss(trained, perceptual_loss, photo)
        states = optimized(perceptual_loss, photo, trained.params, max(_ITERATIONS))
        found = {state.iteration: state.loss for state in states}
        for name, loss in zip(names, (found[0], ours, *(found[n] for n in _ITERATIONS)), strict=True):
            losses[name].append(loss)
        means = ', '.join(f'{name} {np.mean(values):.4f}' for name, values in losses.items())
        print(f'mean of {number} unseen photos: {means}', flush=True)


def unseen(trained: Trained, archive: str, count: int) -> Iterator[np.ndarray]:
    """Yields photos at equal distances in an archive, as training would see them."""
    members = [scheduled.read() for scheduled in open_archives([archive]).order().epoch(0)]
    for member in members[:: max(len(members) // count, 1)][:count]:
        yield to_unit_range(trained.image_reader().decode(member.data, *trained.shape))


def painted_loss(trained: Trained, perceptual_loss: PerceptualLoss, photo: np.ndarray) -> float:
    """Returns content and style losses of a painting, weighted, in float32."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.get_or_create_global_step()
        photos = tf.constant(photo[np.newaxis])
        spec = trained.model.model_fn(
            {'image': photos}, None, tf.estimator.ModeKeys.PREDICT, trained.estimator_params
        )
        mix = tf.constant([trained.params.shares])
        losses = perceived_losses(perceptual_loss, photos, mix)(spec.predictions[keys.PAINTED])
        session.run(tf.local_variables_initializer())
        tf.train.Saver(tf.trainable_variables()).restore(session, trained.checkpoint)
        return float(session.run(losses.perceptual(trained.params))[0])


def paint(given: argparse.Namespace) -> None:
    """Prints how long a painting takes here, and in PyTorch and ONNX Runtime with --rival."""
    with Artist(open_trained(Path(given.model_dir))) as artist:
        for side in SIDES:
            print_times('estimator_lab', artist.paint, random_photo(side, artist.channels))
    if given.rival:
        subprocess.run([given.rival, str(_CONTENDERS)], check=True)


FIGURES = {f.__name__: f for f in (learned, paint)}


def main() -> None:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('figure', choices=list(FIGURES))
    parser.add_argument('--model_dir', default='runs/style', help='of the painter')
    parser.add_argument('--rival', default='', help='a Python that has PyTorch and ONNX Runtime')
    parser.add_argument('--perceptual', default='', help='model_dir of a vgg or cnn')
    parser.add_argument('--style', default='', help='picture of the style')
    parser.add_argument('--hparams', default='', help='others of the painter, as of estimator_lab.train')
    parser.add_argument('--train', help='training archive')
    parser.add_argument('--test', help='test archive')
    parser.add_argument('--image_size', type=int, default=128, help='of training')
    parser.add_argument('--batch_size', type=int, default=2, help='of training')
    parser.add_argument('--steps', type=int, default=2400, help='of training')
    parser.add_argument('--precision', default='float32', help='of training')
    parser.add_argument('--photos', type=int, default=10, help='unseen photos that are compared')
    given = parser.parse_args()
    if given.figure == 'learned' and not (given.train and given.test):
        parser.error('learned needs --train and --test')
    print(this_machine())
    FIGURES[given.figure](given)


if __name__ == '__main__':
    main()
