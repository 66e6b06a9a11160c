"""The classifier's head against NumPy: eight examples, one of weight 0, one of weight 2, one unknown."""

import numpy as np
import pytest

from estimator_lab.core.display.classifier import MistakesHook
from estimator_lab.core.display.embeddings import EmbeddingsHook
from estimator_lab.core.display.pr_curves import PrCurvesHook
from estimator_lab.core.heads.classification import (
    classification_or_features_spec,
    classification_spec,
    ids_and_weights,
)
from estimator_lab.core.heads.model_function import Args
from estimator_lab.core.model.endpoints import LOGITS, Endpoint, published
from estimator_lab.core.model.params import ClassifierParams
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import tf
from tests.core.heads.helpers import (
    MODES,
    args_of,
    config_of,
    drawn,
    metrics_of,
    scopes,
    softmax,
    summary_tags,
    values_of,
)
from tests.graphs import initialize

RNG = np.random.default_rng(0)
VOCABULARY = tuple('abcdef')
SHAPE = (3, 3, 1)
PARAMS = ClassifierParams(
    SHAPE, VOCABULARY, optimizer='sgd', learning_rate=1.0, learning_rate_schedule='constant'
)
IMAGES = RNG.random((8, *SHAPE), np.float32)
LOGITS_FOUND = RNG.normal(0, 2, (8, 6)).astype(np.float32)
LOGITS_FOUND[3, 3] = -9.0  # not among the five most probable
LOGITS_FOUND[[0, 4, 5], [0, 4, 5]] = 6.0  # right
TEXTS = [*'abcdef', 'a', 'unknown']
IDS = np.array([0, 1, 2, 3, 4, 5, 0, 0])
GIVEN = np.array([1, 1, 0, 2, 1, 1, 1, 1], np.float32)
WEIGHTS = np.where(np.arange(8) == 7, 0, GIVEN)
KEYS = [f'a.tar:{n}.png' for n in range(8)]
HIDDEN = np.where(np.arange(4) == 2, -1, RNG.random((8, 4))).astype(np.float32)
HIDDEN[2, 2] = 1.0  # active in the example of weight 0 only


def endpoints():
    kernel = tf.zeros([9, 4])
    return {'pool': Endpoint(tf.zeros([8, 1, 1, 4])), 'dense': Endpoint(tf.constant(HIDDEN), kernel)}


def spec_of(mode, logits=None, config=None, params=PARAMS, layers=None, labels=TEXTS, weight=GIVEN, **more):
    args = args_of(mode, params, IMAGES, labels, config, key=KEYS, weight=weight)
    logits = tf.constant(LOGITS_FOUND) if logits is None else logits
    return classification_spec(args, logits, endpoints() if layers is None else layers, **more)


def test_a_network_without_labels_gives_features():
    with tf.Graph().as_default():
        pooled = {'global_pool': Endpoint(tf.constant(HIDDEN))}
        spec = classification_or_features_spec(args_of(MODES.PREDICT, PARAMS, IMAGES), None, pooled)
        assert np.array_equal(values_of(spec.predictions)['features'], HIDDEN)
    with tf.Graph().as_default(), pytest.raises(FlagError, match='nothing to train or evaluate') as raised:
        classification_or_features_spec(args_of(MODES.TRAIN, PARAMS, IMAGES, TEXTS), None, pooled)
    assert raised.value.remedies == {'warm_start': 'Pass its folder to --warm_start of a new run.'}


def test_unknown_labels_have_weight_0_and_id_0():
    with tf.Graph().as_default():
        args = args_of(MODES.EVAL, PARAMS, IMAGES, TEXTS, weight=GIVEN)
        ids, weights = values_of(ids_and_weights(args))
        numbers = args_of(MODES.EVAL, PARAMS, IMAGES[:4], np.array([5, 6, -1, 0]))
        others = values_of(ids_and_weights(numbers))
    assert ids.tolist() == IDS.tolist() and weights.tolist() == WEIGHTS.tolist()
    assert others[0].tolist() == [5, 0, 0, 0] and others[1].tolist() == [1, 0, 0, 1]


