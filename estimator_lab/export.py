"""``python -m estimator_lab.export``: writes a trained model as a SavedModel, which runs on its own."""

import shlex

from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.progress import say_rows
from estimator_lab.inference.settings import ExportSettings

_USAGE = """Writes a trained model as a SavedModel, which needs nothing but TensorFlow to run.

  python -m estimator_lab.export --model_dir=runs/mine
  python -m estimator_lab.export --model_dir=runs/mine --out=exported

The signature serving_default accepts image files of any size, pixels:serving_default accepts pixels."""


def main(settings: ExportSettings, line: CommandLine) -> None:
    """Runs the command."""
    from estimator_lab.inference.exporting import export
    from estimator_lab.runs.trained import Trained

    run = Trained.open(settings.model_dir)
    folder = export(run, settings)
    signatures = f'saved_model_cli show --all --dir {shlex.quote(str(folder))}'
    say_rows([('Exported', f'{run.model} at step {run.step}: {folder}'), ('Its signatures', signatures)])


COMMAND = Command(main, _USAGE, ExportSettings, required=['model_dir'])

if __name__ == '__main__':
    COMMAND.run_and_leave()
