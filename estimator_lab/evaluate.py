"""``python -m estimator_lab.evaluate``: how good a trained model is, and where it is wrong."""

from contextlib import nullcontext

from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.outputs import check_folder, made_folder
from estimator_lab.base.progress import say_lines, say_rows, warn
from estimator_lab.inference.settings import EvaluationSettings, check_there

_USAGE = """Evaluates a trained model on images; the label of an image is the name of its folder.

  python -m estimator_lab.evaluate --model_dir=runs/mine --data=test.tar
  python -m estimator_lab.evaluate --model_dir=runs/mine --data='test-*.tar' --out=report

Prints metrics and, for a classifier, precision, recall and confusion of its classes. --out writes these as
JSON, CSV and PNG, and the worst mistakes as a contact sheet. Nothing in --model_dir is changed."""


def main(settings: EvaluationSettings, line: CommandLine) -> None:
    """Runs the command."""
    check_there(settings.model_dir, settings.data)

    from estimator_lab.inference.evaluation import evaluate
    from estimator_lab.runs.trained import Trained

    run = Trained.open(settings.model_dir)
    examples = run.examples(settings.data, settings.labels, warn)
    if settings.out:
        check_folder('out', settings.out, examples.paths, run.kind.accepts, run.model_dir)
    with made_folder('out', settings.out) if settings.out else nullcontext():
        evaluation = evaluate(run, examples, settings)
        files = evaluation.save(settings.out) if settings.out else []
    say_lines(evaluation.json() if settings.json else evaluation.text())
    if files and not settings.json:
        say_rows([('Written', f'{settings.out}: {", ".join(files)}')])


COMMAND = Command(main, _USAGE, EvaluationSettings, required=['model_dir', 'data'])

if __name__ == '__main__':
    COMMAND.run_and_leave()
