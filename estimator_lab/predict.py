"""``python -m estimator_lab.predict``: what a trained model says about images, or trees."""

import contextlib
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.options import define_flags, groups_of, read_flags
from estimator_lab.console.outputs import check_outputs, written_whole
from estimator_lab.console.progress import progress_of, say, silence, warn, why_unwritten
from estimator_lab.errors import DataError, FlagError, LabError
from estimator_lab.inference.painting_settings import PaintingSettings

if TYPE_CHECKING:
    from estimator_lab.data.pipeline.paths import ExampleInput
    from estimator_lab.data.pipeline.report import InputReport
    from estimator_lab.inference.prediction import Predicted, Table
    from estimator_lab.inference.prediction_files import PredictionFiles, WriteRow
    from estimator_lab.runs.model import Trained

FLAGS = flags.FlagValues()

flags.DEFINE_string('model_dir', None, 'folder in which the model was trained', flag_values=FLAGS)
flags.DEFINE_list('data', [], 'more images, folders and archives, as the arguments', flag_values=FLAGS)
flags.DEFINE_enum(
    'decode', None, ['exact', 'fast'], 'how images are decoded; default: as in training', flag_values=FLAGS
)
flags.DEFINE_integer(
    'batch_size', 64, 'images at once', lower_bound=1, upper_bound=10_000_000, flag_values=FLAGS
)
flags.DEFINE_enum('format', 'csv', ['csv', 'jsonl'], 'of the rows', flag_values=FLAGS)
flags.DEFINE_integer('top', 1, 'labels in a row, the most probable first', lower_bound=1, flag_values=FLAGS)
flags.DEFINE_string('out', None, 'file for the rows; default: standard output', flag_values=FLAGS)
flags.DEFINE_string('files', None, 'new folder for vectors (npz) and pictures (PNG)', flag_values=FLAGS)
flags.DEFINE_alias('output', 'files', flag_values=FLAGS)  # as it was called
define_flags(PaintingSettings, FLAGS)

_USAGE = """Says what a trained model sees in images: a row for each, in their order, as soon as it is known.

  python -m estimator_lab.predict --model_dir=runs/mine photo.jpg holiday/ faces.tar.gz
  curl -s https://example.com/faces.tar | python -m estimator_lab.predict --model_dir=runs/mine --top=3 -

Arguments are images, folders of them at any depth, tar archives, plain or compressed, and '-' for standard
input, which holds an archive or one image. What can't be decoded has a row that says why ('problem').
Of --model=style the pictures are painted, each in its own size, and --files=DIR gets them.
Of a model of trees they are texts of a tree a line, archives of trees, and folders of .tree files."""
_TABLES = ('.csv', '.jsonl', '.json', '.txt', '')
_ARGUMENTS = '[IMAGE|FOLDER|TAR...]'
_GROUPS = {
    'Model': ['model_dir'],
    'Images': ['data', 'decode', 'batch_size'],
    **groups_of(PaintingSettings),
    'Output': ['format', 'top', 'out', 'files'],
}


def main(arguments: list[str]) -> int:
    """Runs the command; returns its exit status."""
    if not FLAGS.model_dir:
        raise FlagError('--model_dir is missing, see --help.')
    if not arguments and not FLAGS.data:
        raise FlagError("No image is named: give files, folders, tar archives, or '-' for standard input.")

    from estimator_lab.data.pipeline.paths import ExampleInput
    from estimator_lab.data.pipeline.report import InputReport
    from estimator_lab.inference.painting import as_asked
    from estimator_lab.inference.prediction import Table
    from estimator_lab.inference.prediction_files import PredictionFiles
    from estimator_lab.runs.memory import check_use
    from estimator_lab.runs.model import open_trained

    trained = open_trained(Path(FLAGS.model_dir))
    trained = as_asked(trained, read_flags(PaintingSettings, FLAGS))
    if trained.model.transform_net:
        _check_painting()
    else:
        check_use(trained.reader, FLAGS.batch_size)
    kind = trained.kind
    examples = ExampleInput([*arguments, *FLAGS.data], warn, kind)
    outputs = {name: FLAGS[name].value for name in ('out', 'files')}
    check_outputs(outputs, examples.paths, trained.model_dir, kind.accepts, _TABLES)
    table = Table(trained, FLAGS.top)
    files = PredictionFiles(Path(FLAGS.files)) if FLAGS.files else None
    stack = contextlib.ExitStack()
    if files:
        stack.callback(files.leave_no_empty_folder)
    progress = None
    if FLAGS.out:  # else the rows themselves tell
        progress = stack.enter_context(progress_of('Predicting', kind.noun, lambda: examples.share))
    report = InputReport(say=lambda line: None, kind=kind, progress=progress)
    batches = _batches(trained, examples, report)
    try:
        with stack, _rows_stream() as stream, contextlib.closing(batches):
            _write(batches, table, files, stream)
    except BrokenPipeError:  # whoever read the rows has enough of them
        silence(sys.stdout)
        return 0
    return _conclude(report, examples.paths)


