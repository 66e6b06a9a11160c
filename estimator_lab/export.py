"""``python -m estimator_lab.export``: writes a trained model as a SavedModel, which runs on its own."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.options import define_flags, groups_of, read_flags
from estimator_lab.console.outputs import writing
from estimator_lab.console.progress import say
from estimator_lab.errors import FlagError
from estimator_lab.inference.painting_settings import PaintingSettings

if TYPE_CHECKING:
    from estimator_lab.runs.model import Trained

FLAGS = flags.FlagValues()

flags.DEFINE_string('model_dir', None, 'the folder in which the model was trained', flag_values=FLAGS)
flags.DEFINE_string('out', None, 'where the SavedModel goes; default MODEL_DIR/export', flag_values=FLAGS)
flags.DEFINE_bool('tflite', False, 'write model.tflite as well, which takes pixels', flag_values=FLAGS)
define_flags(PaintingSettings, FLAGS)

_USAGE = """Writes a trained model as a SavedModel, which needs nothing but TensorFlow to run.

  python -m estimator_lab.export --model_dir=runs/mine
  python -m estimator_lab.export --model_dir=runs/mine --out=exported --tflite

Its signature serving_default takes encoded images and scales them itself, pixels:serving_default pixels."""
_ARGUMENTS = ''
_GROUPS = {
    'Model': ['model_dir'],
    **groups_of(PaintingSettings),
    'Output': ['out', 'tflite'],
}


def main() -> int:
    """Runs the command; returns its exit status."""
    if not FLAGS.model_dir:
        raise FlagError('--model_dir is missing: the folder in which the model was trained.')

    from estimator_lab.inference.painting import as_asked
    from estimator_lab.runs.model import open_trained
    from estimator_lab.runs.serving import export_saved_model, tflite_signature, to_tflite

    trained = open_trained(Path(FLAGS.model_dir))
    trained = as_asked(trained, read_flags(PaintingSettings, FLAGS))
    if FLAGS.tflite and not trained.kind.has_pixels:
        raise FlagError(
            f'--tflite is for images, but --model_dir={FLAGS.model_dir} takes {trained.kind.noun}.'
        )
    say(f'Exporting        {trained.model.name}: building the graph, then writing it')
    saved_model = export_saved_model(trained, Path(FLAGS.out or trained.model_dir / 'export'))
    say(f'Exported         {trained.model.name} at step {trained.step}: {saved_model}')
    _describe(trained)
    if FLAGS.tflite:
        model = to_tflite(saved_model, tflite_signature(trained.model))
        path = saved_model / 'model.tflite'
        with writing('out', path):
            path.write_bytes(model)
        say(f'TensorFlow Lite  {path}, {len(model):,} bytes')
    say(f'Look at it       saved_model_cli show --dir={shlex.quote(str(saved_model))} --all')
    return 0


def _describe(trained: 'Trained') -> None:
    from estimator_lab.runs import serving

    signatures = serving.PAINTER_SIGNATURES
    if not trained.model.transform_net:
        inputs = trained.kind.serving_inputs(trained.shape)
        signatures = {serving.signature_of(receiver): text for receiver, text in inputs.items()}
    say('Signatures')
    for name, text in signatures.items():
        say(f'  {name:<22} {text}')


if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, _ARGUMENTS, FLAGS)
