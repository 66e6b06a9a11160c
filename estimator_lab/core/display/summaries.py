"""Summaries for TensorBoard: histograms, first-layer filters, activation maps, pictures."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.core.display.drawing import Drawing
from estimator_lab.core.display.picture import (
    BRIGHT,
    COLUMNS,
    as_picture,
    png_bytes,
    stretched,
    with_row_texts,
)
from estimator_lab.core.model.endpoints import Endpoints, first_filters, maps_of
from estimator_lab.tf1 import Tensor, tf

# A histogram of all values of a large matrix takes longer than the training step.
_HISTOGRAM_VALUES = 50_000
# One scope for the operations of all summaries keeps TensorBoard's graph readable; the slash reuses it. The
# summaries themselves are outside, since a scope becomes part of the tag.
_SCOPE = 'summary_values/'
_FIELDS = 64
_GAP = 1  # pixels between the tiles of a grid
_BINS = 50
_PICTURES = 'images'
_VARIABLES = ('VarHandleOp', 'VariableV2')


def grid(tiles: np.ndarray, columns: int = COLUMNS) -> np.ndarray:
    """Arranges images as one picture; the last row is padded with 0.

    Args:
      tiles: [n, height, width, channels].
      columns: images in a row.

    Returns:
      [rows * (height + 1), columns * (width + 1), channels].
    """
    count, height, width, channels = tiles.shape
    rows = -(-count // columns)
    tiles = np.pad(tiles, [(0, rows * columns - count), (0, _GAP), (0, _GAP), (0, 0)])
    tiles = tiles.reshape(rows, columns, height + _GAP, width + _GAP, channels).swapaxes(1, 2)
    return tiles.reshape(rows * (height + _GAP), columns * (width + _GAP), channels)


def filter_drawing(name: str, kernel: Tensor) -> Drawing:
    """Shows first-layer filters, each scaled from black to white.

    Args:
      name: name of the picture.
      kernel: float32 [height, width, channels, filters]; channels are averaged unless there are 1 or 3.
    """

    def draw(values: np.ndarray) -> list[Any]:
        tiles = np.moveaxis(values, 3, 0)
        if tiles.shape[3] not in (1, 3):
            tiles = tiles.mean(axis=3, keepdims=True)
        return [picture_value(name, as_picture(grid(stretched(tiles))))]

    with tf.name_scope(_SCOPE):
        return Drawing(tf.identity(kernel), draw)


def rows_drawing(name: str, rows: Sequence[tuple[str, Any]]) -> Drawing:
    """Shows the first eight examples of several batches in rows: for instance, inputs and reconstructions.

    Args:
      name: name of the picture.
      rows: a caption for the left of each row, '' for none, and its images: float32 [batch, height, width,
        channels], all of one shape; clipped to [0, 1]. In a smaller batch, missing examples are black.
    """
    texts = [text for text, _ in rows]

    def draw(found: Sequence[np.ndarray]) -> list[Any]:
        tiles = [np.pad(row, [(0, COLUMNS - len(row)), (0, 0), (0, 0), (0, 0)]) for row in found]
        return [picture_value(name, with_row_texts(as_picture(grid(np.concatenate(tiles))), texts))]

    with tf.name_scope(_SCOPE):
        return Drawing([images[:COLUMNS] for _, images in rows], draw)


def activation_map_drawing(name: str, activations: Tensor) -> Drawing:
    """Shows a layer's activation maps for the first example of the batch.

    Args:
      name: name of the picture.
      activations: float32 [batch, height, width, filters], batch at least 1.
    """

    def draw(maps: np.ndarray) -> list[Any]:
        tiles = np.moveaxis(maps, 2, 0)[..., np.newaxis]
        return [picture_value(name, as_picture(grid(stretched(tiles, BRIGHT))))]

    with tf.name_scope(_SCOPE):
        return Drawing(activations[0], draw)


def picture_tag(name: str) -> str:
    """Returns the tag of a picture, which is that of `tf.summary.image`."""
    return f'{_PICTURES}/{name}/image'


def picture_value(name: str, picture: Image.Image) -> Any:
    """Returns a grey or RGB picture as a tf.Summary.Value."""
    image = tf.Summary.Image(
        height=picture.height,
        width=picture.width,
        colorspace=len(picture.getbands()),
        encoded_image_string=png_bytes(picture),
    )
    return tf.Summary.Value(tag=picture_tag(name), image=image)


def histogram_value(tag: str, values: np.ndarray) -> Any:
    """Returns a histogram of values, computed outside the graph, as a tf.Summary.Value."""
    counts, edges = np.histogram(values, _BINS)
    histogram = tf.HistogramProto(
        min=values.min(),
        max=values.max(),
        num=values.size,
        sum=values.sum(),
        sum_squares=np.square(values).sum(),
        bucket_limit=edges[1:],
        bucket=counts,
    )
    return tf.Summary.Value(tag=tag, histo=histogram)


def histogram_summary(name: str, values: Tensor) -> None:
    """Shows a histogram of a tensor, or of every n-th value of a large one.

    Args:
      name: tag in TensorBoard.
      values: any float tensor.
    """
    with tf.name_scope(_SCOPE):
        flat = tf.reshape(values, [-1])
        sample = flat[:: tf.maximum(tf.size(flat) // _HISTOGRAM_VALUES, 1)]
    tf.summary.histogram(name, sample)


def weight_histograms(endpoints: Endpoints = MappingProxyType({})) -> None:
    """Shows a histogram of each trainable variable as weights/LAYER/VARIABLE.

    LAYER is the name of the endpoint, or for other variables their scope.
    """
    layers = _names_of_layers(endpoints)
    for variable in tf.trainable_variables():
        scope, _, own = variable.op.name.rpartition('/')
        histogram_summary(f'weights/{layers.get(scope, scope)}/{own}', variable)


def layer_histograms(endpoints: Endpoints) -> None:
    """Shows a histogram of each layer's activations as activations/LAYER."""
    for name, endpoint in endpoints.items():
        if endpoint.kernel is not None:
            histogram_summary(f'activations/{name}', endpoint.values)


def _names_of_layers(endpoints: Endpoints) -> Mapping[str, str]:
    """Returns scope of variables -> name of the endpoint, for scopes with one endpoint."""
    found: dict[str, str] = {}
    twice = set()
    for name, endpoint in endpoints.items():
        op = getattr(endpoint.kernel, 'op', None)
        if op is not None and op.type in _VARIABLES:
            scope = op.name.rpartition('/')[0]
            if scope in found:
                twice.add(scope)
            found[scope] = name
    return {scope: name for scope, name in found.items() if scope not in twice}


def summarise_network(endpoints: Endpoints) -> None:
    """Adds the histograms weights/LAYER/VARIABLE and activations/LAYER to the graph."""
    weight_histograms(endpoints)
    layer_histograms(endpoints)


def network_pictures(endpoints: Endpoints, image_shape: Sequence[int]) -> list[Drawing]:
    """Returns the drawings of a network.

    `images/filters_LAYER`, or `images/receptive_fields` for a dense layer, shows the first layer's weights;
    `images/activation_map_LAYER` shows the maps of a convolution for the first example.
    """
    first = first_filters(endpoints, image_shape)
    return [
        *(filter_drawing(name, filters[..., :_FIELDS]) for name, filters in first.items()),
        *(
            activation_map_drawing(f'activation_map_{name}', maps)
            for name, maps in maps_of(endpoints).items()
        ),
    ]
