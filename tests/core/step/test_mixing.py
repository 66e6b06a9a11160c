"""Mixup and CutMix against NumPy and SciPy, and their independence of workers and restarts."""

import numpy as np
import pytest
from scipy import stats

from estimator_lab.core.heads.classification import classification_spec
from estimator_lab.core.model.params import ClassifierParams
from estimator_lab.core.step.mixing import beta_quantiles, mixing_of
from estimator_lab.tf1 import tf
from tests.core.heads.helpers import MODES, args_of, softmax, values_of

RNG = np.random.default_rng(5)
SHAPE = (12, 10, 3)
IMAGES = RNG.random((8, *SHAPE), np.float32)
LABELS = np.array([0, 1, 2, 3, 3, 2, 1, 0])
KEYS = [f'a.tar:{n}.png' for n in range(8)]
LOGITS = RNG.normal(0, 2, (8, 4)).astype(np.float32)


def params(**chosen):
    return ClassifierParams(SHAPE, tuple('abcd'), **chosen)


def mixed(chosen, rows=slice(None), step=3, seed=1, places=None, labels=LABELS, **more):
    """Returns the images, partners and shares of a training step on some rows of the batch."""
    with tf.Graph().as_default():
        tf.set_random_seed(seed)
        tf.train.create_global_step()
        features = {'key': np.array(KEYS)[rows], **more}
        if places is not None:
            features['place'] = np.array(places, np.int32)
        args = args_of(MODES.TRAIN, chosen, IMAGES[rows], labels[rows], **features)
        fetches = args.images, args.mixing.partners, args.mixing.shares
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            session.run(tf.assign(tf.train.get_global_step(), step))
            return session.run(fetches)


@pytest.mark.parametrize('alpha', [0.05, 0.2, 1, 8, 100])
def test_quantiles_are_those_of_the_beta_distribution(alpha):
    expected = stats.beta.ppf(np.arange(1025) / 1024, alpha, alpha)
    assert np.allclose(beta_quantiles(alpha, 1024), expected, atol=1e-6 if alpha < 100 else 1e-2)
    assert np.allclose(beta_quantiles(alpha, 1024)[10:-10], expected[10:-10], atol=1e-6)


def test_mixup_blends_neighbours_by_one_share():
    images, partners, shares = mixed(params(mixup=1.0))
    assert partners.tolist() == [1, 0, 3, 2, 5, 4, 7, 6]
    assert np.array_equal(shares[::2], shares[1::2]) and len(set(shares.tolist())) == 4
    rates = shares[:, None, None, None]
    assert np.allclose(images, rates * IMAGES + (1 - rates) * IMAGES[partners], atol=1e-6)


def test_shares_have_the_beta_distribution():
    with tf.Graph().as_default():
        tf.train.create_global_step()
        keys = tf.constant([f'a.tar:{n}.png' for n in range(2000)])
        drawn = values_of(mixing_of({'key': keys}, tf.fill([2000], True), params(mixup=0.4)).shares)
    assert stats.kstest(drawn[::2], stats.beta(0.4, 0.4).cdf).pvalue > 1e-3


def test_cutmix_cuts_a_box_whose_area_is_the_share():
    for step in range(6):
        images, partners, shares = mixed(params(cutmix=1.0), step=step)
        is_own = (images == IMAGES).all(-1)
        assert np.array_equal(np.where(is_own[..., None], IMAGES, IMAGES[partners]), images)
        assert np.allclose(shares, is_own.mean((1, 2)), atol=1e-6)
        for foreign in ~is_own:  # one box
            assert np.array_equal(foreign, foreign.any(1)[:, None] & foreign.any(0)[None])


def test_with_both_each_pair_is_blended_in_one_way():
    ways = set()
    for step in range(8):
        images, partners, _ = mixed(params(mixup=5.0, cutmix=1.0), step=step)
        copied = ((images == IMAGES) | (images == IMAGES[partners])).all((1, 2, 3))
        assert np.array_equal(copied[::2], copied[1::2])
        ways |= set(copied.tolist())
    assert ways == {True, False}


