import io
import re
import subprocess
import sys
import sysconfig
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from estimator_lab import api, export
from estimator_lab.base.keys import to_unit_range
from estimator_lab.data.images.decode import decode_image
from estimator_lab.inference import exporting
from estimator_lab.inference.settings import ExportSettings
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf
from tests.support.archive_files import encoded, picture
from tests.support.exports import of_saved_model
from tests.support.input_batches import numpy_input_fn
from tests.support.places import ROOT
from tests.support.streams import stream_members

pytestmark = [pytest.mark.both, pytest.mark.trains]

BARE = ROOT / 'tests/support/bare_tensorflow.py'


@pytest.fixture
def run_export(run_command):
    return partial(run_command, export)


@pytest.fixture(scope='module')
def exported(cnn_dir, tmp_path_factory):
    """The SavedModel of a small trained network."""
    return exporting.export(Trained.open(cnn_dir), ExportSettings(out=tmp_path_factory.mktemp('export')))


@pytest.fixture(scope='module')
def files():
    """Encoded images, PNG and JPEG."""
    return [encoded(picture(seed), kind) for seed in range(6) for kind in ('PNG', 'JPEG')]


def answers_in_training(model_dir, files):
    """What the Estimator predicts for images that Pillow decoded: a list of dictionaries."""
    trained = Trained.open(model_dir)
    images = np.array([decode_image(data, *trained.shape) for data in files])
    return list(trained.estimator.predict(numpy_input_fn(images)))


@pytest.mark.slow
def test_a_tensorflow_without_this_package_gives_the_same_answers(cnn_dir, exported, files, tmp_path):
    wanted = answers_in_training(cnn_dir, files)
    shape = Trained.open(cnn_dir).shape
    np.save(tmp_path / 'bytes.npy', np.array(files))
    np.save(tmp_path / 'pixels.npy', np.array([to_unit_range(decode_image(data, *shape)) for data in files]))
    for folder in ('encoded', 'pixels'):
        (tmp_path / folder).mkdir()
    words = [sys.executable, '-I', '-S', BARE, sysconfig.get_path('purelib'), exported]
    words += [tmp_path / 'bytes.npy', tmp_path / 'pixels.npy', tmp_path]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    loaded = np.load(tmp_path / 'loaded.npz', allow_pickle=True)
    for folder, nearness in (('encoded', 1e-3), ('pixels', 1e-5)):
        for name in ('classes', 'labels', 'probabilities'):
            found = np.load(tmp_path / folder / f'{name}.npy', allow_pickle=True)
            expected = np.array([answer[name] for answer in wanted])
            for value in (found, loaded[name]):
                if name == 'probabilities':
                    assert np.allclose(value, expected, atol=nearness)
                else:
                    assert value.tolist() == expected.tolist()


def test_labels_are_in_the_graph(cnn_dir, exported, files):
    found = of_saved_model(exported, 'serving_default', {'image_bytes': np.array(files, object)})
    labels = np.array(Trained.open(cnn_dir).vocabulary.labels)
    order = np.argsort(-found['probabilities'], axis=1)
    assert [[label.decode() for label in row] for row in found['top_labels']] == labels[order].tolist()
    ordered = np.take_along_axis(found['probabilities'], order, axis=1)
    assert np.array_equal(found['top_probabilities'], ordered)
    assert found['labels'].tolist() == found['top_labels'][:, 0].tolist()


def test_photographs_get_the_same_labels(cnn_dir, exported, shared_data):
    members = list(stream_members(str(shared_data / 'photos-test.tar')))
    files = [member.data for member in members]
    assert len(files) == 300
    found = of_saved_model(exported, 'serving_default', {'image_bytes': np.array(files, object)})
    wanted = answers_in_training(cnn_dir, files)
    same = [a == b['classes'] for a, b in zip(found['classes'], wanted, strict=True)]
    assert np.mean(same) >= 0.995
    distance = np.abs(found['probabilities'] - [answer['probabilities'] for answer in wanted])
    assert distance.max() < 1e-3


def test_the_command(cnn_dir, tmp_path, run_export):
    status, out, err = run_export(f'--model_dir={cnn_dir}', f'--out={tmp_path}')
    assert (status, err) == (0, '')
    folder = Path(re.search(r'^Exported +cnn at step 3: (\S+)$', out, re.MULTILINE)[1])
    assert folder.parent == tmp_path
    assert (folder / 'saved_model.pb').is_file()
    assert re.search(r'^Its signatures +saved_model_cli show --all --dir \S+$', out, re.MULTILINE)


@pytest.mark.parametrize('error', [KeyboardInterrupt, SystemExit])
def test_an_interrupted_export_leaves_nothing(cnn_dir, tmp_path, monkeypatch, error):
    out, seen = tmp_path / 'exported', []
    out.mkdir()
    trained = Trained.open(cnn_dir)

    def interrupted(*arguments, **named):
        seen.extend(path for path in out.iterdir() if not path.name.startswith('.'))  # as a shell's *
        raise error

    monkeypatch.setattr(tf.saved_model.Builder, 'save', interrupted)
    with pytest.raises(error):
        exporting.export(trained, ExportSettings(out=out))
    assert seen == [] and list(out.iterdir()) == []


def test_a_painter_gives_jpeg_files_for_jpeg_files(style_dir, tmp_path, run_export):
    flags = (f'--model_dir={style_dir}', f'--out={tmp_path}', '--style=oil', '--strength=0.5')
    status, out, _ = run_export(*flags)
    assert status == 0
    folder = Path(re.search(r'^Exported +style at step 3: (\S+)$', out, re.MULTILINE)[1])
    photo = picture(7, 33, 20)
    wanted = np.asarray(api.load(style_dir).paint(photo, style='oil', strength=0.5), int)
    found = of_saved_model(folder, 'serving_default', {'image_bytes': np.array([encoded(photo)], object)})
    assert list(found) == ['painted_bytes'] and found['painted_bytes'][0].startswith(b'\xff\xd8')
    with Image.open(io.BytesIO(found['painted_bytes'][0])) as painted:
        assert painted.size == photo.size
        assert np.abs(np.asarray(painted) - wanted).mean() < 12, 'but for what JPEG loses'
    found = of_saved_model(folder, 'pixels:painted', {'image': to_unit_range(np.asarray(photo))[np.newaxis]})
    assert np.abs(np.rint(255 * found['painted'][0]) - wanted).max() <= 1


def test_a_checkpoint_that_cannot_be_restored_is_one_sentence(cnn_dir, tmp_path, run_export, monkeypatch):
    """As TensorFlow's first look at its index fails; an Estimator reports all such errors as a ValueError."""

    def fail(*args):
        raise tf.errors.NotFoundError(None, None, 'Failed to find any matching files')

    monkeypatch.setattr(tf.train.Saver, 'restore', fail)
    status, _, said = run_export(f'--model_dir={cnn_dir}', f'--out={tmp_path / "out"}')
    assert (status, said.count('\n')) == (1, 1)
    assert said.startswith(f'error: The checkpoint {cnn_dir}/model.ckpt-3 could not be restored for its exp')
    assert not (tmp_path / 'out').exists()
