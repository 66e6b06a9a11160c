"""``python -m estimator_lab.evaluate``: how good a trained model is, and where it is wrong."""

from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.progress import say_lines, say_rows
from estimator_lab.inference.settings import EvaluationSettings

_USAGE = """Evaluates a trained model on images; the label of an image is the name of its folder.

  python -m estimator_lab.evaluate --model_dir=runs/mine --data=test.tar
  python -m estimator_lab.evaluate --model_dir=runs/mine --data='test-*.tar' --out=report

Prints metrics and, for a classifier, precision, recall and confusion of its classes. --out writes these as
JSON, CSV and PNG, and the worst mistakes as a contact sheet. Nothing in --model_dir is changed."""


def main(settings: EvaluationSettings, line: CommandLine) -> None:
    """Runs the command."""
    from estimator_lab.inference.evaluation_report import as_json, evaluate_and_write, text

    evaluation, files = evaluate_and_write(settings)
    say_lines(as_json(evaluation) if settings.json else text(evaluation))
    if files and not settings.json:
        say_rows([('Written', f'{settings.out}: {", ".join(files)}')])


COMMAND = Command(
    main,
    _USAGE,
    EvaluationSettings,
    places=['model_dir', 'data'],
    required=['model_dir', 'data'],
    aliases={'output': 'out'},
)

if __name__ == '__main__':
    COMMAND.run_and_leave()
