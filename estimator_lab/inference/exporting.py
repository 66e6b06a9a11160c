"""Exports a trained model as a SavedModel."""

import itertools
import tempfile
from pathlib import Path

from estimator_lab.base.errors import FlagError, LabError, option
from estimator_lab.base.outputs import check_folder, made_folder, why_refused
from estimator_lab.base.progress import doing
from estimator_lab.inference.painting import with_painting_settings
from estimator_lab.inference.settings import ExportSettings
from estimator_lab.runs.serving import serving_input_receiver_fn
from estimator_lab.runs.tensorflow_errors import no_room_by, reason_of, tensorflow_errors_as_sentences
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf


def export(run: Trained, settings: ExportSettings) -> Path:
    """Writes a SavedModel, whose name is the time, and returns its folder; see `Run.export`."""
    if settings.out:
        check_folder('out', settings.out, (), run.kind.accepts, run.model_dir)
    run = with_painting_settings(run, settings)
    doing('exporting')
    with tensorflow_errors_as_sentences():
        return _exported(run, settings.out or run.model_dir / 'export')


def _exported(run: Trained, folder: Path) -> Path:
    receiver = serving_input_receiver_fn(run.reader, run.architecture, run.params)
    try:
        # Hidden, so that the folder shows finished models only, even if this process is killed.
        with (
            made_folder('out', folder),
            tempfile.TemporaryDirectory(prefix='.', dir=folder, ignore_cleanup_errors=True) as hidden,
        ):
            path = run.estimator.export_saved_model(hidden, receiver, checkpoint_path=run.held.links)
            written = Path(path.decode())
            names = map(str, itertools.count(int(written.name)))  # the time in seconds, which may be taken
            return written.rename(next(folder / name for name in names if not (folder / name).exists()))
    except (OSError, tf.errors.OpError) as error:
        if full := no_room_by(error):
            raise LabError(f'{option.out}={folder} cannot be written: {full}.') from error
        reason = why_refused(folder, error) if isinstance(error, OSError) else reason_of(error)
        raise FlagError(f'{option.out}={folder} cannot be written: {reason}.') from error
