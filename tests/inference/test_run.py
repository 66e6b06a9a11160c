"""Runs as Python objects: training, what can be done with a model, and how results show themselves."""

import pickle
import re
import shutil
from html import unescape

import numpy as np
import pytest
from PIL import Image

from estimator_lab import api
from estimator_lab.data.images.decode import decode_image
from estimator_lab.models import cnn
from tests.support.archive_files import small_archive
from tests.support.small_runs import SMALL
from tests.support.streams import stream_members

pytestmark = pytest.mark.trains


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    return small_archive(tmp_path_factory.mktemp('archive'))


@pytest.fixture(scope='module')
def said():
    return []


@pytest.fixture(scope='module')
def run(archive, said, tmp_path_factory):
    folder, settings = tmp_path_factory.mktemp('runs') / 'cnn', {'image_size': 8, 'batch_size': 6}
    return api.fit('cnn', archive, model_dir=folder, hparams=SMALL, max_steps=4, say=said.append, **settings)


def images(count=3):
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1)).astype(np.uint8)


def framed(shown):
    """Returns the page in a frame."""
    return unescape(re.search(r'srcdoc="(.*?)" style', shown._repr_html_(), re.DOTALL)[1])


def test_fit_tells_on_what_it_trains(run, archive, said):
    assert f'Training data    24 images, 4 labels: {archive}' in said
    assert not any('--' in line for line in said), 'names of settings, not flags'


@pytest.mark.slow
def test_fit_trains_and_tells_what_came_out(run, archive):
    assert (run.model, run.step, run.result.interrupted) == ('cnn', 4, False)
    assert run.metrics['accuracy'] == pytest.approx(run.evaluate(archive).metrics['accuracy'], abs=1e-6)
    assert run.hparams['filters'] == 2 and 'n000000' in run.labels
    assert repr(run).endswith('cnn at step 4')


def test_a_loaded_run_has_no_result_and_outlives_its_folder(run, tmp_path):
    folder = shutil.copytree(run.model_dir, tmp_path / 'model')
    loaded = api.load(str(folder))
    shutil.rmtree(folder)
    assert loaded.result is None and loaded.checkpoint == str(folder / 'model.ckpt-4')
    assert repr(loaded) == f"Run('{folder}'): cnn at step 4" and loaded.labels == run.labels


def test_another_process_opens_a_run_by_its_folder(run):
    copy = pickle.loads(pickle.dumps(run))
    assert (copy.model_dir, copy.checkpoint, copy.result) == (run.model_dir, run.checkpoint, None)


def test_rows_and_arrays_of_predictions_agree(run, archive):
    rows, arrays = list(run.predict(archive)), run.predict_arrays([archive])
    assert [row['key'] for row in rows] == arrays['key'].tolist() and len(rows) > 3
    assert [row['label'] for row in rows] == arrays['labels'].tolist()
    assert [row['probability'] for row in rows] == pytest.approx(
        arrays['probabilities'].max(axis=1), abs=1e-6
    )


def test_images_in_memory_are_predicted_like_files(run, tmp_path):
    for number, image in enumerate(images()):
        Image.fromarray(image[:, :, 0]).save(tmp_path / f'{number}.png')
    of_files, of_array = run.predict_arrays(tmp_path), run.predict_arrays(images())
    np.testing.assert_array_equal(of_files['probabilities'], of_array['probabilities'])
    assert of_array['key'].tolist() == ['0', '1', '2']
    floats = run.predict_arrays(images() / 255)
    np.testing.assert_allclose(floats['probabilities'], of_array['probabilities'], atol=1e-6)


@pytest.mark.slow
def test_arrays_with_labels_are_evaluated_like_an_archive(run, archive):
    members = list(stream_members(archive))
    x = np.stack([decode_image(member.data, *run.shape) for member in members])
    y = [member.name.split('/')[1] for member in members]
    of_archive, of_arrays = run.evaluate(archive), run.evaluate((x, y), batch_size=5)
    assert of_arrays.metrics['accuracy'] == pytest.approx(of_archive.metrics['accuracy'])
    assert of_arrays.confusion.matrix().tolist() == of_archive.confusion.matrix().tolist()
    assert {example.key for example in of_arrays.worst} <= set(map(str, range(len(x))))
    (batch,) = run.stream(archive, batch_size=100)
    of_batch = run.evaluate((batch.data, batch.class_ids))
    assert of_batch.confusion.matrix().tolist() == of_archive.confusion.matrix().tolist()
    with pytest.raises(api.FlagError, match='need as many labels'):
        run.evaluate((x, y[1:]))


def test_all_predictions_build_one_network_and_an_evaluation_another(run, archive, monkeypatch):
    run, built, genuine = api.load(run.model_dir), [], cnn.network
    monkeypatch.setattr(cnn, 'network', lambda *given: built.append(1) or genuine(*given))
    assert len(list(run.predict(archive))) == 24
    assert list(run.predict(archive)) == list(run.predict(archive, batch_size=5)) and len(built) == 1
    run.evaluate(archive)
    assert len(built) == 2


def test_a_file_that_is_no_image_has_a_problem(run, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'none')
    (row,) = run.predict(tmp_path / 'broken.png')
    assert set(row) == {'key', 'problem'}
    with pytest.raises(api.DataError, match='No example could be decoded'):
        run.predict_arrays(tmp_path / 'broken.png')


def test_an_inspection_has_pictures_of_the_example(run, archive):
    found = run.inspect(images()[0], label='n000001')
    assert {'inspected', 'saliency', 'grad_cam'} <= set(found.pictures)
    place = f'{archive}:train/n000000/0000_01.png'
    assert run.inspect(place).key == place


def test_results_show_themselves(run, archive, tmp_path):
    report = run.report(tmp_path / 'page.html', data=archive)
    assert framed(report) == report.path.read_text()
    evaluation = run.evaluate(archive, worst=2)
    assert 'precision' in framed(evaluation) and 'Accuracy' in repr(evaluation)
    assert '<svg' in framed(run)
    history = run.history()
    assert re.fullmatch(r'History: \d+ curves, \d+ pictures', repr(history))
    assert '<td>accuracy</td><td class="number">4</td>' in framed(history)
    assert 'saliency' in framed(run.inspect(images()[0]))
