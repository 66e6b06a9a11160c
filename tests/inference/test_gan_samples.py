import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from estimator_lab import dream
from estimator_lab.base.errors import FlagError
from estimator_lab.inference.exporting import export
from estimator_lab.inference.run import Run
from estimator_lab.inference.samples import sample
from estimator_lab.inference.settings import DreamSettings, ExportSettings
from tests.support.archive_files import encoded, picture
from tests.support.commands import invoke
from tests.support.exports import of_saved_model, signatures_of
from tests.support.small_runs import train

pytestmark = pytest.mark.trains


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with train.tar, and the model_dir of a small conditional generator."""
    folder = tmp_path_factory.mktemp('gan')
    more = {'save_summary_steps': 1, 'save_checkpoints_steps': 12, 'eval_steps': 1}
    train(folder, 'gan', 'filters=2,latent_size=3,conditional=true', max_steps=12, image_size=8, **more)
    return folder


@pytest.fixture(scope='module')
def trained(folder):
    return Run.open(folder / 'model')


def samples(run, **settings):
    return sample(run, DreamSettings(**settings))


@pytest.mark.slow
def test_samples_depend_on_seed_and_place_alone(trained):
    found = samples(trained, count=6)
    images = found.images
    assert images.shape == (6, 8, 8, 1) and 0 <= images.min() <= images.max() <= 1
    assert found.labels == ['n000000', 'n000001', 'n000002', 'n000003', 'n000000', 'n000001']
    assert np.allclose(samples(trained, count=2).images, images[:2], atol=1e-6)
    assert not np.allclose(samples(trained, count=6, seed=2).images, images)
    assert samples(trained, count=2, label='n000003').labels == ['n000003'] * 2
    with pytest.raises(FlagError, match='label=x is unknown to the model; it knows labels such as n000000'):
        samples(trained, count=1, label='x')


def test_truncation_keeps_samples_near_their_mean(trained):
    spread = [samples(trained, count=99, truncation=bound).images.std(axis=0).mean() for bound in (1e-3, 0.0)]
    assert spread[0] < spread[1]


def test_an_archive_that_can_be_trained_on(trained, tmp_path):
    path = tmp_path / 'fakes.tar'
    samples(trained, count=70).save(path)
    with tarfile.open(path) as tar:
        names = tar.getnames()
        first = Image.open(io.BytesIO(tar.extractfile(names[0]).read()))
    assert names[1] == 'n000001/000001.png' and len(names) == 70
    assert first.size == (8, 8) and first.mode == 'L'


def test_the_command(folder, tmp_path, capsys):
    model_dir = f'--model_dir={folder / "model"}'
    out = tmp_path / 'dreams.png'
    assert (invoke(dream, model_dir, '--count=9', f'--out={out}'), capsys.readouterr().err) == (0, '')
    assert Image.open(out).size[1] > 2 * 96, 'rows of four samples'
    for _ in range(2):  # the second archive replaces the first
        assert invoke(dream, model_dir, '--count=3', f'--out={tmp_path / "fakes.TAR"}') == 0
    with tarfile.open(tmp_path / 'fakes.TAR') as tar:
        assert len(tar.getnames()) == 3
    capsys.readouterr()
    assert invoke(dream, model_dir, '--steps=5') == 2
    assert '--steps has no meaning for samples of --model=gan' in capsys.readouterr().err


@pytest.mark.slow
def test_an_export_takes_latent_vectors_and_images(trained, tmp_path):
    saved = export(trained, ExportSettings(out=tmp_path / 'export'))
    assert set(signatures_of(saved)) == {'serving_default', 'pixels:serving_default', 'latent:samples'}
    latent = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    made, others = (
        of_saved_model(saved, 'latent:samples', {'latent': latent, 'label': [first, b'n000002']})
        for first in (b'n000001', b'n000002')
    )
    said = of_saved_model(saved, 'serving_default', {'image_bytes': [encoded(picture(1, 8, 8, 'L'))]})
    for png, pixels in zip(made['png'], made['samples'], strict=True):
        assert np.abs(np.asarray(Image.open(io.BytesIO(png))) - 255 * pixels[..., 0]).max() <= 1
    first, second = np.abs(others['samples'] - made['samples']).max(axis=(1, 2, 3))
    assert first > 1e-4 and second == 0
    assert set(said) == {'realness', 'error'} and said['realness'].shape == (1,)
