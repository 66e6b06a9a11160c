"""`evaluate` next to scikit-learn on what `predict` says, and `predict` next to an export: three models."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, log_loss

from estimator_lab.core import keys
from estimator_lab.inference.run import Run
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.exports import of_saved_model
from tests.support.small_runs import train

pytestmark = pytest.mark.slow

MODELS = {
    'cnn': 'filters=2,dense_units=8',
    'mlp': 'layers=6',
    'recurrent': 'layers=6',
}


@pytest.fixture(scope='module', params=MODELS)
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return Run.open(train(folder, request.param, MODELS[request.param], max_steps=3, image_size=8))


@pytest.fixture(scope='module')
def files():
    """37 images, of three labels in unequal numbers: two batches of 16 and a part of one."""
    return [(f'n{(n % 5) % 3:06}/{n}.png', encoded(picture(100 + n))) for n in range(37)]


def test_figures_are_scikit_learns(run, files, tmp_path):
    path = write_tar(tmp_path / 'x.tar', files)
    labels = list(run.labels)
    true = np.array([labels.index(name.partition('/')[0]) for name, _ in files])
    found = run.predict_arrays(path, batch_size=5)
    assert [key.rpartition(':')[2] for key in found['key'].tolist()] == [name for name, _ in files]
    probabilities = found[keys.PROBABILITIES]
    predicted = probabilities.argmax(axis=1)
    assert len(set(predicted)) > 1
    evaluation = run.evaluate(path, batch_size=16)
    metrics = evaluation.metrics
    assert metrics['total_examples'] == 37
    assert metrics[keys.ACCURACY] == pytest.approx(accuracy_score(true, predicted))
    balanced = balanced_accuracy_score(true, predicted)
    assert metrics[keys.MEAN_PER_CLASS_ACCURACY] == pytest.approx(balanced)
    matrix = confusion_matrix(true, predicted, labels=range(4))
    assert evaluation.confusion.matrix().tolist() == matrix.tolist()
    whole = log_loss(true, probabilities.astype(np.float64), labels=range(4))
    assert metrics['loss'] == pytest.approx(whole, rel=1e-4)  # of examples: the last batch has 5 images


def test_an_export_says_the_same_of_one_image_and_of_32(run, files, tmp_path):
    path = write_tar(tmp_path / 'x.tar', files)
    wanted = run.predict_arrays(path)
    folder = run.export(tmp_path / 'export')
    images = np.array([data for _, data in files], object)
    for first, count in ((0, 1), (3, 1), (5, 32)):
        part = slice(first, first + count)
        found = of_saved_model(folder, 'serving_default', {'image_bytes': images[part]})
        # TensorFlow decodes and scales the images of an export, and Pillow those of the command.
        assert np.allclose(found['probabilities'], wanted[keys.PROBABILITIES][part], atol=2e-3)
        order = np.argsort(-found['probabilities'], axis=1)
        assert found['labels'].tolist() == [run.labels[row[0]].encode() for row in order]
