import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

from estimator_lab.base.errors import DataError, LabError
from estimator_lab.core import keys
from estimator_lab.core.model import Task
from estimator_lab.data.images.decode import decode_image
from estimator_lab.inference.evaluation import evaluate
from estimator_lab.inference.run import Run
from estimator_lab.inference.settings import EvaluationSettings
from estimator_lab.tf1 import tf
from tests.support.altered_models import altered
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.full_disk import files_up_to
from tests.support.input_batches import numpy_input_fn
from tests.support.small_runs import replace_newest
from tests.support.streams import stream_members

pytestmark = pytest.mark.trains


@pytest.fixture(scope='module')
def images(cnn, tmp_path_factory):
    """Path of an archive: 20 images of 4 labels and one unknown one, two of them bad."""
    data = [b'junk' if n in (4, 11) else encoded(picture(100 + n)) for n in range(20)]
    files = [(f'test/n{n % 5:06}/{n}.png', each) for n, each in enumerate(data)]
    return write_tar(tmp_path_factory.mktemp('images') / 'test.tar', files)


@pytest.fixture(scope='module')
def expected(cnn, images):
    """What the network says to the good images: keys, true ids, probabilities."""
    good = [m for m in stream_members(images) if m.data != b'junk']
    pixels = np.stack([decode_image(m.data, *cnn.shape) for m in good])
    found = [p[keys.PROBABILITIES] for p in cnn.estimator.predict(numpy_input_fn(pixels))]
    labels = [cnn.vocabulary.id_of(m.name.split('/')[1]) for m in good]
    return [m.key for m in good], np.array(labels), np.array(found)


def run(cnn, path, **settings):
    chosen = EvaluationSettings(**{'batch_size': 6, **settings})
    return evaluate(cnn, cnn.examples(str(path), chosen.labels), chosen)


@pytest.fixture(scope='module')
def found(cnn, images):
    return run(cnn, images)


def test_metrics_and_confusion_are_scikit_learns(found, expected):
    _, true, probabilities = expected
    known, predicted = true >= 0, probabilities.argmax(axis=1)
    assert (found.images, found.bad) == (18, 2)
    assert found.metrics[keys.ACCURACY] == pytest.approx(accuracy_score(true[known], predicted[known]))
    balanced = balanced_accuracy_score(true[known], predicted[known])
    assert found.metrics[keys.MEAN_PER_CLASS_ACCURACY] == pytest.approx(balanced)
    assert found.metrics[keys.UNKNOWN_LABELS] == np.count_nonzero(~known) == 3
    assert 'global_step' not in found.metrics
    matrix = confusion_matrix(true[known], predicted[known], labels=range(4))
    assert found.confusion.matrix().tolist() == matrix.tolist()


def test_worst_mistakes_are_those_whose_label_was_least_probable(cnn, images, expected):
    names, true, probabilities = expected
    predicted = probabilities.argmax(axis=1)
    wrong = [n for n in range(len(true)) if 0 <= true[n] != predicted[n]]
    wrong.sort(key=lambda n: probabilities[n, true[n]])
    worst = run(cnn, images, worst=3).worst
    assert [example.key for example in worst] == [names[n] for n in wrong[:3]]
    for example, n in zip(worst, wrong, strict=False):
        labels = cnn.vocabulary.labels
        assert (example.true, example.predicted) == (labels[true[n]], labels[predicted[n]])
        assert example.badness == pytest.approx(1 - probabilities[n, true[n]], abs=1e-5)
        assert example.probability == pytest.approx(probabilities[n].max(), abs=1e-5)
        member = next(m for m in stream_members(images) if m.key == example.key)
        assert np.array_equal(example.image, decode_image(member.data, *cnn.shape))


