"""``python -m estimator_lab.report``: a run on one page of HTML, curves, pictures and numbers."""

from pathlib import Path

from estimator_lab.console.command import Command, CommandLine
from estimator_lab.console.progress import say_rows, warn
from estimator_lab.errors import FlagError
from estimator_lab.inference.settings import ReportSettings

_USAGE = """Writes a run as one page of HTML that any browser shows without a network or other files.

  python -m estimator_lab.report --model_dir=runs/mine
  python -m estimator_lab.report --model_dir=runs/mine --data=test.tar --out=mine.html
  python -m estimator_lab.report runs/one runs/two

Shows learning curves, metrics, confusion, the worst examples, filters, activation maps, samples,
hyper-parameters and versions, as far as the model has them, from what training has written. With --data, the
model is evaluated on these examples, and the first of them is inspected as `inspect` does.

Several runs, also as --model_dir=runs/one,runs/two, are shown side by side in
runs/one/comparison.html: curves in the same charts, metrics in one table, and the settings that differ;
with --data, also the metrics of all of them on the same examples."""


def main(settings: ReportSettings, line: CommandLine) -> None:
    """Runs the command."""
    for name in ('eval_steps', 'worst'):
        if name in line.given and not settings.data:
            raise FlagError(f'--{name} needs --data, see --help.')

    folders = [*_folders(settings.model_dir), *map(Path, line.arguments)]
    if len(folders) > 1 and 'worst' in line.given:
        raise FlagError('--worst is for the report of one run, not for several: leave it out.')

    from estimator_lab.inference.report.writing import write_comparison, write_report

    if len(folders) > 1:
        path, size, damage = write_comparison(folders, settings)
    else:
        path, size, damage = write_report(settings)
    for sentence in damage:
        warn(f'Warning: {sentence}.')
    say_rows([('Report', f'{path}: {size / 1e6:.1f} MB, for any browser')])


def _folders(model_dir: Path) -> list[Path]:
    """Returns the folders of --model_dir, with commas between them; a folder may have commas in its name."""
    if model_dir.exists():
        return [model_dir]
    return [Path(name).expanduser() for name in str(model_dir).split(',') if name] or [model_dir]


COMMAND = Command(
    *(main, _USAGE, ReportSettings),
    places=['model_dir'],
    required=['model_dir'],
    arguments='[MODEL_DIR...]',
)

if __name__ == '__main__':
    COMMAND.run_and_leave()
