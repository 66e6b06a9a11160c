"""Runs with augmentation, mixup, CutMix, smoothed labels and class weights: exact after a restart."""

from collections import Counter

import numpy as np
import pytest

from estimator_lab.core.heads.model_function import Args
from estimator_lab.core.model.params import ClassifierParams
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.labels import Vocabulary
from estimator_lab.data.archives import open_archives
from estimator_lab.data.order import WorkerShard
from estimator_lab.data.input_fns import archive_input_fn
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import tf
from tests.archive_files import encoded, picture, write_tar
from tests.small_runs import SMALL, cnn_settings, opened, trained, values_in

AUGMENT = 'crop=0.5,rotation=10,shift=1,mirror,brightness=0.1,contrast=0.2,saturation=0.3,cutout=2'
MIXED = {
    'hparams': f'{SMALL},mixup=0.4,cutmix=1,label_smoothing=0.1,learning_rate_schedule=constant',
    'augment': AUGMENT,
    'class_weights': 'balanced',
    'channels': 3,
    'deterministic': True,
    'max_bad_fraction': 1.0,
}


@pytest.fixture
def lopsided(tmp_path):
    """8 images of one class, 4 of another and a bad one."""
    files = [(f'a/{n}.png', encoded(picture(n))) for n in range(8)]
    files += [(f'b/{n}.png', encoded(picture(20 + n))) for n in range(4)] + [('b/bad.png', b'?')]
    return write_tar(tmp_path / 'lopsided.tar', files)


def test_a_run_that_stops_and_goes_on_has_the_weights_of_one_that_does_not(lopsided, tmp_path, determinism):
    def kernel(name, *last_steps):
        for steps in last_steps:
            trained(cnn_settings(lopsided, tmp_path / name, max_steps=steps, **MIXED))
        return values_in(tmp_path / name)['conv2d/kernel']

    assert np.array_equal(kernel('parts', 3, 5), kernel('whole', 5))


def test_balanced_weights(lopsided, tmp_path):
    experiment, _ = opened(cnn_settings(lopsided, tmp_path / 'model', class_weights='balanced'))
    weights = experiment.trainer.plan.params.class_weights
    assert weights == (13 / (2 * 8), 13 / (2 * 5))
    counts = Counter(a=8, b=5)
    assert sum(weight * counts[label] for weight, label in zip(weights, 'ab', strict=True)) == 13
    plain, _ = opened(cnn_settings(lopsided, tmp_path / 'other'))
    assert plain.trainer.plan.params.class_weights == ()


def test_places_are_read_only_for_pairs(lopsided, tmp_path):
    experiment, _ = opened(cnn_settings(lopsided, tmp_path / 'model', hparams=f'{SMALL},mixup=1'))
    assert set(experiment.trainer.plan.run.reader.signature) == {'image', 'place'}
    plain, _ = opened(cnn_settings(lopsided, tmp_path / 'other'))
    assert set(plain.trainer.plan.run.reader.signature) == {'image'}


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'hparams': f'{SMALL},mixup=1', 'batch_size': 5}, '--batch_size=5 must be even'),
        ({'hparams': f'{SMALL},mixup=-1'}, 'mixup=-1.0 is not allowed'),
        ({'hparams': f'{SMALL},label_smoothing=1'}, 'label_smoothing=1.0 is not allowed'),
        ({'model': 'autoencoder', 'hparams': '', 'class_weights': 'balanced'}, 'is not a classifier'),
    ],
)
def test_wrong_settings(lopsided, tmp_path, changes, words):
    with pytest.raises(FlagError, match=words):
        opened(cnn_settings(lopsided, tmp_path / 'model', **changes))


def blended(archive, rank, world_size):
    """Returns the image, share and partner's label of each example of a worker's first batch, by key."""
    archives = open_archives([str(archive)])
    vocabulary = Vocabulary(archives.labels)
    input_fn = archive_input_fn(
        archives.order(10_000, seed=1),
        ImageReader(ImageShape(8, 8, 3), places=True),
        12 // world_size,
        InputReport(lambda line: None),
        vocabulary,
        resume=lambda: 0,
        shard=WorkerShard(rank, world_size, 12, keeps_pairs=True),
    )
    params = ClassifierParams((8, 8, 3), vocabulary.labels, mixup=1.0, cutmix=1.0)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        tf.train.create_global_step()
        features, labels = input_fn().make_one_shot_iterator().get_next()
        args = Args(features, labels, tf.estimator.ModeKeys.TRAIN, params)
        partners = tf.gather(labels, args.mixing.partners)
        session.run(tf.global_variables_initializer())
        columns = session.run([args.keys, args.images, args.mixing.shares, partners])
    return {key: (image.tobytes(), share, label) for key, image, share, label in zip(*columns, strict=True)}


def test_a_global_batch_is_blended_alike_on_any_number_of_workers(lopsided):
    """With a bad image in it."""
    whole = blended(lopsided, 0, 1)
    assert len(whole) == 11 and any(share < 1 for _, share, _ in whole.values())
    for workers in (2, 3):
        parts = [blended(lopsided, rank, workers) for rank in range(workers)]
        assert {key: value for part in parts for key, value in part.items()} == whole
        assert sum(map(len, parts)) == len(whole)
