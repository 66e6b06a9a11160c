"""What a trained network sees in an image or a tree: filters, activations, saliency, states."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.base.command import tensorboard
from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.json_input import shown
from estimator_lab.base.keys import IMAGE, KEY, TOKEN, in_unit_range
from estimator_lab.base.outputs import written_folder
from estimator_lab.base.progress import doing, warn
from estimator_lab.base.settings import check_given, path_from
from estimator_lab.core import keys
from estimator_lab.core.abilities import Inspects
from estimator_lab.core.endpoints import LOGITS, Endpoints, first_filters, maps_of, published
from estimator_lab.core.layer_sizes import LayerSize, layer_sizes, summary_lines
from estimator_lab.core.params import RAW_PIXELS
from estimator_lab.core.picture import as_picture, enlarged, numbered_tiles, overlay
from estimator_lab.core.summaries import picture_value
from estimator_lab.data.archives.one_example import read_example
from estimator_lab.data.examples.member import BadExampleError, Data, Member
from estimator_lab.data.input.input_fns import placeholder_features
from estimator_lab.data.sources.arrays import check_values
from estimator_lab.data.trees.parse import parse_tree
from estimator_lab.data.trees.reader import FEATURES, TreeReader
from estimator_lab.data.trees.tokens import Tokens
from estimator_lab.inference.prediction import Table, scalar, with_texts
from estimator_lab.inference.report.html import figure, framed, html
from estimator_lab.inference.settings import InspectionSettings
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import Tensor, tf

FOLDER = 'inspect'
"""Where inspections are written within model_dir."""

_LONGEST = 80  # letters of a tree in an error
_SHOWN = 64  # filters or maps
_LIKELIEST = 3  # labels whose probabilities are shown
_SIDE = 384  # pixels to which an image is enlarged


@dataclass(frozen=True)
class Inspection:
    """What a network sees in one example; in a notebook its pictures.

    Attributes:
      key: of the example.
      values: the predictions by name, arrays without a batch dimension.
      pictures: filters, activations, saliency and the like, by the names of TensorBoard's tags.
    """

    run: Trained
    key: str
    values: Mapping[str, np.ndarray]
    pictures: Mapping[str, Image.Image]

    def text(self) -> str:
        """Returns the prediction: the most probable labels, and what else is a number or a text."""
        table = Table(self.run, min(_LIKELIEST, max(len(self.run.labels), 1)))
        batch = {name: value[None] for name, value in self.values.items()}
        likely = [f'{label} {chance:.4f}' for (label,), (chance,) in table.top_labels(batch)]
        others = (f'{name} {scalar(*column.tolist())}' for name, column in table.scalars(batch).items())
        return ', '.join([*likely, *others])

    def save(self, folder: str | Path) -> list[str]:
        """Writes the pictures to a folder, as PNG files; returns their names.

        Raises:
          FlagError: the folder can't be written.
          LabError: the disk is full.
        """
        with written_folder('out', path_from('folder', folder)) as hidden:
            for name, picture in self.pictures.items():
                picture.save(hidden / f'{name}.png')
        return [f'{name}.png' for name in self.pictures]

    def __repr__(self) -> str:
        return f'{self.key}: predictions {", ".join(self.values)}; pictures {", ".join(self.pictures)}'

    def _repr_html_(self) -> str:
        figures = [figure(picture, name) for name, picture in self.pictures.items()]
        return framed(self.key, [html('<div class="pictures">{}</div>', figures)])


def inspect(run: Trained, example: str | Path | np.ndarray, settings: InspectionSettings) -> Inspection:
    """Returns filters, activation maps, saliency and the like for one example; see `Run.inspect`."""
    check_given(example=example)
    if not isinstance(example, str | os.PathLike | np.ndarray):
        raise FlagError(
            f'example={shown(example)} must be a path, ARCHIVE:MEMBER, or an array of one image '
            '[height, width, 1 or 3].'
        )
    key = 'array' if isinstance(example, np.ndarray) else str(example)
    if isinstance(example, np.ndarray):
        check_values(example)
        as_picture(example)  # checks its shape
        if not run.kind.has_pixels:
            raise DataError('array is not a tree: it is an image.')
        data: Data = example
    elif not run.kind.has_pixels and key.lstrip().startswith('('):
        data = key.encode()
    else:
        data = read_example(key, run.kind).data
    doing('inspecting')
    return _inspect(run, key, data, settings)


def _inspect(run: Trained, key: str, data: Data, settings: InspectionSettings) -> Inspection:
    try:
        if run.kind.has_pixels:
            (pixels,) = run.reader.read([Member('', key, data=data)])
            if isinstance(pixels, BadExampleError):
                raise pixels
            seen = inspect_image(run, pixels, settings.label, key)
            return Inspection(run, key, seen.values, seen.pictures())
        if settings.label:
            raise FlagError(
                f'{option.label}={settings.label} is for images: a tree shows its most probable labels.'
            )
        assert isinstance(data, bytes)
        values, pictures = inspect_tree(run, data)
    except BadExampleError as reason:
        what = 'cannot be decoded' if run.kind.has_pixels else 'is not a tree'
        raise DataError(f'{key[:_LONGEST]} {what}: {reason}.') from reason
    return Inspection(run, key, values, pictures)


def summary_of(run: Trained) -> str:
    """Returns a table of a model's layers, the shapes of their outputs and their parameters."""
    doing('building the network')
    return '\n'.join(summary_lines(network_layers(run), f'; at step {run.step}'))


