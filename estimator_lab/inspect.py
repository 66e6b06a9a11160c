"""``python -m estimator_lab.inspect``: what a trained network sees in one image."""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.outputs import safe_name, writing
from estimator_lab.console.progress import say, warn
from estimator_lab.errors import DataError, FlagError

if TYPE_CHECKING:
    from estimator_lab.inference.inspection import Inspection
    from estimator_lab.inference.model import Trained

FLAGS = flags.FlagValues()

flags.DEFINE_string('model_dir', None, 'folder in which the model was trained', flag_values=FLAGS)
flags.DEFINE_string('image', None, 'an image, or a member of an archive, ARCHIVE:MEMBER', flag_values=FLAGS)
flags.DEFINE_string(
    'label', '', 'whose evidence is looked for; default: the predicted one', flag_values=FLAGS
)
flags.DEFINE_string(
    'output', None, 'folder for the pictures; default: inspect in model_dir', flag_values=FLAGS
)

_USAGE = """Shows what a trained network sees in one image, as PNG files and in TensorBoard.

  python -m estimator_lab.inspect --model_dir=runs/mine --image=photo.jpg
  python -m estimator_lab.inspect --model_dir=runs/mine --image=test.tar:test/n000001/0001_01.jpg

The filters of the first layer; the activation maps of each convolution; the pixels on which the label
depends (saliency, Simonyan 2014), and where the last convolution found evidence for it (Grad-CAM, 2017);
of a recurrent network its states and gates, what it took the image for after each step, and how far the
gradient reaches back."""
_ARGUMENTS = ''
_GROUPS = {'Model': ['model_dir'], 'Image': ['image', 'label'], 'Output': ['output']}
_FOLDER = 'inspect'
_SUFFIXES = ('', '_2', '_3')


def main() -> int:
    """Runs the command; returns its exit status."""
    for name in ('model_dir', 'image'):
        if not FLAGS[name].value:
            raise FlagError(f'--{name} is missing, see --help.')

    from estimator_lab.data.bad_example import BadExampleError
    from estimator_lab.data.pipeline.paths import read_image
    from estimator_lab.inference.inspection import inspect_image, write_pictures, write_summaries
    from estimator_lab.inference.model import open_trained

    member = read_image(FLAGS.image)
    trained = open_trained(Path(FLAGS.model_dir))
    try:
        image = trained.reader.decode(member.data, *trained.shape)
    except BadExampleError as reason:
        raise DataError(f'--image={FLAGS.image} cannot be decoded: {reason}.') from reason
    found = inspect_image(trained, image, FLAGS.label, FLAGS.image)
    pictures = found.pictures()
    events = trained.model_dir / _FOLDER
    folder = Path(FLAGS.output) if FLAGS.output else events / safe_name(FLAGS.image)
    with writing('output' if FLAGS.output else 'model_dir', folder):
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


def _prediction(trained: 'Trained', found: 'Inspection') -> str:
    from estimator_lab.inference.prediction import Predicted, Table

    top = min(len(_SUFFIXES), max(len(trained.record.vocabulary), 1))
    values = {name: value[None] for name, value in found.values.items()}
    (row,) = Table(trained, top).rows(Predicted([FLAGS.image], [], values))
    columns = dict(row.columns)
    labels = [columns.pop(f'label{suffix}', None) for suffix in _SUFFIXES[:top]]
    chances = [columns.pop(f'probability{suffix}', None) for suffix in _SUFFIXES[:top]]
    shown = [f'{label} {chance:.4f}' for label, chance in zip(labels, chances, strict=True) if label]
    return ', '.join([*shown, *(f'{name} {value}' for name, value in columns.items())])


if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, _ARGUMENTS, FLAGS)
