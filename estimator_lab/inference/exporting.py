"""Exports a trained model for the `export` command."""

import dataclasses
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from estimator_lab.base.activity import doing
from estimator_lab.base.errors import FlagError
from estimator_lab.base.outputs import made_folder, writing
from estimator_lab.base.whole_files import whole_file
from estimator_lab.inference.painting import with_painting_settings
from estimator_lab.inference.settings import ExportSettings
from estimator_lab.runs import serving
from estimator_lab.runs.converting import Converter, numeric_signature, onnx_converter, to_tflite
from estimator_lab.runs.model import Trained, open_trained

Told: TypeAlias = Callable[[str, str], None]

_TITLES = {'tflite': 'TensorFlow Lite', 'onnx': 'ONNX'}


def export(settings: ExportSettings, say: Told = lambda title, text: None) -> Path:
    """Writes a SavedModel, and other formats if requested; returns the folder.

    If model_dir is the export of any Estimator, it is converted.

    Args:
      settings: what is exported, and where.
      say: called with the title and the text of each row for the user.

    Raises:
      DataError: the model can't be read.
      FlagError: the settings don't fit the model, or the folder can't be written.
      LabError: TensorFlow fails, the network can't be converted, or the disk is full.
    """
    if (settings.model_dir / 'saved_model.pb').is_file():
        return _convert_export(settings, say)
    trained = with_painting_settings(open_trained(settings.model_dir, device=settings.device), settings)
    formats = dict(_formats(settings, trained.record.vocabulary))
    if formats and trained.model.without_loops:
        trained = dataclasses.replace(trained, params=trained.model.without_loops(trained.params))
    say('Exporting', f'{trained.model.name}: building the graph, then writing it')
    doing('exporting')
    folder = serving.export_saved_model(trained, settings.out or trained.model_dir / 'export')
    say('Exported', f'{trained.model.name} at step {trained.step}: {folder}')
    _list_signatures(trained, say)
    for stem, signature in serving.numeric_signatures(trained).items():
        _convert(formats, folder, signature, folder / stem, say)
    say('Look at it', f'saved_model_cli show --dir={shlex.quote(str(folder))} --all')
    return folder


def _convert_export(settings: ExportSettings, say: Told) -> Path:
    """Converts an export, as `estimator.export_saved_model` writes it."""
    folder = settings.model_dir
    formats = dict(_formats(settings, ()))
    if not formats:
        raise FlagError(f'--model_dir={folder} is an export already: add --onnx or --tflite to convert it.')
    if settings.style is not None or settings.strength is not None or settings.preserve_colour is not None:
        raise FlagError(f'--model_dir={folder} is an export, in which paintings are fixed: name a run.')
    signature = numeric_signature(folder)
    out = settings.out or folder
    with made_folder('out', out):
        say('Converting', f'the signature {signature} of {folder}')
        _convert(formats, folder, signature, out / 'model', say)
    return out


def _convert(formats: Mapping[str, Converter], folder: Path, signature: str, stem: Path, say: Told) -> None:
    """Writes a signature of an export in each format."""
    for suffix, convert in formats.items():
        doing(f'converting to {_TITLES[suffix]}')
        converted = convert(folder, signature)
        path = stem.with_name(f'{stem.name}.{suffix}')
        with writing('out', path), whole_file(path) as file:
            file.write(converted.data)
        without = f', without {", ".join(converted.left_out)}' if converted.left_out else ''
        say(_TITLES[suffix], f'{path}, {len(converted.data):,} bytes{without}')


def _formats(settings: ExportSettings, labels: Sequence[str]) -> Iterator[tuple[str, Converter]]:
    """Yields the requested formats besides SavedModel: suffix, and the function that converts a signature."""
    if settings.tflite:
        yield 'tflite', to_tflite
    if settings.onnx:
        yield 'onnx', onnx_converter(labels)


def _list_signatures(trained: Trained, say: Told) -> None:
    signatures = serving.PAINTER_SIGNATURES
    if not trained.model.transform_net:
        inputs = trained.kind.serving_inputs(trained.shape)
        signatures = {serving.signature_of(receiver): text for receiver, text in inputs.items()}
    say('Signatures', '')
    for name, text in signatures.items():
        say(f'  {name:<22}', text)
