"""The classifier's head against NumPy: eight examples, one of weight 0, one of weight 2, one unknown."""

from dataclasses import replace

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.core import classifier
from estimator_lab.core.endpoints import LOGITS, publish_all, published
from estimator_lab.core.metrics import pr_curves
from estimator_lab.core.mistakes import MistakesHook
from estimator_lab.core.model import Args
from estimator_lab.core.params import ClassifierParams
from estimator_lab.core.projector import ProjectorHook
from estimator_lab.tf1 import tf
from tests.core.helpers import (
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
from tests.support.graphs import initialize

pytestmark = pytest.mark.both

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
    return {'pool': tf.zeros([8, 1, 1, 4]), 'dense': tf.nn.relu(tf.constant(HIDDEN))}


def spec_of(mode, logits=None, config=None, params=PARAMS, layers=None, labels=TEXTS, weight=GIVEN, **more):
    args = args_of(mode, params, IMAGES, labels, config, key=KEYS, weight=weight)
    logits = tf.constant(LOGITS_FOUND) if logits is None else logits
    layers = endpoints() if layers is None else layers
    return spec_with(args, publish_all({**layers, LOGITS: logits}.items()), **more)


def spec_with(args, layers, terms=()):
    if args.mode == MODES.PREDICT:
        return classifier.predict_spec(args, layers)
    loss = classifier.loss(args, layers, terms)
    of_mode = classifier.eval_spec if args.mode == MODES.EVAL else classifier.train_spec
    return of_mode(args, layers, loss)


def mean_loss(weights):
    """The mean over the examples whose weight is not 0, as tf.losses reduces it."""
    return (cross_entropies() * weights).sum() / np.count_nonzero(WEIGHTS)


def cross_entropies():
    return -np.log(softmax(LOGITS_FOUND)[np.arange(8), IDS])


def test_penalties_join_the_loss_of_training_only():
    """A layer's own regularizer, and `weight_decay` on kernels: biases and vectors of tokens are left out."""
    kernel, table = np.ones((4, 6), np.float32), np.full((3, 2), 9, np.float32)

    def network():
        hidden = tf.constant(HIDDEN)
        tf.get_variable('embedding', initializer=table)
        return tf.layers.dense(
            hidden, 6, kernel_initializer=tf.ones_initializer(), kernel_regularizer=tf.reduce_sum
        )

    def loss(mode, decay):
        with tf.Graph().as_default():
            spec = spec_of(mode, network(), params=replace(PARAMS, weight_decay=decay))
            return values_of(spec.loss)

    plain = loss(MODES.EVAL, 0.5)
    assert loss(MODES.TRAIN, 0.0) == pytest.approx(plain + kernel.sum(), rel=1e-5)
    assert loss(MODES.TRAIN, 0.5) == pytest.approx(plain + kernel.sum() + 0.25 * kernel.sum(), rel=1e-5)


def test_class_weights_are_in_the_loss_of_training_only(graph):
    classes = np.array([1, 2, 3, 4, 5, 6], np.float32)
    tf.train.create_global_step()
    params = replace(PARAMS, class_weights=tuple(classes.tolist()))
    for mode, weights in ((MODES.EVAL, WEIGHTS), (MODES.TRAIN, WEIGHTS * classes[IDS])):
        loss = values_of(spec_of(mode, tf.Variable(LOGITS_FOUND), params=params).loss)
        assert loss == pytest.approx(mean_loss(weights), rel=1e-5)


def test_a_network_without_labels_gives_features():
    with tf.Graph().as_default():
        pooled = {'global_pool': tf.constant(HIDDEN)}
        spec = spec_with(args_of(MODES.PREDICT, PARAMS, IMAGES), pooled)
        assert np.array_equal(values_of(spec.predictions)['features'], HIDDEN)
    with tf.Graph().as_default(), pytest.raises(FlagError, match='nothing to train or evaluate'):
        spec_with(args_of(MODES.TRAIN, PARAMS, IMAGES, TEXTS), pooled)


def test_unknown_labels_have_weight_0_and_id_0(graph):
    args = args_of(MODES.EVAL, PARAMS, IMAGES, TEXTS, weight=GIVEN)
    ids, weights = values_of(args.targets)
    numbers = args_of(MODES.EVAL, PARAMS, IMAGES[:4], np.array([5, -1, -1, 0]))
    others = values_of(numbers.targets)
    assert ids.tolist() == IDS.tolist() and weights.tolist() == WEIGHTS.tolist()
    assert others[0].tolist() == [5, 0, 0, 0] and others[1].tolist() == [1, 0, 0, 1]


def test_the_metrics_of_an_evaluation(graph):
    spec = spec_of(MODES.EVAL)
    found, loss, predicted = metrics_of(spec), values_of(spec.loss), values_of(spec.predictions)
    assert {'cross_entropy', 'metrics', 'predictions'} <= scopes()
    probabilities = softmax(LOGITS_FOUND)
    right = LOGITS_FOUND.argmax(1) == IDS
    in_top = [IDS[row] in np.argsort(-LOGITS_FOUND[row])[:5] for row in range(8)]
    by_class = [right[(WEIGHTS > 0) & (id_ == IDS)].mean() for id_ in (0, 1, 3, 4, 5)]
    assert found == {
        'average_loss': pytest.approx(np.average(cross_entropies(), weights=WEIGHTS), rel=1e-5),
        'accuracy': pytest.approx((right * WEIGHTS).sum() / WEIGHTS.sum()),
        'mean_per_class_accuracy': pytest.approx(np.mean(by_class)),
        'majority_share': pytest.approx(max(WEIGHTS[id_ == IDS].sum() for id_ in IDS) / WEIGHTS.sum()),
        'top_5_accuracy': pytest.approx((in_top * WEIGHTS).sum() / WEIGHTS.sum()),
        'unknown_labels': 1,
        'total_examples': 6,
        'dead_units/dense': 0.25,
    }
    assert not all(in_top) and not all(right) and any(right)
    assert loss == pytest.approx(mean_loss(WEIGHTS), rel=1e-5)
    assert np.allclose(predicted['probabilities'], probabilities, atol=1e-6)
    assert predicted['classes'].tolist() == LOGITS_FOUND.argmax(1).tolist()
    assert spec.mode == MODES.EVAL and not spec.evaluation_hooks


@pytest.mark.parametrize(('classes', 'has_top_5'), [(5, False), (6, True)])
def test_top_5_accuracy_needs_more_than_five_classes(classes, has_top_5, graph):
    params = ClassifierParams(SHAPE, VOCABULARY[:classes])
    spec = spec_of(MODES.EVAL, tf.constant(LOGITS_FOUND[:, :classes]), params=params)
    predicted = spec_of(MODES.PREDICT, tf.constant(LOGITS_FOUND[:, :classes]), params=params)
    assert ('top_5_accuracy' in spec.eval_metric_ops) == has_top_5
    outputs = predicted.export_outputs['serving_default'].outputs
    assert outputs['top_labels'].shape.as_list() == [8, 5]


def test_an_evaluation_shows_curves_mistakes_and_the_last_vectors(tmp_path):
    with tf.Graph().as_default():
        tf.train.create_global_step()
        spec = spec_of(MODES.EVAL, config=config_of(tmp_path), params=replace(PARAMS, curves=True))
        hooks = spec.evaluation_hooks
        assert [type(hook) for hook in hooks] == [MistakesHook, ProjectorHook]
        vectors, labels, keys, predicted, _ = values_of(hooks[1]._tensors)
        curves = {n for n in spec.eval_metric_ops if n.startswith('pr_curves/')}
    assert curves == {f'pr_curves/{label}' for label in (*VOCABULARY, 'micro_average')}
    with tf.Graph().as_default():
        maps = {'pool': tf.zeros([8, 1, 1, 4])}
        without = spec_of(MODES.EVAL, config=config_of(tmp_path), layers=maps)
    assert [type(hook) for hook in without.evaluation_hooks] == [MistakesHook]
    assert not [name for name in without.eval_metric_ops if name.startswith('pr_curves/')]
    assert np.array_equal(vectors, np.maximum(HIDDEN, 0))
    assert labels.tolist() == [0, 1, 2, 3, 4, 5, 0, -1]
    assert keys.tolist() == [key.encode() for key in KEYS]
    assert predicted.tolist() == LOGITS_FOUND.argmax(1).tolist()
    assert list(hooks[1]._texts_of) == ['label', 'key', 'predicted']
    assert hooks[1]._texts_of['predicted'](5) == 'f'


def test_predictions_exports_and_endpoints(graph):
    spec = spec_of(MODES.PREDICT, labels=None)
    found = values_of(spec.predictions)
    exported = values_of(spec.export_outputs['serving_default'].outputs)
    assert list(published(graph)) == ['pool', 'dense', LOGITS]
    assert {'predictions', 'best_guesses'} <= scopes()
    probabilities = softmax(LOGITS_FOUND)
    best = np.argsort(-probabilities)[:, :5]
    assert np.allclose(found['probabilities'], probabilities, atol=1e-6)
    assert found['classes'].tolist() == probabilities.argmax(1).tolist()
    assert found['labels'].tolist() == [VOCABULARY[id_].encode() for id_ in found['classes']]
    assert found['key'].tolist() == [key.encode() for key in KEYS]
    assert exported['top_labels'].tolist() == [[VOCABULARY[id_].encode() for id_ in row] for row in best]
    assert np.allclose(exported['top_probabilities'], np.take_along_axis(probabilities, best, 1), atol=1e-6)
    assert set(exported) == {'classes', 'probabilities', 'labels', 'top_labels', 'top_probabilities'}


@pytest.mark.parametrize('clip_norm', [0.0, 0.1])
def test_a_step_goes_down_the_gradient_of_the_loss_and_its_terms(clip_norm, session):
    params = replace(PARAMS, clip_norm=clip_norm)
    step = tf.train.create_global_step()
    logits, mean = tf.Variable(LOGITS_FOUND), tf.Variable(1.0, trainable=False)
    tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign(mean, 7.0).op)
    terms = [0.5 * tf.reduce_sum(logits), tf.constant(3.0)]
    spec = spec_of(MODES.TRAIN, logits, params=params, terms=terms)
    assert {'cross_entropy', 'train_accuracy', 'train'} <= scopes()
    initialize(session)
    loss = session.run(spec.loss)
    session.run(spec.train_op)
    change, updated, steps = LOGITS_FOUND - session.run(logits), session.run(mean), session.run(step)
    assert loss == pytest.approx(mean_loss(WEIGHTS) + 0.5 * LOGITS_FOUND.sum() + 3, rel=1e-5)
    gradients = (softmax(LOGITS_FOUND) - np.eye(6)[IDS]) * WEIGHTS[:, None]
    wanted = gradients / np.count_nonzero(WEIGHTS) + 0.5
    if clip_norm:
        wanted *= clip_norm / np.linalg.norm(wanted)
    assert np.allclose(change, wanted, atol=1e-5)
    assert updated == 7 and steps == 1 and spec.mode == MODES.TRAIN and not spec.training_hooks


