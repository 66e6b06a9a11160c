"""A trained model -> a SavedModel that runs on its own: what `export` and the exporters of training share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from estimator_lab.core import keys
from estimator_lab.data.images.graph_decode import decode_batch
from estimator_lab.data.images.shape import ImageShape
from estimator_lab.errors import FlagError, LabError
from estimator_lab.inference.model import Trained
from estimator_lab.models.registry import LATENT, Model
from estimator_lab.pixels import UINT8_MAX
from estimator_lab.tf1 import hushed, tf

IMAGE_BYTES = 'image_bytes'
"""Input of the signature that takes encoded images; TensorFlow Serving knows bytes by such an ending."""

PIXELS = 'image'
"""Input of the signature that takes pixels."""

ENCODED_SIGNATURE = 'serving_default'
PIXELS_SIGNATURE = 'pixels:serving_default'
"""Estimator's name for a model's outputs behind an alternative receiver."""

SAMPLES_SIGNATURE = f'{LATENT}:{keys.SAMPLES}'
"""Of a generator: latent vectors, and labels if it is told them -> PNG files."""


def serving_input_receiver_fn(shape: ImageShape, model: Model, params: Any) -> Callable[[], Any]:
    """Returns the receiver of an export: encoded images, decoded and scaled as in training, or pixels.

    Args:
      shape: of the images that the network takes.
      model: what is exported.
      params: its parameters.

    Returns:
      A function that builds a `ServingInputReceiver` for `image_bytes`, string [n]: JPEG, PNG, BMP or GIF
      files; as the alternative 'pixels' for `image`, float32 [n, height, width, channels] in [0, 1]; and of a
      generator as the alternative 'latent' for `latent`, float32 [n, latent], with `label`, string [n], if it
      is told them.
    """

    def receiver() -> Any:
        encoded = tf.placeholder(tf.string, [None], name=IMAGE_BYTES)
        # The same division as in training's input; feeding its result leaves the decoder out.
        pixels = tf.divide(decode_batch(encoded, shape), float(UINT8_MAX), name=PIXELS)
        latent = _latent_inputs(model, params)
        alternatives = {'pixels': {PIXELS: pixels}, **({LATENT: latent} if latent else {})}
        return tf.estimator.export.ServingInputReceiver(
            {'image': pixels, **latent}, {IMAGE_BYTES: encoded}, alternatives
        )

    return receiver


def _latent_inputs(model: Model, params: Any) -> dict[str, Any]:
    """Returns the placeholders of what a generator makes samples of, by name; none of other models."""
    if model.dreams != LATENT:
        return {}
    sampler = model.load().sampler_of(params)
    inputs = {keys.LATENT: tf.placeholder(tf.float32, [None, sampler.latent_size], name=keys.LATENT)}
    if sampler.conditional:
        inputs[keys.SAMPLE_LABEL] = tf.placeholder(tf.string, [None], name=keys.SAMPLE_LABEL)
    return inputs


def export_saved_model(trained: Trained, folder: Path) -> Path:
    """Exports the newest checkpoint of a model.

    Args:
      trained: the model.
      folder: where the SavedModel goes, into a folder of its own that is named after the time.

    Returns:
      That folder.

    Raises:
      FlagError: if the folder can't be written.
    """
    receiver = serving_input_receiver_fn(trained.shape, trained.model, trained.params)
    try:
        path = trained.estimator.export_saved_model(str(folder), receiver)
    except (OSError, tf.errors.OpError) as error:
        raise FlagError(f'--out={folder} cannot be written: {error}.') from error
    return Path(path.decode())


def to_tflite(saved_model: Path) -> bytes:
    """Returns a TensorFlow Lite model of the signature that takes pixels.

    Raises:
      LabError: if the network has an operation that TensorFlow Lite lacks.
    """
    # The TF1 converter would leave out the names of the outputs.
    make = tf.compat.v2.lite.TFLiteConverter.from_saved_model
    try:
        with hushed():
            return make(str(saved_model), signature_keys=[PIXELS_SIGNATURE]).convert()
    except Exception as error:  # the converter raises all sorts, down to bare Exception
        reason = str(error).strip().partition('\n')[0]
        raise LabError(f'This network cannot be converted to TensorFlow Lite: {reason}.') from error
