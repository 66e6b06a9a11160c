"""Training runs that take a second or two, and what they leave behind."""

import shutil

from estimator_lab.base.errors import with_dashes
from estimator_lab.tf1 import tf
from estimator_lab.training.checks import prepared
from estimator_lab.training.plan import make_plan
from estimator_lab.training.settings import TrainSettings
from estimator_lab.training.train import train as train_plan
from tests.support.archive_files import small_archive

SMALL = 'filters=2,dense_units=8'


def cnn_settings(data, model_dir, /, **changes):
    """Returns the settings of a CNN for 8x8 pixels: 4 steps of 6 images, evaluated after the last."""
    given = {
        'model': 'cnn',
        'data': [str(data)],
        'model_dir': model_dir,
        'batch_size': 6,
        'max_steps': 4,
        'image_size': 8,
        'hparams': SMALL,
        'save_checkpoints_steps': 100,
    }
    return TrainSettings(**{**given, **changes})


def opened(settings):
    """Returns a plan, and the list of what it says."""
    said = []

    def say(line):
        said.append(with_dashes(line))

    return make_plan(prepared(settings, say), say), said


def trained(settings):
    """Trains; returns the result, and what was said."""
    plan, said = opened(settings)
    return train_plan(plan), said


def train(folder, model, hparams, **settings):
    """Trains on the images of `small_archive`, 6 a step; returns the model_dir.

    Args:
      folder: where train.tar is written.
      model: the model.
      hparams: its hyper-parameters.
      **settings: further settings.
    """
    given = {'model': model, 'hparams': hparams, 'image_size': TrainSettings.image_size, 'max_steps': None}
    chosen = cnn_settings(small_archive(folder), folder / 'model', **{**given, **settings})
    trained(chosen)
    return chosen.model_dir


def train_run(settings, say=lambda line: None):
    """Trains; returns the result."""
    return train_plan(make_plan(settings, say))


def small_settings(model, folder, **changes):
    """Returns the settings of a run in FOLDER/model on the images of `small_archive`, as `cnn_settings`."""
    given = {'model': model, 'hparams': '', 'data': changes.get('data') or [str(small_archive(folder))]}
    return cnn_settings('', folder / 'model', **{**given, **changes})


def values_in(checkpoint, step=None):
    """Returns the values of a checkpoint, or of a folder's newest one or that of a step, by variable."""
    reader = tf.train.load_checkpoint(str(checkpoint if step is None else checkpoint / f'model.ckpt-{step}'))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def summaries_in(folder):
    """Returns the last summary value of each tag in the event files of a folder."""
    events = (event for path in folder.glob('events*') for event in tf.train.summary_iterator(str(path)))
    return {value.tag: value for event in events for value in event.summary.value}


def stopped_at(step, source, folder):
    """Copies a model_dir to FOLDER, as if its training had been killed after the checkpoint of STEP."""
    shutil.copytree(source, folder)
    for path in folder.glob('model.ckpt-*'):
        if not path.name.startswith(f'model.ckpt-{step}.'):
            path.unlink()
    names = f'model_checkpoint_path: "model.ckpt-{step}"\nall_model_checkpoint_paths: "model.ckpt-{step}"\n'
    (folder / 'checkpoint').write_text(names)
    return folder


def replace_newest(model_dir, old, new):
    """What a training does that keeps one checkpoint."""
    for path in model_dir.glob(f'model.ckpt-{old}.*'):
        path.rename(path.with_name(path.name.replace(f'ckpt-{old}', f'ckpt-{new}')))
    (model_dir / 'checkpoint').write_text(f'model_checkpoint_path: "model.ckpt-{new}"\n')
