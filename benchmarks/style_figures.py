"""Figures of the transform networks that paint photos in a style.

    python benchmarks/style_figures.py learned --train=photos-train.tar --test=photos-test.tar
                        with --perceptual=runs/vgg16 --style=wave.jpg, or without: content and style losses on
                        unseen photos, of the photos themselves, of paintings, and after 50 and 100
                        iterations of L-BFGS on each picture, and how much of photos and paintings is
                        horizontal lines; half an hour, then minutes a photo
    python benchmarks/style_figures.py paint --model_dir=runs/style
                        milliseconds to paint a photo of 512x512 and of 1024x1024; with --rival=python, one
                        that has PyTorch and ONNX Runtime, also by Johnson's network there

`learned` trains in --model_dir, or resumes what is there. The machine must be idle otherwise.
"""

import argparse
import functools
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from archives import read_images
from runner import ROOT, Clock, Figures, Measured, child, print_table, race, train
from style_contenders import SIDES, random_photo

from estimator_lab.base.keys import to_unit_range
from estimator_lab.core import keys
from estimator_lab.inference.painting import Artist
from estimator_lab.models.style.model import Losses, perceived_losses
from estimator_lab.models.style.perceptual import FILE, PerceptualLoss, load_perceptual_loss
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.tf1 import tf

sys.path.insert(0, str(ROOT / 'examples'))
from artistic_style import optimized

_ITERATIONS = (50, 100)
FIGURES = Figures(
    __doc__,
    model_dir=('runs/style', 'of the painter'),
    rival=('', 'a Python that has PyTorch and ONNX Runtime'),
    perceptual=('', 'model_dir of a vgg or cnn'),
    style=('', 'picture of the style'),
    hparams=('', 'others of the painter, as of estimator_lab.train'),
    train=('', 'training archive'),
    test=('', 'test archive'),
    image_size=(128, 'of training'),
    batch_size=(2, 'of training'),
    steps=(4000, 'of training'),
    precision=('bfloat16', 'of training'),
    photos=(10, 'unseen photos that are compared'),
)


@FIGURES.add('train', 'test')
def learned(given: argparse.Namespace) -> None:
    """Trains a painter and compares it with L-BFGS on each picture."""
    train(
        '--model=style',
        *(f'--data={given.train}', f'--eval_data={given.test}', f'--image_size={given.image_size}'),
        *('--channels=3', f'--batch_size={given.batch_size}', f'--max_steps={given.steps}'),
        *('--eval_steps=30', f'--precision={given.precision}'),
        f'--hparams=style_image={given.style},perceptual={given.perceptual},{given.hparams}',
        model_dir=given.model_dir,
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f'{used.ru_utime + used.ru_stime:.0f} s of processors')
    trained = open_trained(Path(given.model_dir))
    perceptual_loss = load_perceptual_loss(trained.model_dir / FILE)
    losses: dict[str, list[float]] = {}
    photos, _ = read_images(given.test, trained.shape.width, trained.shape.channels)
    photos = to_unit_range(photos[:: max(len(photos) // given.photos, 1)][: given.photos])
    for number, photo in enumerate(photos, 1):
        losses_of = functools.partial(losses_for, perceptual_loss, photo)
        states = optimized(photo, losses_of, trained.params.style_weight, max(_ITERATIONS))
        by_iteration = [loss for _, loss in states]
        losses.setdefault('photo', []).append(by_iteration[0])
        picture, loss = painted(trained, perceptual_loss, photo)
        losses.setdefault('painted', []).append(loss)
        for count in _ITERATIONS:
            losses.setdefault(f'{count} iterations', []).append(by_iteration[count])
        losses.setdefault('lines of the photo', []).append(lines(photo))
        losses.setdefault('lines of the painting', []).append(lines(picture))
        means = ', '.join(f'{name} {np.mean(values):.4f}' for name, values in losses.items())
        print(f'mean of {number} unseen photos: {means}', flush=True)


def losses_for(perceptual_loss: PerceptualLoss, photo: np.ndarray, pictures: Any) -> Losses:
    """Returns the losses of pictures of a photo in the first style."""
    found: Losses = perceived_losses(perceptual_loss, tf.constant(photo[np.newaxis]), tf.ones([1, 1]))(
        pictures
    )
    return found


def painted(trained: Trained, perceptual_loss: PerceptualLoss, photo: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns a painting, and its content and style losses, weighted, in float32."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.get_or_create_global_step()
        photos = tf.constant(photo[np.newaxis])
        spec = trained.model.model_fn(
            {'image': photos}, None, tf.estimator.ModeKeys.PREDICT, trained.estimator_params
        )
        pictures = spec.predictions[keys.PAINTED]
        losses = perceived_losses(perceptual_loss, photos, tf.constant([trained.params.shares]))(pictures)
        session.run(tf.local_variables_initializer())
        tf.train.Saver(tf.trainable_variables()).restore(session, trained.checkpoint)
        picture, loss = session.run([pictures, losses.perceptual(trained.params)])
        return picture[0], float(loss[0])


def lines(picture: np.ndarray) -> float:
    """Returns the largest share of a picture's variance that a horizontal wave of 4 to 16 pixels has."""
    grey = picture.mean(axis=2)
    grey -= grey.mean()
    power = 2 * np.abs(np.fft.rfft(grey.mean(axis=1)) / len(grey)) ** 2
    periods = slice(len(grey) // 16, len(grey) // 4 + 1)
    return float(power[periods].max() / grey.var())


@FIGURES.add()
def paint(given: argparse.Namespace) -> None:
    """Prints how long a painting takes here, and in PyTorch and ONNX Runtime with --rival."""
    with Artist(open_trained(Path(given.model_dir))) as artist:
        for side in SIDES:
            photo = random_photo(side, artist.channels)
            paint = functools.partial(artist.paint, photo)
            contenders: dict[str, Callable[[], Measured]] = {'ours': functools.partial(_painting, paint)}
            for name in ('pytorch', 'onnx_runtime') if given.rival else ():
                run = functools.partial(child, 'style_contenders.py', name, side, executable=given.rival)
                contenders[name] = run
            print(f'{side}x{side}:')
            print_table(race(contenders, 3), 'photos')


def _painting(paint: Callable[[], object]) -> Measured:
    return Clock(20).time(paint, f'TensorFlow {tf.__version__}')


if __name__ == '__main__':
    FIGURES.main()
