"""``python -m estimator_lab.import_weights``: a file of weights -> a model_dir that all commands open."""

import shlex
from pathlib import Path

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.progress import say
from estimator_lab.errors import FlagError
from estimator_lab.models.registry import find_model

FLAGS = flags.FlagValues()

flags.DEFINE_string('model', 'vgg', 'which model they are of, as for train', flag_values=FLAGS)
flags.DEFINE_string('hparams', '', "the model's hyper-parameters, name=value,...", flag_values=FLAGS)
flags.DEFINE_string(
    'vocabulary', None, 'file of class names, one a line; default: numbers', flag_values=FLAGS
)
flags.DEFINE_integer(
    'image_size',
    224,
    'side in pixels to which images are scaled',
    lower_bound=1,
    upper_bound=8000,
    flag_values=FLAGS,
)
flags.DEFINE_enum('channels', '3', ['1', '3'], '1 for grey, 3 for colour', flag_values=FLAGS)
flags.DEFINE_string('model_dir', None, 'new folder of the model; default runs/MODEL', flag_values=FLAGS)

_USAGE = """Makes a model's folder of a file of weights, as if the model had been trained in it.

  python -m estimator_lab.import_weights vgg_16.ckpt --model_dir=runs/vgg16 --vocabulary=classes.txt
  python -m estimator_lab.import_weights vgg16_notop.h5 --model_dir=runs/vgg16 --hparams=head=pool

FILE is a checkpoint of TensorFlow that names its variables as the model does (of vgg: as tf-slim does), or
for vgg a file of weights of Keras 2 or 3."""
_ARGUMENTS = 'FILE'
_GROUPS = {
    'Model': ['model', 'hparams', 'vocabulary'],
    'Images': ['image_size', 'channels'],
    'Output': ['model_dir'],
}


def main(files: list[str]) -> int:
    """Runs the command; returns its exit status."""
    model = find_model(FLAGS.model)
    if len(files) > 1:
        raise FlagError(f'One FILE at a time, not {files[1]!r} as well.')

    from estimator_lab.core.model.hparams import parse_hparams
    from estimator_lab.runs.importing import Import, import_weights

    given = Import(
        weights=Path(files[0]),
        model=model,
        hparams=parse_hparams(model.params, FLAGS.hparams),
        image_shape=(FLAGS.image_size, FLAGS.image_size, int(FLAGS.channels)),
        vocabulary=Path(FLAGS.vocabulary) if FLAGS.vocabulary else None,
    )
    model_dir = Path(FLAGS.model_dir or f'runs/{model.name}')
    found = import_weights(given, model_dir)
    labels = f'{len(found.labels):,} classes' if found.labels else 'no classes'
    say(f'Imported         {found.variables} variables of {given.weights}, by {found.whose}; {labels}')
    say(f'Model            {model_dir}')
    folder = shlex.quote(str(model_dir))
    if found.labels:
        say(f'Next             {command.python()} -m estimator_lab.predict --model_dir={folder} photo.jpg')
    else:
        same = [f'--{name}={value}' for name in ('model', 'hparams') if (value := FLAGS[name].value)]
        train = shlex.join([*same, f'--warm_start={model_dir}', '--channels=3', '--data=TRAIN.tar'])
        say(f'Next             {command.python()} -m estimator_lab.train {train}')
    return 0


if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, _ARGUMENTS, FLAGS)
