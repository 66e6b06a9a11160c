import shutil

import numpy as np
import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.core import keys
from estimator_lab.data.images.decode import decode_image
from estimator_lab.inference.run import Run
from estimator_lab.models.gan.judge import FILE, open_judge
from estimator_lab.models.gan.model import Params
from estimator_lab.tf1 import tf
from estimator_lab.training.plan import make_plan
from estimator_lab.training.settings import TrainSettings
from estimator_lab.training.train import train
from tests.support.archive_files import encoded, picture, small_archive, write_tar
from tests.support.streams import stream_members

pytestmark = pytest.mark.slow

SCORES = (
    keys.CLASSIFIER_SCORE,
    keys.CLASSIFIER_SCORE_REAL,
    keys.FRECHET_DISTANCE,
    keys.FRECHET_DISTANCE_REAL,
)


def test_a_judge_predicts_what_the_model_predicts(cnn_dir, archive, session):
    trained = Run.open(cnn_dir)
    judge = open_judge(
        Params(judge=str(cnn_dir), image_shape=tuple(trained.shape), vocabulary=trained.labels)
    )
    predicted = trained.predict_arrays(archive)
    images = [decode_image(m.data, 8, 8) for m in stream_members(str(archive))]
    outputs = judge(tf.constant(np.stack(images) / 255, tf.float32))
    assert not tf.global_variables()
    session.run(tf.local_variables_initializer())
    said = session.run(outputs)
    assert np.allclose(said.probabilities, predicted['probabilities'], atol=1e-5)
    assert said.hidden.shape == (24, 8)


@pytest.fixture(scope='module')
def settings(tmp_path_factory, cnn_dir):
    folder = tmp_path_factory.mktemp('judged')
    archive, judge = small_archive(folder), shutil.copytree(cnn_dir, folder / 'judge')

    def make(**changes):
        hparams = f'filters=2,latent_size=3,conditional=true,judge={changes.pop("judge", judge)}'
        size = {'batch_size': 6, 'max_steps': 2, 'image_size': 8, 'save_checkpoints_steps': 100}
        place = {'data': [str(archive)], 'model_dir': folder / 'gan', 'export': ['best']}
        return TrainSettings(model='gan', hparams=hparams, **{**size, **place, **changes})

    return make


@pytest.fixture(scope='module')
def judged(settings):
    """The settings and the metrics of a generator whose judge's folder is gone."""
    chosen = settings()
    plan = make_plan(chosen, print)
    assert plan.task.primary_metric == keys.FRECHET_DISTANCE
    metrics = train(plan).metrics
    shutil.rmtree(chosen.model_dir.parent / 'judge')
    return chosen, metrics


def test_a_run_with_a_judge(judged, settings):
    chosen, found = judged
    assert all(np.isfinite(found[name]) for name in SCORES)
    assert 1 <= found[keys.CLASSIFIER_SCORE] <= 4 and 0 <= found[keys.JUDGE_ACCURACY] <= 1
    names = tf.train.load_checkpoint(str(chosen.model_dir)).get_variable_to_shape_map()
    assert not any(name.startswith('conv2d') for name in names), 'no checkpoint contains the classifier'
    (best,) = (chosen.model_dir / 'export' / 'best').glob('*')
    trained = Run.open(best / 'model_dir')
    again = trained.evaluate(chosen.data, batch_size=6)
    assert again.metrics[keys.FRECHET_DISTANCE] > 0 and trained.step in (1, 2)
    with pytest.raises(FlagError, match='was started with another judge than other'):
        make_plan(settings(judge='other', max_steps=3), print)


def test_a_run_keeps_its_judge(judged, settings, tmp_path):
    """Its folder may be gone when the run goes on, or is evaluated."""
    chosen, first = judged
    found = Run.open(chosen.model_dir).evaluate(chosen.data, batch_size=6).metrics
    assert found[keys.CLASSIFIER_SCORE] == pytest.approx(first[keys.CLASSIFIER_SCORE], rel=1e-4)
    assert make_plan(settings(max_steps=3), print).stages[-1].saved == 2
    copy = shutil.copytree(chosen.model_dir, tmp_path / 'gan')
    (copy / FILE).write_bytes(b'no')
    with pytest.raises(DataError, match=r'judge\.npz has no usable judge'):
        Run.open(copy).evaluate(chosen.data, batch_size=6)


def test_a_classifier_that_does_not_fit(settings, cnn_dir, tmp_path):
    other, as_many = (
        write_tar(tmp_path / f'{many}.tar', [(f'{n % many}/{n}.png', encoded(picture(n))) for n in range(8)])
        for many in (2, 4)
    )
    for changes, sentence in (
        ({'image_size': 12}, r'judge=\S+ classifies images of 8x8x1 pixels and channels, not 12x12x1'),
        ({'judge': 'nowhere'}, 'judge=nowhere is not a folder'),
        ({'data': [str(other)]}, r'knows other labels than the data \(4 there, 2 here\)'),
        ({'data': [str(as_many)]}, r'knows other labels than the data \(4 there, 4 here\)'),
    ):
        with pytest.raises(DataError, match=sentence):
            make_plan(settings(**{'judge': cnn_dir, 'model_dir': tmp_path / 'gan', **changes}), print)
