"""What the network is shown: a grid of the batch's images, each with its label."""

from collections.abc import Callable
from typing import Any

from estimator_lab.core.display.display import Display
from estimator_lab.core.display.drawing import DrawingHook
from estimator_lab.core.display.picture import labelled_grid
from estimator_lab.core.display.summaries import picture_value
from estimator_lab.tf1 import SessionRunHook, Tensor, tf

_SHOWN = 24


def input_grid_hook(
    images: Tensor, labels: Tensor, text_of: Callable[[int], str], display: Display
) -> SessionRunHook:
    """Returns the hook that writes a grid of the batch's images, each with its label, as `images/input`.

    Args:
      images: float32 tensor [batch, height, width, channels] in [0, 1]; channels 1 or 3.
      labels: int64 tensor [batch].
      text_of: the text of a class id.
      display: where it goes.
    """

    def draw(batch: Any) -> Any:
        tiles, ids = batch
        picture = labelled_grid(tiles, [text_of(int(label)) for label in ids])
        return tf.Summary(value=[picture_value('input', picture)])

    with tf.name_scope('pictures'):
        shown = (images[:_SHOWN], labels[:_SHOWN])
    return DrawingHook(shown, draw, display)
