"""Exports a trained model for the `export` command."""

import shlex
from collections.abc import Iterator

from estimator_lab.console.activity import doing
from estimator_lab.console.outputs import writing
from estimator_lab.errors import FlagError
from estimator_lab.inference.painting import with_painting_settings
from estimator_lab.inference.settings import ExportSettings
from estimator_lab.runs import serving
from estimator_lab.runs.model import Trained, open_trained


def export(settings: ExportSettings) -> Iterator[tuple[str, str]]:
    """Writes a SavedModel, and model.tflite if requested; yields (title, text) for the user as work proceeds.

    Raises:
      DataError: the model can't be read.
      FlagError: the settings don't fit the model, or the folder can't be written.
      LabError: TensorFlow fails, the network can't be converted, or the disk is full.
    """
    trained = with_painting_settings(open_trained(settings.model_dir, device=settings.device), settings)
    if settings.tflite and not trained.kind.has_pixels:
        raise FlagError(
            f'--tflite is for images, but --model_dir={settings.model_dir} accepts {trained.kind.noun}.'
        )
    yield 'Exporting', f'{trained.model.name}: building the graph, then writing it'
    doing('exporting')
    folder = serving.export_saved_model(trained, settings.out or trained.model_dir / 'export')
    yield 'Exported', f'{trained.model.name} at step {trained.step}: {folder}'
    yield from _signatures(trained)
    if settings.tflite:
        painter = trained.model.transform_net
        signature = serving.PAINTED_PIXELS_SIGNATURE if painter else serving.PIXELS_SIGNATURE
        converted = serving.to_tflite(folder, signature)
        path = folder / 'model.tflite'
        with writing('out', path):
            path.write_bytes(converted)
        yield 'TensorFlow Lite', f'{path}, {len(converted):,} bytes'
    yield 'Look at it', f'saved_model_cli show --dir={shlex.quote(str(folder))} --all'


def _signatures(trained: Trained) -> Iterator[tuple[str, str]]:
    signatures = serving.PAINTER_SIGNATURES
    if not trained.model.transform_net:
        inputs = trained.kind.serving_inputs(trained.shape)
        signatures = {serving.signature_of(receiver): text for receiver, text in inputs.items()}
    yield 'Signatures', ''
    for name, text in signatures.items():
        yield f'  {name:<22}', text
