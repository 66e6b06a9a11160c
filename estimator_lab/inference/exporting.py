"""Exports a trained model as a SavedModel, and in other formats."""

import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from estimator_lab.base.outputs import check_folder, written
from estimator_lab.base.progress import doing
from estimator_lab.inference.converting import Converter, onnx_converter, to_tflite
from estimator_lab.inference.painting import with_painting_settings
from estimator_lab.inference.settings import ExportSettings
from estimator_lab.runs import serving
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.trained import Trained

SayRow: TypeAlias = Callable[[str, str], None]

_TITLES = {'tflite': 'TensorFlow Lite', 'onnx': 'ONNX'}


def export(run: Trained, settings: ExportSettings, say: SayRow = lambda title, text: None) -> Path:
    """Writes a SavedModel, and other formats if requested; returns the folder; see `Run.export`.

    `say` is called with the title and the text of each row for the user.
    """
    formats: dict[str, Converter] = {'tflite': to_tflite} if settings.tflite else {}
    if settings.onnx:
        formats['onnx'] = onnx_converter(run.labels)
    if settings.out:
        check_folder('out', settings.out, (), run.kind.accepts, run.model_dir)
    run = with_painting_settings(run, settings)
    if formats and run.architecture.without_loops:
        run = dataclasses.replace(run, params=run.architecture.without_loops(run.params))
    doing('exporting')
    with tensorflow_errors_as_sentences():
        folder = serving.export_saved_model(run, settings.out or run.model_dir / 'export')
    say('Exported', f'{run.model} at step {run.step}: {folder}')
    say('Its signatures', f'saved_model_cli show --all --dir {shlex.quote(str(folder))}')
    for stem, signature in serving.numeric_signatures(run).items():
        for suffix, convert in formats.items():
            doing(f'converting to {_TITLES[suffix]}')
            converted = convert(folder, signature)
            path = folder / f'{stem}.{suffix}'
            with written('out', path, is_typed=False) as file:
                file.write(converted.data)
            without = f', without {", ".join(converted.left_out)}' if converted.left_out else ''
            say(_TITLES[suffix], f'{path}, {len(converted.data):,} bytes{without}')
    return folder
