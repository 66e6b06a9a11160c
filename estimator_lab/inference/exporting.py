"""Exports a trained model as a SavedModel."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from estimator_lab.base.outputs import check_folder
from estimator_lab.base.progress import doing
from estimator_lab.inference.painting import with_painting_settings
from estimator_lab.inference.settings import ExportSettings
from estimator_lab.runs import serving
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.trained import Trained

SayRow: TypeAlias = Callable[[str, str], None]


def export(run: Trained, settings: ExportSettings, say: SayRow = lambda title, text: None) -> Path:
    """Writes a SavedModel and returns its folder; see `Run.export`.

    `say` is called with the title and the text of each row for the user.
    """
    if settings.out:
        check_folder('out', settings.out, (), run.kind.accepts, run.model_dir)
    run = with_painting_settings(run, settings)
    doing('exporting')
    with tensorflow_errors_as_sentences():
        folder = serving.export_saved_model(run, settings.out or run.model_dir / 'export')
    say('Exported', f'{run.model} at step {run.step}: {folder}')
    say('Its signatures', f'saved_model_cli show --all --dir {shlex.quote(str(folder))}')
    return folder