def test_the_metrics_of_an_evaluation():
    with tf.Graph().as_default():
        spec = spec_of(MODES.EVAL)
        found, loss, predicted = metrics_of(spec), values_of(spec.loss), values_of(spec.predictions)
        assert {'cross_entropy', 'metrics', 'predictions'} <= scopes()
    probabilities = softmax(LOGITS_FOUND)
    right = LOGITS_FOUND.argmax(1) == IDS
    in_top = [IDS[row] in np.argsort(-LOGITS_FOUND[row])[:5] for row in range(8)]
    by_class = [right[(WEIGHTS > 0) & (id_ == IDS)].mean() for id_ in (0, 1, 3, 4, 5)]
    assert found == {
        'accuracy': pytest.approx((right * WEIGHTS).sum() / WEIGHTS.sum()),
        'mean_per_class_accuracy': pytest.approx(np.mean(by_class)),
        'top_5_accuracy': pytest.approx((in_top * WEIGHTS).sum() / WEIGHTS.sum()),
        'unknown_labels': 2,
        'total_examples': 6,
        'dead_units/dense': 0.25,
    }
    assert not all(in_top) and not all(right) and any(right)
    # The mean over the examples whose weight is not 0, as tf.losses reduces it.
    losses = -np.log(probabilities[np.arange(8), IDS])
    assert loss == pytest.approx((losses * WEIGHTS).sum() / np.count_nonzero(WEIGHTS), rel=1e-5)
    assert np.allclose(predicted['probabilities'], probabilities, atol=1e-6)
    assert predicted['classes'].tolist() == LOGITS_FOUND.argmax(1).tolist()
    assert spec.mode == MODES.EVAL and not spec.evaluation_hooks


@pytest.mark.parametrize(('classes', 'has_top_5'), [(5, False), (6, True)])
def test_top_5_accuracy_needs_more_than_five_classes(classes, has_top_5):
    params = ClassifierParams(SHAPE, VOCABULARY[:classes])
    with tf.Graph().as_default():
        spec = spec_of(MODES.EVAL, tf.constant(LOGITS_FOUND[:, :classes]), params=params)
        predicted = spec_of(MODES.PREDICT, tf.constant(LOGITS_FOUND[:, :classes]), params=params)
    assert ('top_5_accuracy' in spec.eval_metric_ops) == has_top_5
    outputs = predicted.export_outputs['serving_default'].outputs
    assert outputs['top_labels'].shape.as_list() == [8, 5]


def test_an_evaluation_shows_curves_mistakes_and_the_last_vectors(tmp_path):
    with tf.Graph().as_default():
        tf.train.create_global_step()
        hooks = spec_of(MODES.EVAL, config=config_of(tmp_path)).evaluation_hooks
        assert [type(hook) for hook in hooks] == [PrCurvesHook, MistakesHook, EmbeddingsHook]
        vectors, labels, keys, predicted, _ = values_of(hooks[2]._tensors)
    with tf.Graph().as_default():
        maps = {'pool': Endpoint(tf.zeros([8, 1, 1, 4]))}
        without = spec_of(MODES.EVAL, config=config_of(tmp_path), layers=maps).evaluation_hooks
    assert [type(hook) for hook in without] == [PrCurvesHook, MistakesHook]
    assert np.array_equal(vectors, HIDDEN)
    assert labels.tolist() == [0, 1, -1, 3, 4, 5, 0, -1]
    assert keys.tolist() == [key.encode() for key in KEYS]
    assert predicted.tolist() == LOGITS_FOUND.argmax(1).tolist()
    assert list(hooks[2]._texts_of) == ['label', 'key', 'predicted']
    assert hooks[2]._texts_of['predicted'](5) == 'f'


def test_predictions_exports_and_endpoints():
    with tf.Graph().as_default() as graph:
        spec = spec_of(MODES.PREDICT, labels=None)
        found = values_of(spec.predictions)
        exported = values_of(spec.export_outputs['serving_default'].outputs)
        assert list(published(graph)) == ['pool', 'dense', LOGITS]
        assert {'predictions', 'best_guesses'} <= scopes()
    probabilities = softmax(LOGITS_FOUND)
    best = np.argsort(-probabilities)[:, :5]
    assert np.allclose(found['probabilities'], probabilities, atol=1e-6)
    assert found['classes'].tolist() == probabilities.argmax(1).tolist()
    assert [VOCABULARY[id_].encode() for id_ in found['classes']] == found['labels'].tolist()
    assert found['key'].tolist() == [key.encode() for key in KEYS]
    assert exported['top_labels'].tolist() == [[VOCABULARY[id_].encode() for id_ in row] for row in best]
    assert np.allclose(exported['top_probabilities'], np.take_along_axis(probabilities, best, 1), atol=1e-6)
    assert set(exported) == {'classes', 'probabilities', 'labels', 'top_labels', 'top_probabilities'}