def network_layers(run: Trained) -> list[LayerSize]:
    """Returns the layers of a network, from the input to the output; its graph is built, but not run."""
    with tf.Graph().as_default() as graph:
        run.predictions(placeholder_features(run.reader))
        return layer_sizes(graph, tf.global_variables())


def show_in_tensorboard(
    run: Trained, name: str, pictures: Mapping[str, Image.Image], of: str = ''
) -> Iterator[tuple[str, str]]:
    """Writes pictures `of` something as image summaries, under the tags of training; warns if that fails.

    Yields:
      ('TensorBoard', the command that shows them).
    """
    folder = run.model_dir / name
    values = [picture_value(name, picture, of) for name, picture in pictures.items()]
    try:
        with tf.Graph().as_default(), tf.summary.FileWriter(str(folder)) as writer:
            writer.add_summary(tf.Summary(value=values), run.step)
    except (tf.errors.OpError, OSError) as error:
        warn(f'{folder} cannot be written, so TensorBoard does not show the pictures: {error}')
    else:
        yield 'TensorBoard', tensorboard(run.model_dir)


@dataclass(frozen=True)
class ImageView:
    """Filters, activations and gradients of a network for an image.

    Attributes:
      image: [height, width, channels], floats in [0, 1], with the contrast that the network sees.
      values: the predictions by name, for this example.
      filters: of the first convolution, float32 [height, width, channels, filters], as 'filters_conv1'; of a
        network without one, the weights of the first dense layer by unit, as 'receptive_fields'.
      maps: activations of the convolutions by name, float32 [height, width, filters].
      heat: float32 [rows, columns] over the whole image, 0 or more, by name: 'saliency' of the label, or of
        the error of a model without labels; 'grad_cam' of the label in the last convolution.
      own: pictures that the model draws of its layers: see `core.abilities.Inspects`.
    """

    image: np.ndarray
    values: Mapping[str, np.ndarray]
    filters: Mapping[str, np.ndarray]
    maps: Mapping[str, np.ndarray]
    heat: Mapping[str, np.ndarray]
    own: Mapping[str, Image.Image]

    def pictures(self) -> dict[str, Image.Image]:
        """Returns pictures of all these, by the names of TensorBoard's tags in training."""
        height, width, _ = self.image.shape
        scale = _SIDE / max(height, width)
        pictures = {'inspected': enlarged(self.image, round(width * scale), round(height * scale))}
        for name, kernel in self.filters.items():
            title = name.replace('_', ' ').capitalize()  # 'Filters conv1', 'Receptive fields'
            pictures[name] = numbered_tiles(np.transpose(kernel, [3, 0, 1, 2]), _SHOWN, title)
        for name, maps in self.maps.items():
            tiles = np.transpose(maps, [2, 0, 1])[..., np.newaxis]
            pictures[f'activation_map_{name}'] = numbered_tiles(tiles, _SHOWN, f'Activation maps of {name}')
        heat = {name: overlay(self.image, values, _SIDE) for name, values in self.heat.items()}
        return {**pictures, **self.own, **heat}


