"""Paintings of photos by a transform net, each at its photo's size."""

import contextlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from estimator_lab.base.keys import IMAGE, to_bytes, to_unit_range
from estimator_lab.core import keys
from estimator_lab.core.abilities import Paint
from estimator_lab.models.style.transform_net import SMALLEST_SIDE
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf


@contextlib.contextmanager
def painter(run: Trained) -> Iterator[Paint]:
    """Yields what paints photos, in a session that ends with the `with` block: see `core.abilities.Paints`.

    Raises:
      LabError: its checkpoint can't be restored.
    """
    channels = run.shape.channels
    with tf.Graph().as_default():
        photos = tf.placeholder(tf.float32, [None, None, None, channels])
        paintings = run.predictions({IMAGE: photos}).predictions[keys.PAINTED]
        session = run.session()

    def paint(photo: Image.Image) -> np.ndarray:
        pixels = np.asarray(photo.convert('L' if channels == 1 else 'RGB'))
        pixels = pixels.reshape(photo.height, photo.width, channels)
        margins = [(0, max(SMALLEST_SIDE - side, 0)) for side in pixels.shape[:2]]
        padded = to_unit_range(np.pad(pixels, [*margins, (0, 0)], 'edge'))
        (painted,) = session.run(paintings, {photos: padded[np.newaxis]})
        return to_bytes(painted)[: photo.height, : photo.width]

    with contextlib.closing(session):
        yield paint
