"""``python -m estimator_lab.report``: a run on one page of HTML, curves, pictures and numbers."""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.outputs import check_outputs, made_folder, written_whole
from estimator_lab.console.progress import say, warn
from estimator_lab.data.tar.sources import STDIN
from estimator_lab.errors import FlagError

if TYPE_CHECKING:
    from estimator_lab.inference.report.page import Examined
    from estimator_lab.runs.model import Trained

FLAGS = flags.FlagValues()

flags.DEFINE_string('model_dir', None, 'folder in which the model was trained', flag_values=FLAGS)
flags.DEFINE_list(
    'data',
    [],
    "evaluate on these now: archives, folders; default: the run's own last evaluation",
    flag_values=FLAGS,
)
flags.DEFINE_integer('eval_steps', None, 'batches to evaluate; default all', lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer('worst', 24, 'worst examples to show', lower_bound=0, flag_values=FLAGS)
flags.DEFINE_string('out', None, 'the page; default: report.html in model_dir', flag_values=FLAGS)

_USAGE = """Writes a run as one page of HTML that any browser shows: it needs no network and no other file.

  python -m estimator_lab.report --model_dir=runs/mine
  python -m estimator_lab.report --model_dir=runs/mine --data=test.tar --out=mine.html

Learning curves, metrics, confusion, the worst examples, filters, activation maps, what the model makes up,
hyper-parameters and versions, as far as the model has them, from what training has written. With --data the
examples are evaluated now, and the first of them is looked into as `inspect` does."""
_ARGUMENTS = ''
_GROUPS = {'Model': ['model_dir'], 'Examples': ['data', 'eval_steps', 'worst'], 'Output': ['out']}
_NAME = 'report.html'


def main() -> int:
    """Runs the command; returns its exit status."""
    if not FLAGS.model_dir:
        raise FlagError('--model_dir is missing, see --help.')
    for name in ('eval_steps', 'worst'):
        if FLAGS[name].present and not FLAGS.data:
            raise FlagError(f'--{name} has a meaning with --data only, see --help.')
    if STDIN in FLAGS.data:
        raise FlagError(f'--data={STDIN} passes by only once, but is read twice here: name a file.')
    path = Path(FLAGS.out) if FLAGS.out else Path(FLAGS.model_dir, _NAME)

    from estimator_lab.inference.report.history import read_history
    from estimator_lab.inference.report.page import report_page
    from estimator_lab.runs.model import open_trained

    trained = open_trained(Path(FLAGS.model_dir))
    accepts = trained.kind.accepts
    check_outputs({'out': str(path)}, FLAGS.data, trained.model_dir, accepts, ('.html', '.htm'))
    with (
        made_folder('out', path.parent),
        written_whole('out', path, keeps_part=False) as partial,
    ):
        partial.open('x').close()
        history = read_history(trained.model_dir)
        text = report_page(trained, history, _examined(trained) if FLAGS.data else None)
        partial.write_text(text, encoding='utf-8')
    for line in history.damage:
        warn(f'Warning: {line}.')
    say(f'{"Report":<16} {path}: {len(text) / 1e6:.1f} MB, for any browser')
    return 0


def _examined(trained: 'Trained') -> 'Examined':
    """Evaluates the model on --data, and looks into the first example."""
    from estimator_lab.data.pipeline.paths import ExampleInput
    from estimator_lab.data.pipeline.report import InputReport
    from estimator_lab.inference.evaluation import EvaluationSettings, evaluate
    from estimator_lab.inference.report.examples import look_into_first
    from estimator_lab.inference.report.page import Examined

    kind = trained.kind
    examples = ExampleInput(FLAGS.data, warn, kind)
    settings = EvaluationSettings(trained.reader, steps=FLAGS.eval_steps, worst=FLAGS.worst)
    evaluation = evaluate(trained, examples, settings, InputReport(say=warn, kind=kind))
    return Examined(evaluation, *look_into_first(trained, ExampleInput(FLAGS.data, kind=kind)))


if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, _ARGUMENTS, FLAGS)