@pytest.mark.slow
def test_the_loss_is_the_mean_over_examples_whatever_the_batch(cnn, images):
    losses = [run(cnn, images, batch_size=size).metrics['loss'] for size in (1, 5, 24)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
    assert 'average_loss' not in run(cnn, images).metrics


def test_some_batches_only(cnn, images):
    assert run(cnn, images, eval_steps=1).images == 5  # the first six members, one of them bad


def test_the_folder_of_the_model_is_left_alone(cnn, images):
    before = {path: path.stat().st_mtime_ns for path in cnn.model_dir.rglob('*')}
    run(cnn, images)
    assert before == {path: path.stat().st_mtime_ns for path in cnn.model_dir.rglob('*')}


def test_a_folder_of_images_will_do(cnn, tmp_path):
    (tmp_path / 'n000002').mkdir()
    (tmp_path / 'n000002' / '1.png').write_bytes(encoded(picture(3)))
    assert run(cnn, tmp_path).confusion.scores().images.tolist() == [0, 0, 1, 0]


@pytest.mark.slow
def test_images_that_cannot_be_evaluated(cnn, tmp_path):
    foreign = write_tar(tmp_path / 'foreign.tar', [('x/1.png', encoded(picture(1)))])
    with pytest.raises(DataError, match=r'None of 1 images has a label that the model knows \(such as n0'):
        run(cnn, foreign)
    bad = write_tar(tmp_path / 'bad.tar', [('n000001/1.png', b'junk')])
    with pytest.raises(DataError, match=r'No image could be evaluated: 1 of 1 are bad; the last is .*1\.png'):
        run(cnn, bad)


def by_brightness(features, labels, mode, params=None, config=None):
    """A model function without labels, whose error is the mean of the image, NaN for a black one."""
    mean = tf.reduce_mean(features['image'], axis=[1, 2, 3])
    error = mean * 0.5 / tf.cast(mean > 0, tf.float32)
    metrics = {'reconstruction_error': tf.metrics.mean(mean)}
    return tf.estimator.EstimatorSpec(
        mode, loss=tf.reduce_mean(mean), eval_metric_ops=metrics, predictions={keys.ERROR: error}
    )


@pytest.fixture
def unlabelled(cnn):
    own = {'model_fn': by_brightness, 'task': lambda params: Task('reconstruction_error', labelled=False)}
    architecture = altered(cnn.architecture, **own)
    record = dataclasses.replace(cnn.record, vocabulary=())
    return dataclasses.replace(cnn, architecture=architecture, record=record)


def test_a_model_that_does_not_classify_has_its_largest_errors(unlabelled, tmp_path):
    greys = [10, 250, 0, 90, 200]
    files = [(f'{n}.png', encoded(Image.new('L', (8, 8), grey))) for n, grey in enumerate(greys)]
    path = write_tar(tmp_path / 'grey.tar', files)
    found = run(unlabelled, path, worst=3, batch_size=2)
    assert found.confusion is None
    assert [example.key.rpartition(':')[2] for example in found.worst] == ['2.png', '1.png', '4.png']
    assert found.worst[1].badness == pytest.approx(0.5 * 250 / 255)
    shown = found.text()
    assert 'Reconstruction error' in shown.splitlines()[-1] and 'on 5 images' in shown
    assert set(found.save(tmp_path / 'out')) == {*('metrics.json', 'report.txt', 'worst.csv', 'worst.png')}
    assert json.loads((tmp_path / 'out' / 'metrics.json').read_text())['worst'][0]['badness'] is None


def test_a_full_disk_leaves_no_half_of_the_files(found, tmp_path):
    found.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    more = dataclasses.replace(found, metrics={**found.metrics, 'more': 1})
    with files_up_to(100), pytest.raises(LabError, match=f'out={tmp_path} cannot be written: File too large'):
        more.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_files_for_people_and_programs(cnn, found, tmp_path):
    names = found.save(tmp_path / 'out')
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == sorted(names)
    stored = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert stored == json.loads(found.json())
    assert stored['metrics'] == found.metrics and stored['step'] == 3
    assert (stored['images'], stored['bad_images']) == (found.images, found.bad) == (18, 2)

    def rows(name):
        return list(csv.DictReader((tmp_path / 'out' / name).open()))

    table = list(csv.reader((tmp_path / 'out' / 'confusion.csv').open()))
    assert table[0][1:] == [row[0] for row in table[1:]] == list(cnn.vocabulary.labels)
    assert [[int(cell) for cell in row[1:]] for row in table[1:]] == found.confusion.matrix().tolist()
    labels = cnn.vocabulary.labels
    confused = [
        {'true': labels[true], 'predicted': labels[predicted], 'images': images}
        for true, predicted, images in found.confusion.confused()
    ]
    assert stored['confused'] == confused
    assert [row | {'images': int(row['images'])} for row in rows('confused.csv')] == confused
    of_classes = found.confusion.scores().images.tolist()
    assert [int(row['images']) for row in rows('classes.csv')] == of_classes
    worst = [(row['key'], row['true'], row['predicted']) for row in rows('worst.csv')]
    assert worst == [(example.key, example.true, example.predicted) for example in found.worst]
    assert (tmp_path / 'out' / 'metrics.json').read_text().endswith('}\n')
    for name in ('confusion.png', 'worst.png'):
        Image.open(tmp_path / 'out' / name).verify()
    assert (tmp_path / 'out' / 'report.txt').read_text() == found.text() + '\n'


def test_many_classes_stay_readable(found, tmp_path):
    labels = tuple(f'c{n:05}' for n in range(2_000))
    many = dataclasses.replace(found, confusion=type(found.confusion)(labels))
    true = np.arange(2_000)
    many.confusion.add(np.tile(true, 2), np.concatenate([true, (true + 1) % 2_000]))
    names = many.save(tmp_path / 'out')
    assert 'confusion.csv' not in names and 'confused.csv' in names
    assert max(Image.open(tmp_path / 'out' / 'confusion.png').size) < 1300
    lines = many.text().splitlines()
    assert len(lines) < 50 and 'The 20 of 2,000 classes with the lowest F1' in lines
    assert 'c00000 taken for c00001: 1' in lines


def test_the_classes_in_the_text_are_those_with_the_lowest_f1(found):
    """c00 has the lowest recall, 0.5, and an F1 of 2/3; c01 has a recall of 1 and an F1 of 1/2."""
    labels = tuple(f'c{n:02}' for n in range(23))
    many = dataclasses.replace(found, confusion=type(found.confusion)(labels))
    rest = np.repeat(np.arange(2, 22), 3)  # c22 has no image
    many.confusion.add(np.array([0, 0, 1, 2, 3]), np.array([0, 22, 1, 1, 1]))
    many.confusion.add(rest, rest)
    lines = many.text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith('The 20 of 22 classes'))
    assert [line.split()[0] for line in lines[start + 2 : start + 4]] == ['c01', 'c00']


@pytest.mark.slow
def test_all_verbs_use_the_checkpoint_of_the_opening(cnn_dir, images, tmp_path):
    """Also if a training deletes it: a run is what it was when it was opened."""
    folder = Path(shutil.copytree(cnn_dir, tmp_path / 'copy'))
    opened = Run.open(folder)
    expected = opened.predict_arrays(str(images))['probabilities']
    replace_newest(folder, 3, 8)
    assert opened.evaluate(str(images)).run.checkpoint == str(folder / 'model.ckpt-3')
    assert np.array_equal(opened.predict_arrays(str(images))['probabilities'], expected)
    assert (opened.export() / 'saved_model.pb').exists()
    assert opened.inspect(np.zeros((8, 8, 1), np.uint8)).pictures