def test_training_shows_its_accuracy_the_batch_and_the_network(tmp_path, graph):
    tf.train.create_global_step()
    layers = {'dense': tf.layers.dense(tf.reshape(tf.constant(IMAGES), [8, 9]), 4, name='dense')}
    logits = tf.Variable(LOGITS_FOUND, name='head/kernel')
    spec = spec_of(MODES.TRAIN, logits, config=config_of(tmp_path), layers=layers)
    tags = summary_tags()
    (accuracy,) = (t for t in tf.get_collection(tf.GraphKeys.SUMMARIES) if t.name == 'accuracy:0')
    (value,) = tf.Summary.FromString(values_of(accuracy)).value
    shown = drawn()
    # TensorBoard's graph page would show each operation outside of a scope as a box of its own.
    unscoped = {op.type for op in graph.get_operations() if '/' not in op.name}
    assert not unscoped & {'GatherV2', 'FloorMod', 'SelectV2', 'Select', 'Neg', 'Greater', 'Any'}
    right = LOGITS_FOUND.argmax(1) == IDS
    assert value.simple_value == pytest.approx((right * WEIGHTS).sum() / WEIGHTS.sum())
    assert {'accuracy', 'learning_rate', 'activations/dense', 'weights/dense/kernel'} <= tags
    assert 'weights/logits/kernel' in tags and len(spec.training_hooks) == 1
    assert set(shown) == {'images/input/image', 'images/receptive_fields/image'}


