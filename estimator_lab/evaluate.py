"""``python -m estimator_lab.evaluate``: how good a trained model is, and where it is wrong."""

from contextlib import ExitStack
from pathlib import Path

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.progress import progress_of, say, say_lines, warn
from estimator_lab.errors import FlagError

FLAGS = flags.FlagValues()

flags.DEFINE_string('model_dir', None, 'folder in which the model was trained', flag_values=FLAGS)
flags.DEFINE_list('data', [], "tar archives, folders, '-' for standard input", flag_values=FLAGS)
flags.DEFINE_string(
    'labels', None, "table of a name and a label a line; default: images' folders", flag_values=FLAGS
)
flags.DEFINE_enum(
    'decode', None, ['exact', 'fast'], 'how images are decoded; default: as in training', flag_values=FLAGS
)
flags.DEFINE_integer(
    'batch_size', 32, 'images at once', lower_bound=1, upper_bound=10_000_000, flag_values=FLAGS
)
flags.DEFINE_integer('eval_steps', None, 'batches to evaluate; default all', lower_bound=1, flag_values=FLAGS)
flags.DEFINE_string('out', None, 'folder for tables and pictures', flag_values=FLAGS)
flags.DEFINE_alias('output', 'out', flag_values=FLAGS)  # as it was called
flags.DEFINE_integer('worst', 24, 'examples on the contact sheet', lower_bound=0, flag_values=FLAGS)
flags.DEFINE_bool('json', False, 'print JSON instead of tables', flag_values=FLAGS)

_USAGE = """Evaluates a trained model on images whose labels are the folders they lie in.

  python -m estimator_lab.evaluate --model_dir=runs/mine --data=test.tar
  python -m estimator_lab.evaluate --model_dir=runs/mine --data='test-*.tar' --out=report

Shows metrics and, for a classifier, precision, recall and confusion of its classes. --out writes these as
JSON, CSV and PNG, and the worst mistakes as a contact sheet. Nothing in --model_dir is changed."""
_ARGUMENTS = ''
_GROUPS = {
    'Model': ['model_dir'],
    'Images': ['data', 'labels', 'decode', 'batch_size', 'eval_steps'],
    'Output': ['out', 'worst', 'json'],
}


def main() -> int:
    """Runs the command; returns its exit status."""
    for name in ('model_dir', 'data'):
        if not FLAGS[name].value:
            raise FlagError(f'--{name} is missing, see --help.')

    from estimator_lab.console.outputs import json_text, made_folder
    from estimator_lab.data.label_table import read_label_table
    from estimator_lab.data.pipeline.paths import ExampleInput
    from estimator_lab.data.pipeline.report import InputReport
    from estimator_lab.inference.evaluation import EvaluationSettings, evaluate
    from estimator_lab.inference.evaluation_report import as_dict, text, write_files
    from estimator_lab.runs.memory import check_use
    from estimator_lab.runs.model import open_trained

    trained = open_trained(Path(FLAGS.model_dir))
    kind = trained.kind
    if FLAGS.labels:
        kind = kind.with_labels(read_label_table(Path(FLAGS.labels)))
    examples = ExampleInput(FLAGS.data, warn, kind)
    check_use(trained.reader, FLAGS.batch_size)
    settings = EvaluationSettings(
        trained.reader_with(FLAGS.decode), FLAGS.batch_size, FLAGS.eval_steps, FLAGS.worst
    )
    with ExitStack() as stack:
        if FLAGS.out:
            stack.enter_context(made_folder('out', Path(FLAGS.out)))
        progress = stack.enter_context(progress_of('Evaluating', kind.noun, lambda: examples.share))
        report = InputReport(say=warn, kind=kind, progress=progress)
        found = evaluate(trained, examples, settings, report)
    say_lines(json_text(as_dict(trained, found), 1) if FLAGS.json else text(trained, found))
    if FLAGS.out:
        names = write_files(Path(FLAGS.out), trained, found)
        if not FLAGS.json:
            say(f'{"Written":<16} {FLAGS.out}: {", ".join(names)}')
    return 0


if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, _ARGUMENTS, FLAGS)
