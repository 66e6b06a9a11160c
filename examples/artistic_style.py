"""The notes, "Artistic style": changes the pixels of one picture until it has a style.

    python examples/artistic_style.py CONTENT STYLE OUT [--perceptual=runs/vgg16]

Takes about 1 min on 2 cores. With a VGG-16 it takes several. (Gatys, Ecker and Bethge 2016.) Starting from
the photo CONTENT, L-BFGS changes the picture so that a perceptual network responds to it as to the content of
the photo and the textures of STYLE. --perceptual is the model_dir of a vgg or cnn (default: random filters).
`--model=style` trains a network that paints any photo in one pass.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import loading  # noqa: F401
import numpy as np
from PIL import Image

from estimator_lab.conventions import to_unit_range
from estimator_lab.core.display.picture import as_picture
from estimator_lab.core.style.perceptual_loss import PerceptualLoss
from estimator_lab.inference.painting import upright
from estimator_lab.models.style import Params, perceived_losses
from estimator_lab.optimizers import LBFGSOptimizer
from estimator_lab.runs.style_targets import make_style_targets
from estimator_lab.tf1 import tf


class State(NamedTuple):
    """The picture after some iterations.

    Attributes:
      iteration: the number of iterations.
      picture: float32 [height, width, channels], about [0, 1].
      loss: content and style losses, weighted.
    """

    iteration: int
    picture: np.ndarray
    loss: float


def optimized(
    perceptual_loss: PerceptualLoss, photo: np.ndarray, params: Params, iterations: int
) -> Iterator[State]:
    """Yields the initial picture, and the picture after each iteration of L-BFGS.

    Args:
      perceptual_loss: a perceptual network and one style.
      photo: float32 [height, width, channels] in [0, 1].
      params: the weights of the losses.
      iterations: the number of iterations.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        picture = tf.get_variable('picture', initializer=photo[np.newaxis])
        losses = perceived_losses(perceptual_loss, tf.constant(photo[np.newaxis]), tf.ones([1, 1]))(picture)
        step = LBFGSOptimizer().minimize(tf.reduce_mean(losses.total(params)), var_list=[picture])
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        for iteration in range(iterations + 1):
            if iteration:
                session.run(step)
            values, loss = session.run([picture, losses.perceptual(params)])
            yield State(iteration, values[0], float(loss[0]))


def main(given: argparse.Namespace) -> float:
    """Writes the picture; returns its loss."""
    photo = upright(given.content.read_bytes()).convert('RGB')
    photo.thumbnail((given.size, given.size), Image.Resampling.LANCZOS)
    pixels = to_unit_range(np.asarray(photo))
    params = Params(
        image_shape=pixels.shape,
        style_image=given.style,
        style_size=given.size,
        perceptual=given.perceptual,
        style_weight=given.style_weight,
    )
    for state in optimized(make_style_targets(params).perceptual_loss, pixels, params, given.iterations):
        if state.iteration % 10 == 0 or state.iteration == given.iterations:
            print(f'iteration {state.iteration:4}  loss {state.loss:.4f}', flush=True)
    as_picture(state.picture).save(given.out)
    return state.loss


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument('content', type=Path, help='a photo')
    parser.add_argument('style', help='a picture')
    parser.add_argument('out', help='output file, such as a.png')
    parser.add_argument('--perceptual', default='', help='model_dir of a vgg or cnn; default: random filters')
    parser.add_argument('--iterations', type=int, default=100, help='of L-BFGS')
    parser.add_argument('--size', type=int, default=256, help='pixels of the longer side')
    parser.add_argument('--style_weight', type=float, default=2.0, help='of the style loss')
    return parser.parse_args(arguments)


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour
    main(parse())
