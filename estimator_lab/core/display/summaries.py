"""Summaries for TensorBoard: histograms, first-layer filters, activation maps, pictures."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.core.display.picture import png_bytes
from estimator_lab.core.model.endpoints import Endpoints, first_filters, maps_of
from estimator_lab.tf1 import Tensor, tf

# A histogram of all values of a large matrix takes longer than the training step.
_HISTOGRAM_VALUES = 50_000
# One scope for the operations of all summaries keeps TensorBoard's graph readable; the slash reuses it. The
# summaries themselves are outside, since a scope becomes part of the tag.
_SCOPE = 'summary_values/'
_GAP = 1  # pixels between the tiles of a grid
_BINS = 50
_PICTURES = 'images'
_VARIABLES = ('VarHandleOp', 'VariableV2')


def grid(tiles: Tensor, columns: int) -> Tensor:
    """Arranges images as one picture.

    Args:
      tiles: float32 [n, height, width, channels].
      columns: tiles in a row; the last row is padded with 0.

    Returns:
      float32 [1, rows * (height + 1), columns * (width + 1), channels].
    """
    count, height, width, channels = tiles.shape.as_list()
    rows = -(-count // columns)
    tiles = tf.pad(tiles, [[0, rows * columns - count], [0, _GAP], [0, _GAP], [0, 0]])
    height, width = height + _GAP, width + _GAP
    tiles = tf.reshape(tiles, [rows, columns, height, width, channels])
    return tf.reshape(tf.transpose(tiles, [0, 2, 1, 3, 4]), [1, rows * height, columns * width, channels])


def filter_summary(name: str, kernel: Tensor, columns: int = 8) -> Tensor:
    """Shows first-layer filters, each scaled from black to white.

    Args:
      name: name of the picture.
      kernel: float32 [height, width, channels, filters]; channels are averaged unless there are 1 or 3.
      columns: filters in a row.
    """
    with tf.name_scope(_SCOPE):
        tiles = tf.transpose(kernel, [3, 0, 1, 2])
        if tiles.shape.as_list()[3] not in (1, 3):
            tiles = tf.reduce_mean(tiles, axis=3, keepdims=True)
        picture = grid(_stretched(tiles), columns)
    return _image_summary(name, picture)


def rows_summary(name: str, rows: Sequence[Any], columns: int = 8) -> Tensor:
    """Shows the first examples of several batches in rows: for instance, inputs and reconstructions.

    Args:
      name: name of the picture.
      rows: float32 [batch, height, width, channels] each, all of one shape; clipped to [0, 1].
      columns: number of examples to show; in a smaller batch, missing ones are black.
    """
    with tf.name_scope(_SCOPE):
        tiles = []
        for row in rows:
            missing = tf.maximum(columns - tf.shape(row)[0], 0)
            filled = tf.pad(row[:columns], [[0, missing], [0, 0], [0, 0], [0, 0]])
            tiles.append(tf.ensure_shape(filled, [columns, *row.shape.as_list()[1:]]))
        # As uint8: tf.summary.image scales float images to their brightest value.
        picture = tf.image.convert_image_dtype(grid(tf.concat(tiles, 0), columns), tf.uint8, saturate=True)
    return _image_summary(name, picture)


def activation_map_summary(name: str, activations: Tensor, columns: int = 8) -> Tensor:
    """Shows a layer's activation maps for the first example of the batch.

    Args:
      name: name of the picture.
      activations: float32 [batch, height, width, filters], batch at least 1.
      columns: maps in a row.
    """
    with tf.name_scope(_SCOPE):
        maps = tf.expand_dims(tf.transpose(activations[0], [2, 0, 1]), axis=3)
        picture = grid(_stretched(maps), columns)
    return _image_summary(name, picture)


def picture_tag(name: str) -> str:
    """Returns the tag of a picture, which is that of `tf.summary.image`."""
    return f'{_PICTURES}/{name}/image'


def picture_value(name: str, picture: Image.Image) -> Any:
    """Returns an RGB picture, drawn outside the graph, as a tf.Summary.Value."""
    image = tf.Summary.Image(
        height=picture.height, width=picture.width, colorspace=3, encoded_image_string=png_bytes(picture)
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

    Args:
      endpoints: the network's endpoints, whose names replace the scopes of their variables.
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


def _image_summary(name: str, picture: Tensor) -> Tensor:
    """Returns a picture as a serialised summary in no collection, for `drawing_hooks`."""
    return tf.summary.image(f'{_PICTURES}/{name}', picture, max_outputs=1, collections=[])


def _stretched(tiles: Tensor) -> Tensor:
    """Scales each tile [n, height, width, channels] to [0, 1]; a constant one becomes 0."""
    low = tf.reduce_min(tiles, axis=[1, 2, 3], keepdims=True)
    high = tf.reduce_max(tiles, axis=[1, 2, 3], keepdims=True)
    return tf.div_no_nan(tiles - low, high - low)


_FIELDS = 64


def summarise_network(endpoints: Endpoints) -> None:
    """Adds the histograms weights/LAYER/VARIABLE and activations/LAYER to the graph."""
    weight_histograms(endpoints)
    layer_histograms(endpoints)


def network_pictures(endpoints: Endpoints, image_shape: Sequence[int]) -> list[Tensor]:
    """Returns the pictures of a network, as serialised summaries.

    `images/filters_LAYER`, or `images/receptive_fields` for a dense layer, shows the first layer's weights;
    `images/activation_map_LAYER` shows the maps of a convolution for the first example.

    Args:
      endpoints: the network's endpoints.
      image_shape: (height, width, channels) of its input.
    """
    first = first_filters(endpoints, image_shape)
    return [
        *(filter_summary(name, filters[..., :_FIELDS]) for name, filters in first.items()),
        *(
            activation_map_summary(f'activation_map_{name}', maps)
            for name, maps in maps_of(endpoints).items()
        ),
    ]