def inspect_image(run: Trained, image: np.ndarray, label: str = '', key: str = '') -> ImageView:
    """Runs one image through the network.

    The image is [height, width, channels], uint8 or floats in [0, 1], as `run.reader` reads it; its key
    seeds the random numbers of some models.

    Raises:
      FlagError: the model has no labels, or does not know this one.
      LabError: TensorFlow fails.
    """
    with tf.Graph().as_default() as graph, tensorflow_errors_as_sentences():
        images = tf.placeholder(tf.float32, [1, *run.shape], 'image')
        predictions = run.predictions({IMAGE: images, KEY: tf.constant([key])}).predictions
        endpoints = published(graph)
        score = _score(run, endpoints, predictions, label)
        heat = {} if score is None else _heat(score, images, endpoints)
        filters = first_filters(graph, endpoints, run.shape)
        pixels = in_unit_range(image)
        with run.session() as session:
            feed = {images: pixels[np.newaxis]}
            *of_batch, filters = session.run([predictions, endpoints, heat, filters], feed)
    values, layers, heat = map(_of_batch, of_batch)
    maps = {name: layers[name] for name in maps_of(endpoints)}
    scale = getattr(run.params, 'pixels', RAW_PIXELS)
    shown = np.clip(scale.scaled(pixels), 0, 1)
    own = _own_pictures(run, {IMAGE: shown}, layers)
    return ImageView(shown, values, filters, maps, heat, own)


def inspect_tree(run: Trained, data: bytes) -> tuple[dict[str, np.ndarray], Mapping[str, Image.Image]]:
    """Runs one tree through the network.

    Returns:
      (the predictions by name; the pictures that the model draws.)

    Raises:
      BadExampleError: it is not a tree.
      LabError: TensorFlow fails.
    """
    reader = TreeReader(Tokens(run.params.tokens), run.vocabulary)
    tree = reader.parsed(data)
    arrays = reader.collate([tree])
    with tf.Graph().as_default() as graph, tensorflow_errors_as_sentences():
        places = {name: tf.placeholder(tf.int32, [None, None], name) for name in FEATURES}
        predictions = run.predictions(reader.features(places)).predictions
        with run.session() as session:
            feed = {places[name]: arrays[name] for name in FEATURES}
            values, layers = session.run([predictions, published(graph)], feed)
    example = {**tree._asdict(), TOKEN: parse_tree(data).tokens}
    return _of_batch(values), _own_pictures(run, example, _of_batch(layers))


def _own_pictures(
    run: Trained, example: Mapping[str, Any], layers: Mapping[str, np.ndarray]
) -> Mapping[str, Image.Image]:
    model = run.architecture
    return model.inspect(run.params, example, layers) if isinstance(model, Inspects) else {}


def _of_batch(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the values [1, ...] of one example without its key and the batch dimension; bytes are texts."""
    return {name: np.asarray(with_texts(value)[0]) for name, value in values.items() if name != KEY}


def saliency(gradient: Tensor) -> Tensor:
    """Returns the saliency of each pixel, [n, height, width], 0 or more: max over channels of |gradient|.

    The gradient is of a class score before the softmax, [n, height, width, channels]: Simonyan, Vedaldi and
    Zisserman 2014, 'Deep inside convolutional networks', section 3.1.
    """
    return tf.reduce_max(tf.abs(gradient), axis=3)


def grad_cam(score: Tensor, maps: Tensor) -> Tensor | None:
    """Returns where a convolution found evidence for the score: [n, height, width], 0 or more.

    relu(sum_k a_k A_k), with a_k the mean over positions of d score / d A_k: Selvaraju et al. 2017,
    'Grad-CAM', equations 1 and 2. None if the score does not depend on the maps.

    Args:
      score: of a class, before the softmax, summed over the batch.
      maps: A, activations of a convolution, [n, height, width, filters].
    """
    gradient = tf.gradients(score, maps)[0]
    if gradient is None:
        return None
    weights = tf.reduce_mean(gradient, axis=[1, 2], keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * maps, axis=3))


def _score(
    run: Trained, endpoints: Endpoints, predictions: Mapping[str, Tensor], label: str
) -> Tensor | None:
    """Returns the logit of a label, of the predicted one for '', or the error of a model without labels.

    A scalar; None for a model with neither.
    """
    classifies = keys.PROBABILITIES in predictions and run.vocabulary is not None
    if label and not classifies:
        raise FlagError(
            f'{option.label}={label} has no meaning for {option.model}={run.model}, which has no labels.'
        )
    if not classifies:
        return predictions[keys.ERROR][0] if keys.ERROR in predictions else None
    logits = endpoints[LOGITS][0]
    return logits[run.class_id(label)] if label else tf.reduce_max(logits)


def _heat(score: Tensor, images: Tensor, endpoints: Endpoints) -> dict[str, Tensor]:
    """Returns float32 [1, rows, columns] by name."""
    (gradient,) = tf.gradients(score, images)
    heat = {} if gradient is None else {'saliency': saliency(gradient)}
    maps = list(maps_of(endpoints).values())
    evidence = grad_cam(score, maps[-1]) if LOGITS in endpoints and maps else None
    return heat if evidence is None else {**heat, 'grad_cam': evidence}
