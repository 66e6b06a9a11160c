"""``python -m estimator_lab.report``: a run on one page of HTML, curves, pictures and numbers."""

from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.progress import say_rows, warn
from estimator_lab.inference.settings import ReportSettings, check_there

_USAGE = """Writes a run as one page of HTML that any browser shows without a network or other files.

  python -m estimator_lab.report --model_dir=runs/mine
  python -m estimator_lab.report --model_dir=runs/mine --data=test.tar --out=mine.html

Shows learning curves, metrics, confusion, the worst examples, filters, activation maps, samples,
hyper-parameters and versions, as far as the model has them, from what training has written. With --data, the
model is evaluated on these examples. TensorBoard shows several runs side by side."""


def main(settings: ReportSettings, line: CommandLine) -> None:
    """Runs the command."""
    for name in ('eval_steps', 'worst'):
        if name in line.given and not settings.data:
            raise FlagError(f'{option(name)} needs {option.data}, see --help.')
    check_there(settings.model_dir, settings.data)

    from estimator_lab.inference.report.page import report
    from estimator_lab.runs.trained import Trained

    written = report(Trained.open(settings.model_dir), settings)
    for sentence in written.damage:
        warn(f'Warning: {sentence}.')
    say_rows([('Report', written.text())])


COMMAND = Command(main, _USAGE, ReportSettings, required=['model_dir'])

if __name__ == '__main__':
    COMMAND.run_and_leave()
