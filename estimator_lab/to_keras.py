"""``python -m estimator_lab.to_keras MODEL OUT.keras``: writes a canned Estimator as a Keras 3 model."""

import tempfile
from pathlib import Path

from estimator_lab.base.whole_files import whole_file
from estimator_lab.console.command import Command, CommandLine, NoSettings
from estimator_lab.console.outputs import why_refused
from estimator_lab.console.progress import say_rows
from estimator_lab.errors import FlagError

_USAGE = """Writes a canned Estimator (linear, DNN or combined; classifier or regressor) as a Keras 3 model.

  python -m estimator_lab.to_keras export/1700000000 model.keras
  python -m estimator_lab.to_keras model_dir/model.ckpt-1000 model.keras

The first argument is an export (a SavedModel), a model_dir, or a checkpoint with graph.pbtxt next to it.
The Keras model reads the features themselves, with layers in place of feature columns, and needs TensorFlow
only."""


def main(settings: NoSettings, line: CommandLine) -> None:
    """Runs the command."""
    if len(line.arguments) != 2:
        raise FlagError('Two arguments are needed: the model, and the file to write, such as model.keras.')
    source, out = map(Path, line.arguments)
    if out.suffix != '.keras':
        raise FlagError(f'{out} is not a name for a Keras model: end it in .keras.')
    from estimator_lab.porting.canned.model import keras_model

    model = keras_model(source)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / 'model.keras'
        model.save(saved)
        try:
            with whole_file(out) as file:
                file.write(saved.read_bytes())
        except OSError as error:
            raise FlagError(f'{out} cannot be written: {why_refused(out, error)}.') from error
    say_rows(
        (
            ('Keras model', f'{out}, {model.count_params():,} parameters'),
            (
                'Inputs',
                ', '.join(f'{key} {value.dtype} {_shape(value)}' for key, value in model.input.items()),
            ),
            ('Outputs', ', '.join(f'{key} {_shape(value)}' for key, value in model.output.items())),
        )
    )


def _shape(value: object) -> str:
    return f'[n, {getattr(value, "shape", "")[-1]}]'


COMMAND = Command(main, _USAGE, arguments='MODEL OUT.keras')

if __name__ == '__main__':
    COMMAND.run()
