"""Paintings of photos by a transform net, each at its photo's size."""

import numpy as np
from PIL import Image

from estimator_lab.base.keys import IMAGE, to_bytes, to_unit_range
from estimator_lab.core import keys
from estimator_lab.models.style.transform_net import SMALLEST_SIDE
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf


class Artist:
    """A style transfer network in its own session, which ends with the `with` block.

    Raises:
      LabError: its checkpoint can't be restored.
    """

    def __init__(self, run: Trained) -> None:
        self._channels = run.shape.channels
        with tf.Graph().as_default():
            self._photos = tf.placeholder(tf.float32, [None, None, None, self._channels])
            self._painted = run.predictions({IMAGE: self._photos}).predictions[keys.PAINTED]
            self._session = run.session()

    def __enter__(self) -> 'Artist':
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def paint(self, photo: Image.Image) -> np.ndarray:
        """Returns the painting of a photo, uint8 [height, width, channels]."""
        pixels = np.asarray(photo.convert('L' if self._channels == 1 else 'RGB'))
        pixels = pixels.reshape(photo.height, photo.width, self._channels)
        margins = [(0, max(SMALLEST_SIDE - side, 0)) for side in pixels.shape[:2]]
        padded = to_unit_range(np.pad(pixels, [*margins, (0, 0)], 'edge'))
        (painted,) = self._session.run(self._painted, {self._photos: padded[np.newaxis]})
        return to_bytes(painted)[: photo.height, : photo.width]
