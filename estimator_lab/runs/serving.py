"""Exports models as SavedModels, for `export` and for --export in training."""

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from estimator_lab.base.process import hushed
from estimator_lab.console.outputs import made_folder, why_refused
from estimator_lab.console.tensorflow_errors import no_room_by, reason_of
from estimator_lab.core.heads.model import AnyModel
from estimator_lab.core.model import keys
from estimator_lab.data.images.graph_decode import IMAGE_BYTES
from estimator_lab.data.kind import Reader
from estimator_lab.errors import FlagError, LabError
from estimator_lab.runs.model import Trained
from estimator_lab.tf1 import tf

PIXELS = 'image'
"""Input of the signature that accepts pixels."""

ENCODED_SIGNATURE = 'serving_default'
PIXELS_SIGNATURE = 'pixels:serving_default'
"""Estimator's name for the outputs of an alternative receiver."""

PAINTED_PIXELS_SIGNATURE = f'pixels:{keys.PAINTED}'
"""Of a style model: pixels -> pixels; its other signatures return JPEG files."""

PAINTER_SIGNATURES = {
    ENCODED_SIGNATURE: f'{IMAGE_BYTES}, string [n]: JPEG or PNG files of one size -> '
    f'{keys.PAINTED_BYTES}: JPEG files of that size',
    PAINTED_PIXELS_SIGNATURE: f'{PIXELS}, float32 [n, height, width, channels] in [0, 1] -> {keys.PAINTED}: '
    'the same',
}
"""Descriptions of the signatures of a style model."""


def signature_of(receiver: str) -> str:
    """Returns the signature of a receiver: '' for the default one, else an alternative's name."""
    return f'{receiver}:{ENCODED_SIGNATURE}' if receiver else ENCODED_SIGNATURE


def serving_input_receiver_fn(reader: Reader, model: AnyModel, params: Any) -> Callable[[], Any]:
    """Returns the receiver of an export, which reads examples as `reader` does.

    Args:
      reader: of the run.
      model: the run's. Images of a style model may have any size, the same for all n; a generator has the
        alternative 'latent' for `latent`, float32 [n, latent]; a conditional one with `label`, string [n].
      params: its resolved parameters.
    """
    return reader.serving_receiver(model.transform_net is not None, lambda: _latent_inputs(model, params))


def _latent_inputs(model: AnyModel, params: Any) -> dict[str, dict[str, Any]]:
    """Returns the receiver of latent vectors of a generator; none for other models."""
    if model.sampler is None:
        return {}
    sampler = model.sampler(params)
    inputs = {keys.LATENT: tf.placeholder(tf.float32, [None, sampler.latent_size], name=keys.LATENT)}
    if sampler.conditional:
        inputs[keys.SAMPLE_LABEL] = tf.placeholder(tf.string, [None], name=keys.SAMPLE_LABEL)
    return {keys.LATENT: inputs}


def export_saved_model(trained: Trained, folder: Path) -> Path:
    """Exports the newest checkpoint of a model.

    Args:
      trained: the model.
      folder: parent of the SavedModel, whose name is the time.

    Returns:
      The SavedModel's folder.

    Raises:
      FlagError: the folder can't be written.
      LabError: the disk is full; what was written is removed.
    """
    receiver = serving_input_receiver_fn(trained.reader, trained.model, trained.params)
    with made_folder('out', folder):
        return _export(trained, folder, receiver)


def _export(trained: Trained, folder: Path, receiver: Any) -> Path:
    try:
        # Hidden, so that the folder shows finished models only, even if this process is killed.
        with tempfile.TemporaryDirectory(prefix='.', dir=folder) as hidden:
            path = trained.estimator.export_saved_model(hidden, receiver, checkpoint_path=trained.pinned.path)
            written = Path(path.decode())
            names = map(str, itertools.count(int(written.name)))  # the time in seconds, which may be taken
            return written.rename(next(folder / name for name in names if not (folder / name).exists()))
    except (OSError, tf.errors.OpError) as error:
        if full := no_room_by(error):
            raise LabError(f'--out={folder} cannot be written: {full}.') from error
        reason = why_refused(folder, error) if isinstance(error, OSError) else reason_of(error)
        raise FlagError(f'--out={folder} cannot be written: {reason}.') from error


def to_tflite(saved_model: Path, signature: str = PIXELS_SIGNATURE) -> bytes:
    """Returns a TensorFlow Lite model of one signature.

    Args:
      saved_model: the folder.
      signature: one that accepts pixels; TensorFlow Lite neither decodes nor encodes files.

    Raises:
      LabError: TensorFlow Lite lacks an operation of the network.
    """
    # The TF1 converter leaves out the names of the outputs.
    make = tf.compat.v2.lite.TFLiteConverter.from_saved_model
    try:
        with hushed():
            return make(str(saved_model), signature_keys=[signature]).convert()
    except Exception as error:  # the converter raises bare Exception, too
        reason = str(error).strip().partition('\n')[0]
        raise LabError(f'This network cannot be converted to TensorFlow Lite: {reason}.') from error
