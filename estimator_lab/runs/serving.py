"""Exports models as SavedModels, for `export` and for --export in training."""

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError, LabError, option
from estimator_lab.base.outputs import made_folder, why_refused
from estimator_lab.core import keys
from estimator_lab.core.model import AnyModel
from estimator_lab.data.examples.kind import Reader
from estimator_lab.runs.tensorflow_errors import no_room_by, reason_of
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf


def serving_input_receiver_fn(reader: Reader, model: AnyModel, params: Any) -> Callable[[], Any]:
    """Returns the receiver of an export, which reads examples as `reader` does.

    Args:
      reader: of the examples of training.
      model: the model. Images of a style model may have any size, the same for all n; a generator has the
        alternative 'latent' for `latent`, float32 [n, latent], and if conditional `label`, string [n].
      params: its resolved parameters.
    """
    return reader.serving_receiver(model.painter is not None, lambda: _latent_inputs(model, params))


def _latent_inputs(model: AnyModel, params: Any) -> dict[str, dict[str, Any]]:
    """Returns the receivers of latent vectors of a generator; none for other models."""
    if not model.generates:
        return {}
    latent = {keys.LATENT: tf.placeholder(tf.float32, [None, params.latent_size], name=keys.LATENT)}
    if params.conditional:
        latent[keys.SAMPLE_LABEL] = tf.placeholder(tf.string, [None], name=keys.SAMPLE_LABEL)
    return {keys.LATENT: latent}


def export_saved_model(trained: Trained, folder: Path) -> Path:
    """Exports the newest checkpoint of a model.

    The SavedModel's name is the time.

    Returns:
      The SavedModel's folder.

    Raises:
      FlagError: the folder can't be written.
      LabError: the disk is full; what was written is removed.
    """
    receiver = serving_input_receiver_fn(trained.reader, trained.architecture, trained.params)
    try:
        # Hidden, so that the folder shows finished models only, even if this process is killed.
        with (
            made_folder('out', folder),
            tempfile.TemporaryDirectory(prefix='.', dir=folder, ignore_cleanup_errors=True) as hidden,
        ):
            path = trained.estimator.export_saved_model(hidden, receiver, checkpoint_path=trained.held.links)
            written = Path(path.decode())
            names = map(str, itertools.count(int(written.name)))  # the time in seconds, which may be taken
            return written.rename(next(folder / name for name in names if not (folder / name).exists()))
    except (OSError, tf.errors.OpError) as error:
        if full := no_room_by(error):
            raise LabError(f'{option.out}={folder} cannot be written: {full}.') from error
        reason = why_refused(folder, error) if isinstance(error, OSError) else reason_of(error)
        raise FlagError(f'{option.out}={folder} cannot be written: {reason}.') from error