@pytest.mark.parametrize('chosen', [{'mixup': 0.4}, {'cutmix': 1.0}, {'mixup': 0.4, 'cutmix': 1.0}])
def test_a_pair_is_blended_alike_on_any_number_of_workers(chosen):
    whole, _, shares = mixed(params(**chosen))
    for workers in (2, 4):
        size = 8 // workers
        parts = [mixed(params(**chosen), slice(first, first + size)) for first in range(0, 8, size)]
        assert np.array_equal(np.concatenate([images for images, _, _ in parts]), whole)
        assert np.array_equal(np.concatenate([own for _, _, own in parts]), shares)
    assert not np.array_equal(mixed(params(**chosen), step=4)[0], whole)
    assert not np.array_equal(mixed(params(**chosen), seed=2)[0], whole)


def test_the_partner_of_a_bad_example_stays_as_it_is_and_other_pairs_are_the_same():
    whole, _, _ = mixed(params(mixup=0.4))
    rows = [0, 1, 3, 4, 5, 6, 7]
    images, partners, shares = mixed(params(mixup=0.4), rows, places=rows)
    assert partners.tolist() == [1, 0, 2, 4, 3, 6, 5] and shares[2] == 1
    assert np.array_equal(images[2], IMAGES[3])
    assert np.array_equal(np.delete(images, 2, 0), whole[[0, 1, 4, 5, 6, 7]])


def test_examples_that_do_not_count_are_not_blended():
    weight = np.array([1, 0, 1, 1, 1, 1, 1, 1], np.float32)
    labels = np.array([0, 1, 2, 9, 3, 2, 1, 0])
    images, partners, _ = mixed(params(mixup=0.4), weight=weight, labels=labels)
    assert partners.tolist() == [0, 1, 2, 3, 5, 4, 7, 6]
    assert np.array_equal(images[:4], IMAGES[:4])
    assert mixed(params(mixup=0.4), slice(0, 7))[1].tolist() == [1, 0, 3, 2, 5, 4, 6]


def test_nothing_is_blended_in_other_modes_and_phases():
    with tf.Graph().as_default():
        args = args_of(MODES.EVAL, params(mixup=0.4), IMAGES, LABELS)
        assert args.mixing is None and np.array_equal(values_of(args.images), IMAGES)
        assert args_of(MODES.TRAIN, params(mixup=0.4, phase='pretrain_1'), IMAGES, LABELS).mixing is None
        assert args_of(MODES.TRAIN, params(label_smoothing=0.1), IMAGES, LABELS).mixing is None


@pytest.mark.parametrize(
    'chosen',
    [
        {'label_smoothing': 0.1},
        {'class_weights': (2.0, 1.0, 0.5, 0.25)},
        {'mixup': 0.4},
        {'mixup': 0.4, 'label_smoothing': 0.2, 'class_weights': (2.0, 1.0, 0.5, 0.25)},
    ],
)
def test_the_loss(chosen):
    """The cross-entropy with the targets of the papers, as the mean over the examples that count."""
    weight = np.array([1, 1, 1, 1, 1, 1, 0, 1], np.float32)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        tf.train.create_global_step()
        variable = tf.get_variable('x', initializer=0.0)
        args = args_of(MODES.TRAIN, params(**chosen), IMAGES, LABELS, key=KEYS, weight=weight)
        spec = classification_spec(args, tf.constant(LOGITS) + variable, {})
        mixing = args.mixing
        loss, *found = values_of([spec.loss, *((mixing.partners, mixing.shares) if mixing else ())])
    partners, shares = found or (np.arange(8), np.ones(8))
    own = np.eye(4)[LABELS]
    targets = shares[:, None] * own + (1 - shares)[:, None] * own[partners]
    of_classes = targets @ np.array(chosen.get('class_weights', np.ones(4)))
    smoothing = chosen.get('label_smoothing', 0)
    targets = (1 - smoothing) * targets + smoothing / 4
    losses = -(targets * np.log(softmax(LOGITS))).sum(1) * of_classes * weight
    assert loss == pytest.approx(losses.sum() / 7, rel=1e-5)
