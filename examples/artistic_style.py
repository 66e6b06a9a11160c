"""The notes, "Artistic style": changes the pixels of one picture until it has a style.

    python examples/artistic_style.py CONTENT STYLE OUT [--perceptual=runs/vgg16]

Takes about 1 min on 2 cores. With a VGG-16 it takes several. (Gatys, Ecker and Bethge 2016.) Starting from
the photo CONTENT, L-BFGS changes the picture so that a perceptual network responds to it as to the content of
the photo and the textures of STYLE. --perceptual is the model_dir of a vgg or cnn (default: random filters).
`--model=style` trains a network that paints any photo in one pass.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import built_in_data  # noqa: F401 - hides what TensorFlow logs when it is imported
import numpy as np
from PIL import Image, ImageOps

from estimator_lab import api
from estimator_lab.optimizers import LBFGSOptimizer
from estimator_lab.tf1 import tf

SMOOTHNESS = 5.0  # weight of the total variation


def optimized(
    photo: np.ndarray, losses_of: Callable[[Any], Any], style_weight: float, iterations: int
) -> Iterator[tuple[np.ndarray, float]]:
    """Yields the picture with its loss of content and style: first the photo, then after each iteration.

    Args:
      photo: float32 [height, width, channels] in [0, 1].
      losses_of: returns the losses of pictures, as `api.style_losses` does.
      style_weight: of the style loss; the content loss has 1.
      iterations: of L-BFGS.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        picture = tf.get_variable('picture', initializer=photo[np.newaxis])
        losses = losses_of(picture)
        perceived = losses.content + style_weight * losses.style
        step = LBFGSOptimizer().minimize(
            tf.reduce_mean(perceived + SMOOTHNESS * losses.variation), var_list=[picture]
        )
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        for iteration in range(iterations + 1):
            if iteration:
                session.run(step)
            values, loss = session.run([picture, perceived])
            yield values[0], float(loss[0])


def main(given: argparse.Namespace) -> float:
    """Writes the picture, every ten iterations and at the end; returns its loss."""
    photo = ImageOps.exif_transpose(Image.open(given.content)).convert('RGB')
    photo.thumbnail((given.size, given.size), Image.Resampling.LANCZOS)
    pixels = np.asarray(photo, np.float32) / 255
    losses_of = api.style_losses(pixels, given.style, given.perceptual, given.size)
    states = optimized(pixels, losses_of, given.style_weight, given.iterations)
    for iteration, (picture, loss) in enumerate(states):
        if iteration % 10 == 0 or iteration == given.iterations:
            print(f'iteration {iteration:4}  loss {loss:.4f}', flush=True)
            api.as_picture(np.clip(picture, 0, 1)).save(given.out)
    return loss


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
    parser.add_argument('--style_weight', type=float, default=5.0, help='of the style loss')
    return parser.parse_args(arguments)


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour
    main(parse())
