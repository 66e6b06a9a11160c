"""A trained model + one image -> pictures of what the network sees in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from estimator_lab.console.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.core import keys
from estimator_lab.core.display.picture import enlarged, numbered_tiles, overlay
from estimator_lab.core.display.summaries import picture_value
from estimator_lab.core.endpoints import LOGITS, Endpoints, first_filters, maps_of, published
from estimator_lab.errors import DataError, FlagError
from estimator_lab.feature_keys import IMAGE, KEY
from estimator_lab.inference.model import Trained
from estimator_lab.inference.saliency import grad_cam, pixel_gradient, saliency
from estimator_lab.pixels import to_unit_range
from estimator_lab.tf1 import Tensor, tf

_SHOWN = 64  # filters or maps
_SIDE = 384  # pixels to which an image is enlarged


@dataclass(frozen=True)
class Inspection:
    """What a network sees in an image.

    Attributes:
      image: uint8 [height, width, channels].
      values: the predictions by name, of this one example.
      filters: of the first convolution, float32 [height, width, channels, filters], as 'filters_conv1'; where
        there is none, what each unit of the first dense layer looks at, as 'receptive_fields'.
      maps: activations of the convolutions by name, float32 [height, width, filters].
      heat: float32 [rows, columns] over the whole image, 0 or more, by name: 'saliency' of the label, or of
        the error where there are no labels; 'grad_cam' of the label in the last convolution.
    """

    image: np.ndarray
    values: Mapping[str, np.ndarray]
    filters: Mapping[str, np.ndarray]
    maps: Mapping[str, np.ndarray]
    heat: Mapping[str, np.ndarray]

    def pictures(self) -> dict[str, Image.Image]:
        """Returns all that as pictures, by the names that training gives them in TensorBoard."""
        height, width, _ = self.image.shape
        scale = _SIDE / max(height, width)
        found = {'inspected': enlarged(self.image, round(width * scale), round(height * scale))}
        for name, kernel in self.filters.items():
            found[name] = numbered_tiles(np.transpose(kernel, [3, 0, 1, 2]), _SHOWN)
        for name, maps in self.maps.items():
            tiles = np.transpose(maps, [2, 0, 1])[..., np.newaxis]
            found[f'activation_map_{name}'] = numbered_tiles(tiles, _SHOWN)
        return {**found, **{name: overlay(self.image, heat, _SIDE) for name, heat in self.heat.items()}}


def inspect_image(trained: Trained, image: np.ndarray, label: str = '', key: str = '') -> Inspection:
    """Runs one image through the network and takes down what happens there.

    Args:
      trained: the model.
      image: uint8 [height, width, channels], decoded as `trained.reader` says.
      label: the label whose evidence is looked for; '' for the predicted one.
      key: of the image, for models that draw random numbers by it.

    Raises:
      DataError: for a label that the model does not know.
      LabError: if TensorFlow can't go on.
    """
    with tf.Graph().as_default() as graph, tensorflow_errors_as_sentences():
        tf.train.get_or_create_global_step()
        images = tf.placeholder(tf.float32, [1, *trained.shape], 'image')
        features = {IMAGE: images, KEY: tf.constant([key])}
        spec = trained.module.model_fn(
            features, None, tf.estimator.ModeKeys.PREDICT, trained.estimator_params, config=None
        )
        endpoints = published(graph)
        of_example = {
            'values': {name: value for name, value in spec.predictions.items() if name != KEY},
            'maps': maps_of(endpoints),
            'heat': _heat(trained, images, endpoints, spec.predictions, label),
        }
        fetches = {**of_example, 'filters': first_filters(endpoints, trained.shape)}
        creator = tf.train.ChiefSessionCreator(
            spec.scaffold or tf.train.Scaffold(), checkpoint_filename_with_path=trained.checkpoint
        )
        with tf.train.MonitoredSession(creator) as session:
            found = session.run(fetches, {images: to_unit_range(image[np.newaxis])})
    firsts = {
        kind: {name: np.asarray(values[0]) for name, values in found[kind].items()} for kind in of_example
    }
    return Inspection(image, filters=found['filters'], **firsts)


def write_pictures(folder: Path, pictures: Mapping[str, Image.Image]) -> None:
    """Writes NAME.png into a folder that is there.

    Raises:
      OSError: if it can't.
    """
    for name, picture in pictures.items():
        picture.save(folder / f'{name}.png')


def write_summaries(folder: Path, pictures: Mapping[str, Image.Image], step: int) -> None:
    """Writes pictures as image summaries, under the tags of training, into a folder that TensorBoard reads.

    Raises:
      OSError: if it can't.
    """
    values = []
    for name, picture in pictures.items():
        # As tf.summary.image ends the tag of its only image.
        values.append(picture_value(f'images/{name}/image', picture))
    try:
        with tf.Graph().as_default(), tf.summary.FileWriter(str(folder)) as writer:
            writer.add_summary(tf.Summary(value=values), step)
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def _heat(
    trained: Trained, images: Tensor, endpoints: Endpoints, predictions: Mapping[str, Tensor], label: str
) -> dict[str, Tensor]:
    """Returns float32 [1, rows, columns] by name."""
    classifies = keys.PROBABILITIES in predictions and trained.vocabulary is not None
    if label and not classifies:
        raise FlagError(
            f'--label={label} has no meaning for --model={trained.model.name}, which has no labels.'
        )
    if classifies:
        score = _logit(trained, endpoints[LOGITS].values, label)
    elif keys.ERROR in predictions:
        score = predictions[keys.ERROR][0]
    else:
        return {}
    gradient = pixel_gradient(score, images)
    found = {'saliency': None if gradient is None else saliency(gradient)}
    maps = list(maps_of(endpoints).values())
    if classifies and maps:
        found['grad_cam'] = grad_cam(score, maps[-1])
    return {name: heat for name, heat in found.items() if heat is not None}


def _logit(trained: Trained, logits: Tensor, label: str) -> Tensor:
    """Returns what speaks for a label, before the softmax: a scalar of logits [1, classes]."""
    if not label:
        return tf.reduce_max(logits[0])
    class_id = trained.record.vocabulary.index(label) if label in trained.record.vocabulary else -1
    if class_id < 0:
        shown = ', '.join(trained.record.vocabulary[:3])
        raise DataError(f'--label={label} is unknown to the model; it knows labels such as {shown}.')
    return logits[0, class_id]
