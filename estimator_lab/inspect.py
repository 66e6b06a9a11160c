"""``python -m estimator_lab.inspect``: what a trained network sees in one image, or says of one tree."""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.outputs import safe_name, writing
from estimator_lab.console.progress import say, warn
from estimator_lab.errors import DataError, FlagError

if TYPE_CHECKING:
    from estimator_lab.inference.inspection import Inspection
    from estimator_lab.inference.tree_inspection import TreeInspection
    from estimator_lab.runs.model import Trained

FLAGS = flags.FlagValues()

flags.DEFINE_string('model_dir', None, 'folder in which the model was trained', flag_values=FLAGS)
flags.DEFINE_string('image', None, 'an image, or a member of an archive, ARCHIVE:MEMBER', flag_values=FLAGS)
flags.DEFINE_string('tree', None, 'a tree as a text, or ARCHIVE:MEMBER', flag_values=FLAGS)
flags.DEFINE_string(
    'label', '', 'whose evidence is looked for; default: the predicted one', flag_values=FLAGS
)
flags.DEFINE_string('out', None, 'folder for the pictures; default: inspect in model_dir', flag_values=FLAGS)
flags.DEFINE_alias('output', 'out', flag_values=FLAGS)  # as it was called

_USAGE = """Shows what a trained network sees in one image, as PNG files and in TensorBoard.

  python -m estimator_lab.inspect --model_dir=runs/mine --image=photo.jpg
  python -m estimator_lab.inspect --model_dir=runs/mine --image=test.tar:test/n000001/0001_01.jpg

The filters of the first layer; the activation maps of each convolution; the pixels on which the label
depends (saliency, Simonyan 2014), and where the last convolution found evidence for it (Grad-CAM, 2017);
of a recurrent network its states and gates, what it took the image for after each step, and how far the
gradient reaches back.

  python -m estimator_lab.inspect --model_dir=runs/recursive --tree='( ( ( [MAX 2 ) 9 ) ] )'

A tree is drawn with the label and its probability at each node: the surer, the darker."""
_ARGUMENTS = ''
_GROUPS = {'Model': ['model_dir'], 'Image or tree': ['image', 'tree', 'label'], 'Output': ['out']}
_BOTH = '--image and --tree exclude each other: give one of them.'
_FOLDER = 'inspect'
_SUFFIXES = ('', '_2', '_3')


def main() -> int:
    """Runs the command; returns its exit status."""
    if not FLAGS.model_dir:
        raise FlagError('--model_dir is missing, see --help.')
    if bool(FLAGS.image) == bool(FLAGS.tree):
        raise FlagError('--image is missing, or --tree, see --help.' if not FLAGS.image else _BOTH)

    from estimator_lab.inference.inspection import write_pictures, write_summaries
    from estimator_lab.runs.model import open_trained

    name, inspect = ('tree', _inspect_tree) if FLAGS.tree else ('image', _inspect_image)
    trained = open_trained(Path(FLAGS.model_dir))
    if trained.kind.name != name:
        raise FlagError(f'--{name} is given, but --model_dir={FLAGS.model_dir} takes {trained.kind.noun}.')
    found = inspect(trained)
    pictures = found.pictures()
    events = trained.model_dir / _FOLDER
    folder = Path(FLAGS.out) if FLAGS.out else events / safe_name(FLAGS[name].value)
    with writing('out', folder):  # or its default, which it would be another one for
        folder.mkdir(parents=True, exist_ok=True)
        write_pictures(folder, pictures)
    say(f'{"Prediction":<16} {_prediction(trained, found)}')
    say(f'{"Pictures":<16} {folder}: {", ".join(f"{name}.png" for name in pictures)}')
    try:
        write_summaries(events, pictures, trained.step)
        say(f'{"TensorBoard":<16} {command.tensorboard(trained.model_dir)}')
    except OSError as error:
        warn(f'{events} cannot be written, so that TensorBoard shows nothing of it: {error}')
    return 0


def _inspect_image(trained: 'Trained') -> 'Inspection':
    from estimator_lab.data.member import BadExampleError
    from estimator_lab.data.pipeline.paths import read_example
    from estimator_lab.inference.inspection import inspect_image

    member = read_example(FLAGS.image)
    try:
        image = trained.image_reader().decode(member.data, *trained.shape)
    except BadExampleError as reason:
        raise DataError(f'--image={FLAGS.image} cannot be decoded: {reason}.') from reason
    return inspect_image(trained, image, FLAGS.label, FLAGS.image)


def _inspect_tree(trained: 'Trained') -> 'TreeInspection':
    from estimator_lab.data.member import BadExampleError
    from estimator_lab.data.pipeline.paths import read_example
    from estimator_lab.inference.tree_inspection import inspect_tree

    if FLAGS.label:
        raise FlagError(f'--label={FLAGS.label} is for images: a tree shows its likeliest labels.')
    is_text = FLAGS.tree.lstrip().startswith('(')
    data = FLAGS.tree.encode() if is_text else read_example(FLAGS.tree, trained.kind).data
    try:
        return inspect_tree(trained, data)
    except BadExampleError as reason:
        raise DataError(f'--tree={FLAGS.tree[:80]} is no tree: {reason}.') from reason


def _prediction(trained: 'Trained', found: 'Inspection | TreeInspection') -> str:
    from estimator_lab.inference.prediction import Predicted, Table

    top = min(len(_SUFFIXES), max(len(trained.record.vocabulary), 1))
    values = {name: value[None] for name, value in found.values.items()}
    (row,) = Table(trained, top).rows(Predicted([FLAGS.image or FLAGS.tree], [], values))
    columns = dict(row.columns)
    labels = [columns.pop(f'label{suffix}', None) for suffix in _SUFFIXES[:top]]
    chances = [columns.pop(f'probability{suffix}', None) for suffix in _SUFFIXES[:top]]
    shown = [f'{label} {chance:.4f}' for label, chance in zip(labels, chances, strict=True) if label]
    return ', '.join([*shown, *(f'{name} {value}' for name, value in columns.items())])


if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, _ARGUMENTS, FLAGS)
