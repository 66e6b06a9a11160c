"""Summaries in the graph: histograms of weights and layers, and pictures, which their own hook writes."""

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.core.endpoints import Endpoints, first_filters, maps_of, variables_of
from estimator_lab.core.picture import COLUMNS, labelled_grid, png_bytes
from estimator_lab.tf1 import Session, SessionRunHook, Tensor, Variable, tf

PICTURES = 'estimator_lab/pictures'
"""The graph's collection of the summaries that draw pictures."""

_SETS = 10  # of pictures in a run, which is how many TensorBoard keeps
# A histogram of all values of a large matrix takes longer than the training step.
_HISTOGRAM_VALUES = 50_000
# One scope for the operations of all summaries keeps TensorBoard's graph readable; the slash reuses it. The
# summaries themselves are outside, since a scope becomes part of the tag.
SCOPE = 'summary_values/'
_FIELDS = 64  # filters in a picture
_LABELLED = 24  # images with their labels
_GAP = 1  # pixels between the tiles of a grid


def histogram(name: str, values: Tensor) -> None:
    """Shows a histogram of a tensor, or of every n-th value of a large one, under a tag."""
    with tf.name_scope(SCOPE):
        flat = tf.reshape(values, [-1])
        sample = flat[:: tf.maximum(tf.size(flat) // _HISTOGRAM_VALUES, 1)]
    tf.summary.histogram(name, sample)


def weight_histograms(layers: Mapping[str, Sequence[Variable]] = MappingProxyType({})) -> None:
    """Shows a histogram of each trainable variable.

    Args:
      layers: variables by layer, shown as weights/LAYER/VARIABLE; others by their whole names.
    """
    tags = {variable.op.name: variable.op.name for variable in tf.trainable_variables()}
    for layer, variables in layers.items():
        names = [variable.op.name for variable in variables if variable.op.name in tags]
        common = posixpath.commonpath([name.rpartition('/')[0] for name in names]) if names else ''
        tags |= {name: f'{layer}/{name.removeprefix(common).lstrip("/")}' for name in names}
    for variable in tf.trainable_variables():
        histogram(f'weights/{tags[variable.op.name]}', variable)


def network_histograms(endpoints: Endpoints) -> None:
    """Shows histograms weights/LAYER/VARIABLE, and activations/LAYER of each layer with variables."""
    layers = variables_of(endpoints)
    weight_histograms(layers)
    for name, variables in layers.items():
        if variables:
            histogram(f'activations/{name}', endpoints[name])


def network_pictures(endpoints: Endpoints, image_shape: Sequence[int]) -> None:
    """Shows the first layer's weights, and the maps of each convolution for the first example.

    The weights are `images/filters_LAYER`, or `images/receptive_fields` for a dense layer that sees whole
    images; the maps are `images/activation_map_LAYER`. Each tile is scaled from black to white.
    """
    with tf.name_scope(SCOPE):
        filters = first_filters(tf.get_default_graph(), endpoints, image_shape)
    for name, kernel in filters.items():
        filters_picture(name, kernel)
    for name, maps in maps_of(endpoints).items():
        with tf.name_scope(SCOPE):
            tiles = tf.expand_dims(tf.transpose(maps[0], [2, 0, 1]), 3)
        picture(f'activation_map_{name}', grid(stretched(tiles)))


def filters_picture(name: str, kernel: Tensor) -> None:
    """Shows filters, float32 [height, width, channels, filters]; other channels than 1 or 3 are averaged."""
    with tf.name_scope(SCOPE):
        tiles = tf.transpose(kernel[..., :_FIELDS], [3, 0, 1, 2])
        if kernel.shape.as_list()[2] not in (1, 3):
            tiles = tf.reduce_mean(tiles, axis=3, keepdims=True)
    picture(name, grid(stretched(tiles)))


def rows_picture(name: str, rows: Sequence[Tensor]) -> None:
    """Shows the first eight examples of batches below each other, such as inputs and reconstructions.

    Each row is float32 [batch, height, width, channels], of one shape, clipped to [0, 1].
    """
    with tf.name_scope(SCOPE):
        missing = tf.maximum(COLUMNS - tf.shape(rows[0])[0], 0)
        tiles = [tf.pad(row[:COLUMNS], [[0, missing], [0, 0], [0, 0], [0, 0]]) for row in rows]
        whole = grid(tf.concat(tiles, axis=0))
    picture(name, whole)


def labelled_picture(name: str, images: Tensor, texts: Tensor) -> None:
    """Shows up to 24 images of a batch, float32 [batch, height, width, 1 or 3], and their texts, [batch]."""

    def draw(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
        return np.asarray(labelled_grid(images, [text.decode('utf-8', 'replace') for text in texts]))

    with tf.name_scope(SCOPE):
        drawn = tf.py_func(draw, [images[:_LABELLED], texts[:_LABELLED]], tf.uint8, stateful=False)
        drawn.set_shape([None, None, 3])
    picture(name, drawn)


def picture(name: str, pixels: Tensor) -> None:
    """Shows a picture as images/NAME.

    Args:
      name: of the picture.
      pixels: [height, width, 1 or 3], uint8, or float32 clipped to [0, 1].
    """
    with tf.name_scope(SCOPE):
        # Of floats, tf.summary.image would scale the largest to white.
        pixels = tf.image.convert_image_dtype(pixels, tf.uint8, saturate=True)[tf.newaxis]
    tf.summary.image(f'images/{name}', pixels, max_outputs=1, collections=[PICTURES])


def grid(tiles: Tensor) -> Tensor:
    """Arranges images [n, height, width, channels] in rows of eight, [rows, columns, channels]; 0 between."""
    with tf.name_scope(SCOPE):
        count = tf.shape(tiles)[0]
        height, width = (side + _GAP for side in (tf.shape(tiles)[1], tf.shape(tiles)[2]))
        channels, rows = tiles.shape.as_list()[3], (count + COLUMNS - 1) // COLUMNS
        padded = tf.pad(tiles, [[0, rows * COLUMNS - count], [0, _GAP], [0, _GAP], [0, 0]])
        apart = tf.reshape(padded, [rows, COLUMNS, height, width, channels])
        return tf.reshape(tf.transpose(apart, [0, 2, 1, 3, 4]), [rows * height, COLUMNS * width, channels])


def stretched(tiles: Tensor) -> Tensor:
    """Scales each tile [n, height, width, channels] to [0, 1]; a constant one becomes 0."""
    with tf.name_scope(SCOPE):
        low = tf.reduce_min(tiles, axis=[1, 2, 3], keepdims=True)
        high = tf.reduce_max(tiles, axis=[1, 2, 3], keepdims=True)
        return tf.div_no_nan(tiles - low, high - low)


def picture_hooks(folder: Path | None, every_n_steps: int, train_steps: int) -> list[SessionRunHook]:
    """Returns the hook that writes the graph's pictures about ten times in a run of `train_steps`.

    There is none without a folder (see `Args.folder`). Two sets of pictures are at least as far apart as two
    summaries.
    """
    merged = tf.summary.merge_all(PICTURES)
    if folder is None or merged is None:
        return []
    steps = max(every_n_steps, train_steps // _SETS)
    return [tf.train.SummarySaverHook(steps, output_dir=str(folder), summary_op=merged)]


def picture_value(name: str, drawn: Image.Image, of: str = '') -> Any:
    """Returns a grey or RGB picture drawn outside the graph as a tf.Summary.Value, under the same tag.

    `of` is the name of what it shows, such as an image's.
    """
    image = tf.Summary.Image(
        height=drawn.height,
        width=drawn.width,
        colorspace=len(drawn.getbands()),
        encoded_image_string=png_bytes(drawn),
    )
    metadata = tf.SummaryMetadata(summary_description=of)
    return tf.Summary.Value(tag=f'images/{name}/image', image=image, metadata=metadata)


def write_values(session: Session, folder: Path, values: Sequence[Any]) -> None:
    """Writes `tf.Summary.Value`s at the current global step; for hooks, at the end of an evaluation."""
    step = session.run(tf.train.get_global_step())
    tf.summary.FileWriterCache.get(str(folder)).add_summary(tf.Summary(value=values), step)
