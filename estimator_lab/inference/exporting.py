"""Exports a trained model for the `export` command."""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from estimator_lab.base.whole_files import whole_file
from estimator_lab.console.activity import doing
from estimator_lab.console.outputs import made_folder, writing
from estimator_lab.errors import FlagError
from estimator_lab.inference.painting import with_painting_settings
from estimator_lab.inference.settings import ExportSettings
from estimator_lab.runs import serving
from estimator_lab.runs.converting import Converter, numeric_signature, onnx_converter, to_tflite
from estimator_lab.runs.model import Trained, open_trained

_TITLES = {'tflite': 'TensorFlow Lite', 'onnx': 'ONNX'}


def export(settings: ExportSettings) -> Iterator[tuple[str, str]]:
    """Writes a SavedModel, and other formats if requested; yields (title, text) for the user as it works.

    If model_dir is the export of any Estimator, it is converted.

    Raises:
      DataError: the model can't be read.
      FlagError: the settings don't fit the model, or the folder can't be written.
      LabError: TensorFlow fails, the network can't be converted, or the disk is full.
    """
    if (settings.model_dir / 'saved_model.pb').is_file():
        yield from _convert_export(settings)
        return
    trained = with_painting_settings(open_trained(settings.model_dir, device=settings.device), settings)
    formats = dict(_formats(settings, trained.record.vocabulary))
    if formats and trained.model.without_loops:
        trained = dataclasses.replace(trained, params=trained.model.without_loops(trained.params))
    yield 'Exporting', f'{trained.model.name}: building the graph, then writing it'
    doing('exporting')
    folder = serving.export_saved_model(trained, settings.out or trained.model_dir / 'export')
    yield 'Exported', f'{trained.model.name} at step {trained.step}: {folder}'
    yield from _signatures(trained)
    for stem, signature in serving.numeric_signatures(trained).items():
        yield from _converted(formats, folder, signature, folder / stem)
    yield 'Look at it', f'saved_model_cli show --dir={shlex.quote(str(folder))} --all'


def _convert_export(settings: ExportSettings) -> Iterator[tuple[str, str]]:
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
        yield 'Converting', f'the signature {signature} of {folder}'
        yield from _converted(formats, folder, signature, out / 'model')


def _converted(
    formats: Mapping[str, Converter], folder: Path, signature: str, stem: Path
) -> Iterator[tuple[str, str]]:
    """Writes a signature of an export in each format."""
    for suffix, convert in formats.items():
        doing(f'converting to {_TITLES[suffix]}')
        converted = convert(folder, signature)
        path = stem.with_name(f'{stem.name}.{suffix}')
        with writing('out', path), whole_file(path) as file:
            file.write(converted.data)
        without = f', without {", ".join(converted.left_out)}' if converted.left_out else ''
        yield _TITLES[suffix], f'{path}, {len(converted.data):,} bytes{without}'


def _formats(settings: ExportSettings, labels: Sequence[str]) -> Iterator[tuple[str, Converter]]:
    """Yields the requested formats besides SavedModel: suffix, and the function that converts a signature."""
    if settings.tflite:
        yield 'tflite', to_tflite
    if settings.onnx:
        yield 'onnx', onnx_converter(labels)


def _signatures(trained: Trained) -> Iterator[tuple[str, str]]:
    signatures = serving.PAINTER_SIGNATURES
    if not trained.model.transform_net:
        inputs = trained.kind.serving_inputs(trained.shape)
        signatures = {serving.signature_of(receiver): text for receiver, text in inputs.items()}
    yield 'Signatures', ''
    for name, text in signatures.items():
        yield f'  {name:<22}', text