def test_examples_other_than_images_have_no_pictures(tmp_path, graph):
    tf.train.create_global_step()
    features = {'token': tf.zeros([8, 3], tf.int32)}
    for mode in (MODES.TRAIN, MODES.EVAL):
        args = Args(features, tf.constant(TEXTS), mode, PARAMS, config_of(tmp_path))
        spec = spec_with(args, {**endpoints(), LOGITS: tf.Variable(LOGITS_FOUND)})
        assert mode == MODES.EVAL or not spec.training_hooks
    mistakes, vectors = spec.evaluation_hooks
    assert mistakes.before_run(None).fetches[1] == {} and not vectors._has_images


def test_an_unknown_label_is_shown_as_unknown(tmp_path, monkeypatch, graph):
    shown = []
    monkeypatch.setattr(
        'estimator_lab.core.classifier.labelled_picture', lambda name, images, texts: shown.append(texts)
    )
    tf.train.create_global_step()
    spec_of(MODES.TRAIN, tf.Variable(LOGITS_FOUND), config=config_of(tmp_path))
    texts = values_of(shown[0])
    assert [text.decode() for text in texts] == ['a', 'b', 'c', 'd', 'e', 'f', 'a', 'unknown']


def test_the_curves_of_an_evaluation_are_scikit_learns(session):
    metrics = pytest.importorskip('sklearn.metrics')
    probabilities = softmax(LOGITS_FOUND)
    known = tf.constant(WEIGHTS.astype(np.float32))
    curves = pr_curves(tf.constant(probabilities), tf.constant(IDS), known, VOCABULARY)
    initialize(session)
    session.run([update for _, update in curves.values()])
    for id_, label in enumerate(VOCABULARY):  # the unknown label, of weight 0, has the id of 'a'
        (value,) = tf.Summary.FromString(session.run(curves[f'pr_curves/{label}'][0])).value
        found = tf.make_ndarray(value.tensor)
        assert value.metadata.display_name == f'pr_curves/{label}'
        for threshold in (0.1, 0.5):
            place, positive = round(threshold * 200), probabilities[:, id_] > threshold
            for row, score in ((4, metrics.precision_score), (5, metrics.recall_score)):
                wanted = score(id_ == IDS, positive, sample_weight=WEIGHTS, zero_division=0)
                assert found[row, place] == pytest.approx(wanted, abs=1e-6)
            pairs = metrics.confusion_matrix(id_ == IDS, positive, sample_weight=WEIGHTS)
            assert found[:4, place] == pytest.approx(pairs[[1, 0, 0, 1], [1, 1, 0, 0]])  # TP, FP, TN, FN