def gradient():
    """Of the loss by the logits."""
    one_hot = np.eye(6)[IDS]
    return (softmax(LOGITS_FOUND) - one_hot) * WEIGHTS[:, None] / np.count_nonzero(WEIGHTS)


@pytest.mark.parametrize('clip_norm', [0.0, 0.1])
def test_a_step_goes_down_the_gradient_of_the_loss_and_its_terms(clip_norm):
    params = ClassifierParams(
        SHAPE,
        VOCABULARY,
        optimizer='sgd',
        learning_rate=1.0,
        learning_rate_schedule='constant',
        clip_norm=clip_norm,
    )
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.train.create_global_step()
        logits, mean = tf.Variable(LOGITS_FOUND), tf.Variable(1.0, trainable=False)
        terms = [0.5 * tf.reduce_sum(logits), tf.constant(3.0)]
        spec = spec_of(MODES.TRAIN, logits, params=params, terms=terms, updates=[(mean, tf.constant(7.0))])
        assert {'cross_entropy', 'train_accuracy', 'train'} <= scopes()
        initialize(session)
        loss = session.run(spec.loss)
        session.run(spec.train_op)
        change, updated, steps = LOGITS_FOUND - session.run(logits), session.run(mean), session.run(step)
    losses = -np.log(softmax(LOGITS_FOUND)[np.arange(8), IDS])
    entropy = (losses * WEIGHTS).sum() / np.count_nonzero(WEIGHTS)
    assert loss == pytest.approx(entropy + 0.5 * LOGITS_FOUND.sum() + 3, rel=1e-5)
    wanted = gradient() + 0.5
    if clip_norm:
        wanted *= clip_norm / np.linalg.norm(wanted)
    assert np.allclose(change, wanted, atol=1e-5)
    assert updated == 7 and steps == 1 and spec.mode == MODES.TRAIN and not spec.training_hooks


def test_without_terms_the_loss_is_the_cross_entropy():
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.create_global_step()
        logits = tf.Variable(LOGITS_FOUND)
        spec = spec_of(MODES.TRAIN, logits)
        initialize(session)
        session.run(spec.train_op)
        assert np.allclose(LOGITS_FOUND - session.run(logits), gradient(), atol=1e-6)


def test_a_batch_without_weight_updates_nothing():
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.create_global_step()
        logits, mean = tf.Variable(LOGITS_FOUND), tf.Variable(1.0, trainable=False)
        weight = np.zeros(8, np.float32)
        spec = spec_of(MODES.TRAIN, logits, weight=weight, updates=[(mean, tf.constant(7.0))])
        initialize(session)
        session.run(spec.train_op)
        assert session.run(mean) == 1 and np.array_equal(session.run(logits), LOGITS_FOUND)


def test_training_shows_its_accuracy_the_batch_and_the_network(tmp_path):
    with tf.Graph().as_default():
        tf.train.create_global_step()
        kernel = tf.constant(RNG.random((9, 4), np.float32))
        layers = {'dense': Endpoint(tf.constant(HIDDEN), kernel)}
        logits = tf.Variable(LOGITS_FOUND, name='head/kernel')
        spec = spec_of(MODES.TRAIN, logits, config=config_of(tmp_path), layers=layers)
        tags = summary_tags()
        (accuracy,) = (t for t in tf.get_collection(tf.GraphKeys.SUMMARIES) if t.name == 'accuracy:0')
        (value,) = tf.Summary.FromString(values_of(accuracy)).value
        shown = drawn(spec.training_hooks)
    right = LOGITS_FOUND.argmax(1) == IDS
    assert value.simple_value == pytest.approx((right * WEIGHTS).sum() / WEIGHTS.sum())
    assert {'accuracy', 'learning_rate', 'activations/dense', 'weights/head/kernel'} <= tags
    assert set(shown) == {'images/input/image', 'images/receptive_fields/image'}


def test_examples_other_than_images_have_no_pictures(tmp_path):
    with tf.Graph().as_default():
        tf.train.create_global_step()
        features = {'token': tf.zeros([8, 3], tf.int32)}
        for mode in (MODES.TRAIN, MODES.EVAL):
            args = Args(features, tf.constant(TEXTS), mode, PARAMS, config_of(tmp_path))
            spec = classification_spec(args, tf.Variable(LOGITS_FOUND), endpoints())
            assert mode == MODES.EVAL or not spec.training_hooks
    _, mistakes, vectors = spec.evaluation_hooks
    assert mistakes.before_run(None).fetches[1] == {} and not vectors._has_images