def _check_painting() -> None:
    if not FLAGS.files:
        raise FlagError('--files is missing: the new folder for the paintings.')
    if FLAGS.decode:
        raise FlagError(
            f'--decode={FLAGS.decode} scales images, but paintings have the size of their photos.'
        )


def _batches(
    trained: 'Trained', examples: 'ExampleInput', report: 'InputReport'
) -> 'Generator[Predicted, None, None]':
    from estimator_lab.inference.painting import painted_batches
    from estimator_lab.inference.prediction import predicted_batches

    if trained.model.transform_net:
        return painted_batches(trained, examples, report)
    return predicted_batches(trained, examples, trained.reader_with(FLAGS.decode), FLAGS.batch_size, report)


def _write(
    batches: 'Iterator[Predicted]', table: 'Table', files: 'PredictionFiles | None', stream: TextIO
) -> None:
    from estimator_lab.inference.prediction_files import FORMATS

    write: WriteRow | None = None
    with files or contextlib.nullcontext():
        for batch in batches:
            if files:
                batch = batch._replace(values={**batch.values, **files.write(batch)})
            if write is None:
                write = FORMATS[FLAGS.format](stream, list(table.columns(batch.values)))
                _tell_what_is_missing(table.left_out(batch.values), files is not None)
                if FLAGS['top'].present and not table.classifies(batch.values):
                    warn(f'--top={FLAGS.top} counts labels, of which this model says none.')
            for row in table.rows(batch):
                write(row)
            stream.flush()


@contextlib.contextmanager
def _rows_stream() -> Iterator[TextIO]:
    if not FLAGS.out:
        sys.stdout.reconfigure(encoding='utf-8')  # type: ignore[union-attr] # as files have it
        try:
            yield sys.stdout
        except BrokenPipeError:
            raise
        except OSError as error:
            silence(sys.stdout)
            raise LabError(why_unwritten(error)) from error
        return
    path = Path(FLAGS.out)
    with written_whole('out', path) as partial, partial.open('w', encoding='utf-8', newline='') as file:
        yield file


def _tell_what_is_missing(names: list[str], written: bool) -> None:
    if names and not written:
        warn(f'Not in the table: {", ".join(names)}; --files=DIR writes them.')


def _conclude(report: 'InputReport', paths: list[str]) -> int:
    noun = report.kind.noun
    if not report.seen:
        raise DataError(f'{", ".join(paths)}: no {report.kind.name} was found.')
    if report.bad == report.seen == 1:
        raise DataError(f'The only {report.kind.name} could not be decoded: {report.last}.')
    if report.bad == report.seen:
        raise DataError(f'None of the {report.seen:,} {noun} could be decoded; the last is {report.last}.')
    if report.bad:
        warn(f'{report.bad:,} of {report.seen:,} {noun} could not be decoded.')
    if FLAGS.out:
        good = report.seen - report.bad
        say(f'Predicted {good:,} {noun if good > 1 else report.kind.name}: {FLAGS.out}')
    return 0


if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, _ARGUMENTS, FLAGS)
