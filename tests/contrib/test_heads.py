"""Heads for several labels and several targets; their figures are in test_golden."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

HEADS = tf.contrib.estimator


def model(features, labels, mode):
    head = HEADS.multi_head(
        [
            HEADS.multi_label_head(3, name='tags', label_vocabulary=['a', 'b', 'c']),
            HEADS.regression_head(name='size'),
        ]
    )
    logits = tf.layers.dense(features['x'], head.logits_dimension)
    return head.create_estimator_spec(
        features, mode, logits, labels, optimizer=tf.train.GradientDescentOptimizer(0.5)
    )


def data():
    x = tf.constant([[0.0, 1.0], [1.0, 0.0]])
    tags = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], ['a', 'b', 'c'], [2, 2])
    return {'x': x}, {'tags': tags, 'size': tf.constant([[1.0], [-1.0]])}


def test_an_estimator_trains_evaluates_predicts_and_exports_two_targets(tmp_path):
    estimator = tf.estimator.Estimator(model, str(tmp_path))
    estimator.train(data, steps=60)
    found = estimator.evaluate(data, steps=1)
    assert found['auc/tags'] == pytest.approx(1, abs=1e-5)
    assert found['loss'] == pytest.approx(found['loss/tags'] + found['loss/size'], rel=1e-5)
    predicted = next(estimator.predict(lambda: tf.data.Dataset.from_tensors(data()[0])))
    assert (predicted[('tags', 'probabilities')] > 0.5).tolist() == [True, True, False]
    assert predicted[('size', 'predictions')] == pytest.approx([1], abs=0.1)
    receiver = tf.estimator.export.build_raw_serving_input_receiver_fn(
        {'x': tf.placeholder_with_default(np.zeros([1, 2], np.float32), [None, 2])}
    )
    exported = estimator.export_saved_model(str(tmp_path), receiver)
    serve = tf.contrib.predictor.from_saved_model(exported, 'predict')
    served = serve({'x': [[0, 1]]})
    assert served['tags/probabilities'][0] == pytest.approx(predicted[('tags', 'probabilities')])
    assert served['size/predictions'][0] == pytest.approx(predicted[('size', 'predictions')])


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda: HEADS.multi_label_head(1), 'n_classes must be > 1'),
        (lambda: HEADS.multi_label_head(None), 'n_classes must be > 1'),
        (lambda: HEADS.multi_label_head(2, thresholds=[1.0]), r'in \(0, 1\) range'),
        (lambda: HEADS.multi_label_head(2, label_vocabulary='ab'), 'must be a list or tuple'),
        (lambda: HEADS.multi_label_head(2, label_vocabulary=['a']), r'must be n_classes \(2\)'),
        (lambda: HEADS.multi_label_head(2, loss_reduction='none'), 'Invalid loss_reduction'),
        (lambda: HEADS.multi_label_head(2, classes_for_class_based_metrics=[2]), r'in range \[0, 1\]'),
        (lambda: HEADS.multi_label_head(2, classes_for_class_based_metrics=['a']), 'must be provided'),
        (lambda: HEADS.multi_label_head(2, loss_fn=lambda x: x), 'loss_fn'),
        (lambda: HEADS.multi_head([]), 'Must specify heads'),
        (lambda: HEADS.multi_head([HEADS.regression_head()]), 'must have name'),
        (lambda: HEADS.multi_head([HEADS.regression_head(name='a')], [1, 2]), 'same size'),
        (lambda: HEADS.multi_head([HEADS.regression_head(name='a')] * 2), 'different names'),
    ],
)
def test_arguments_that_are_rejected(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def spec(head, labels, mode='eval', logits=None, **more):
    logits = tf.zeros([2, head.logits_dimension]) if logits is None else logits
    return head.create_estimator_spec({}, mode, logits, labels, **more)


def test_labels_logits_and_optimizers_that_are_rejected():
    head = HEADS.multi_label_head(2, name='a')
    several = HEADS.multi_head([head, HEADS.regression_head(name='b')])
    with tf.Graph().as_default():
        good = tf.constant([[0, 1], [1, 1]])
        for labels, words in (
            (None, 'must provide a labels Tensor'),
            (tf.SparseTensor([[0, 0]], ['x'], [2, 1]), 'label_vocabulary must be provided'),
            (tf.constant([[0, 1, 1], [1, 1, 0]]), 'Mismatched label shape'),
        ):
            with pytest.raises(ValueError, match=words):
                spec(head, labels)
        with pytest.raises(ValueError, match='cannot both be None'):
            spec(head, good, 'train')
        with pytest.raises(ValueError, match='cannot both be set'):
            spec(head, good, 'train', optimizer='x', train_op_fn='y')
        with pytest.raises(ValueError, match='labels must be a dict'):
            spec(several, good)
        with pytest.raises(ValueError, match='should equal 3 but is 4'):
            spec(several, {'a': good, 'b': tf.zeros([2, 1])}, logits=tf.zeros([2, 4]))


@pytest.mark.parametrize('number', [-1, 2])
def test_class_numbers_outside_the_range_fail_when_they_are_read(number):
    with tf.Graph().as_default(), tf.Session() as session:
        indicators = tf.placeholder_with_default([[0, number], [1, 1]], [2, 2])
        numbers = tf.placeholder_with_default([number], [1])
        for labels in (indicators, tf.SparseTensor([[0, 0]], numbers, [2, 1])):
            with pytest.raises(tf.errors.InvalidArgumentError, match='labels must be an integer'):
                session.run(spec(HEADS.multi_label_head(2), labels).loss)
