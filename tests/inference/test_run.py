"""Runs as Python objects: training, what can be done with a model, and how results show themselves."""

import re
import shutil
from html import unescape

import numpy as np
import pytest
from PIL import Image

from estimator_lab import api
from estimator_lab.models import cnn
from tests.support.archive_files import small_archive
from tests.support.small_runs import SMALL
from tests.support.streams import stream_members

pytestmark = pytest.mark.once


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    return small_archive(tmp_path_factory.mktemp('archive'))


def fitted(archive, folder, model='cnn', hparams=SMALL, **settings):
    chosen = {'image_size': 8, 'batch_size': 6, 'max_steps': 4, **settings}
    said = []
    run = api.fit(model, archive, model_dir=folder / model, hparams=hparams, say=said.append, **chosen)
    return run, said


@pytest.fixture(scope='module')
def run(archive, tmp_path_factory):
    return fitted(archive, tmp_path_factory.mktemp('runs'))[0]


def images(count=3):
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1)).astype(np.uint8)


def framed(shown):
    """Returns the page in a frame."""
    return unescape(re.search(r'srcdoc="(.*?)" style', shown._repr_html_(), re.DOTALL)[1])


def test_fit_trains_and_tells_what_came_out(run, archive):
    assert (run.model, run.step, run.result.interrupted) == ('cnn', 4, False)
    assert run.metrics['accuracy'] == pytest.approx(run.evaluate(archive).metrics['accuracy'], abs=1e-6)
    assert run.hparams['filters'] == 2 and 'n000000' in run.labels
    assert repr(run).endswith('cnn at step 4')


def test_fit_goes_on_where_it_stopped(archive, tmp_path):
    fitted(archive, tmp_path, max_steps=2)
    run, _ = fitted(archive, tmp_path, max_steps=3)
    assert run.result.step == 3


def test_a_loaded_run_has_no_result(run):
    loaded = api.load(str(run.model_dir))
    assert loaded.result is None and loaded.checkpoint == run.checkpoint


def test_a_run_whose_folder_is_gone_can_be_named(run, tmp_path):
    folder = shutil.copytree(run.model_dir, tmp_path / 'model')
    loaded = api.load(folder)
    shutil.rmtree(folder)
    assert repr(loaded) == f"Run('{folder}'): cnn at step 4" and loaded.labels == run.labels


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


def test_arrays_with_labels_are_evaluated_like_an_archive(run, archive):
    members = list(stream_members(archive))
    x = np.stack([run.reader.decode(member.data, *run.shape) for member in members])
    y = [member.name.split('/')[1] for member in members]
    of_archive, of_arrays = run.evaluate(archive), run.evaluate((x, y), batch_size=5)
    assert of_arrays.metrics['accuracy'] == pytest.approx(of_archive.metrics['accuracy'])
    assert of_arrays.confusion.matrix().tolist() == of_archive.confusion.matrix().tolist()
    assert {example.key for example in of_arrays.worst} <= set(map(str, range(len(x))))
    with pytest.raises(api.FlagError, match='need as many labels'):
        run.evaluate((x, y[1:]))


def test_a_verb_builds_the_network_once(run, archive, monkeypatch):
    run, built, genuine = api.load(run.model_dir), [], cnn.network
    monkeypatch.setattr(cnn, 'network', lambda *given: built.append(1) or genuine(*given))
    assert len(list(run.predict(archive))) > 3 and len(built) == 1
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


def test_a_dream_is_a_picture(run):
    assert run.dream(layer='conv1', steps=1, size=16).size == (16, 16)


def test_an_export_is_a_saved_model(run, tmp_path):
    assert (run.export(tmp_path / 'exported') / 'saved_model.pb').exists()


def test_a_report_is_a_page(run, tmp_path, archive):
    report = run.report(tmp_path / 'page.html', data=archive)
    assert framed(report) == report.path.read_text()


def test_samples_of_a_machine_are_images(archive, tmp_path):
    run, _ = fitted(archive, tmp_path, 'rbm', 'hidden_units=4')
    samples = run.sample(5, steps=2)
    assert samples.images.shape == (5, 8, 8, 1) and len(samples) == 5
    np.testing.assert_array_equal(samples.images, run.sample(5, steps=2).images)
    assert 'data:image/png' in framed(samples)
    with pytest.raises(api.FlagError, match='needs a model with classes: model=dbn'):
        run.sample(5, label='n000001')
    with pytest.raises(api.FlagError, match='has no meaning for samples of model=rbm'):
        run.sample(5, truncation=0.5)


def test_a_painting_has_the_size_of_its_photo(archive, tmp_path):
    run, _ = fitted(archive, tmp_path, 'style', 'filters=2,blocks=0', max_steps=1, image_size=16)
    photo = Image.new('L', (20, 12), 99)
    assert run.paint(photo).size == (20, 12)
    whole, none = run.paint(np.asarray(photo)[:, :, np.newaxis]), run.paint(photo, strength=0.0)
    assert whole.tobytes() == run.paint(photo).tobytes()
    assert np.abs(np.asarray(none).astype(int) - 99).max() <= 1


def test_results_show_themselves(run, archive):
    evaluation = run.evaluate(archive, worst=2)
    assert 'precision' in framed(evaluation) and 'Accuracy' in repr(evaluation)
    assert '<svg' in framed(run)
    assert 'saliency' in framed(run.inspect(images()[0]))


@pytest.mark.parametrize(
    ('wrong', 'sentence'),
    [
        (lambda run: api.fit(imag_size=3), "Unknown setting 'imag_size'; did you mean image_size"),
        (lambda run: api.fit(image_size='8'), "image_size='8' must be a whole number"),
        (lambda run: api.fit(batch_size=0), 'batch_size=0 must be 1 or more'),
        (lambda run: api.fit(split='0.9'), 'split needs data'),
        (lambda run: run.sample(), 'does not dream'),
        (lambda run: run.sample(0), 'count=0'),
        (lambda run: run.paint(images()[0]), 'does not paint'),
        (lambda run: run.predict_arrays(images()[0]), r'not \[8, 8, 1\]'),
        (lambda run: list(run.predict('/nosuch')), '/nosuch'),
        (lambda run: run.evaluate('/nosuch'), '/nosuch'),
        (lambda run: run.dream(layer='conv1', out='a.png'), "Unknown setting 'out'"),
        (lambda run: run.evaluate('/nosuch', json=True), "Unknown setting 'json'"),
        (lambda run: run.inspect(images()[0], out='maps'), "Unknown setting 'out'"),
        (lambda run: list(run.predict('/nosuch', format='jsonl')), "Unknown setting 'format'"),
    ],
)
def test_wrong_arguments_are_named_in_a_sentence(run, wrong, sentence):
    with pytest.raises(api.LabError, match=sentence):
        wrong(run)
