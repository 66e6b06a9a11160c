"""Small trained networks, shared by the tests of this folder."""

import pytest

from estimator_lab.runs.model import open_trained
from estimator_lab.training.experiment import Experiment
from estimator_lab.training.settings import Settings
from tests.archive_files import small_archive


def train(folder, model, hparams, **settings):
    """Returns the model_dir of a model after two steps."""
    settings = Settings(
        model=model,
        data=[str(small_archive(folder))],
        model_dir=folder / model,
        batch_size=6,
        max_steps=2,
        hparams=hparams,
        **settings,
    )
    Experiment(settings, lambda line: None).train()
    return settings.model_dir


@pytest.fixture(scope='module')
def cnn(cnn_dir):
    """A CNN of grey images of 8x8 pixels."""
    return open_trained(cnn_dir)


@pytest.fixture(scope='session')
def vgg(tmp_path_factory):
    """A VGG without dense layers, of colour images of 32x32 pixels."""
    folder = tmp_path_factory.mktemp('vgg')
    hparams = 'depth=11,filters=2,head=pool,batch_norm=true'
    return open_trained(train(folder, 'vgg', hparams, image_size=32, channels=3))


@pytest.fixture(scope='session')
def gan(tmp_path_factory):
    """A semi-supervised game on grey images of 8x8 pixels."""
    folder = tmp_path_factory.mktemp('gan')
    hparams = 'filters=3,latent_size=2,semi_supervised=true'
    return open_trained(train(folder, 'gan', hparams, image_size=8))
