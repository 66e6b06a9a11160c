"""``python -m estimator_lab.export``: writes a trained model as a SavedModel, which runs on its own."""

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
    from estimator_lab.inference.run import open_run

    export(open_run(settings.model_dir), settings, lambda title, text: say_rows([(title, text)]))


COMMAND = Command(main, _USAGE, ExportSettings, required=['model_dir'])

if __name__ == '__main__':
    COMMAND.run_and_leave()
