"""Heads of canned Estimators. Part of remake_contrib.py."""

import tempfile

from contrib_shared import run, tf, wave

# Summaries of training that the heads of TensorFlow 2 do not write.
MEANS = {'average_loss', 'average_loss/m'}
# TensorFlow 2's head of several labels interpolates this area; that of 1.15 joins its points by lines.
INTERPOLATED = 'auc_precision_recall'


def heads():
    """The specs of heads that custom model functions use: losses, metrics and predictions."""
    made = {
        'binary': (
            tf.contrib.estimator.binary_classification_head,
            {'weight_column': 'w'},
            [[0], [1], [1]],
            1,
        ),
        'classes': (
            tf.contrib.estimator.multi_class_head,
            {'n_classes': 3, 'loss_reduction': tf.losses.Reduction.SUM},
            [[0], [2], [1]],
            3,
        ),
        'regression': (tf.contrib.estimator.regression_head, {'label_dimension': 2}, wave(3, 2), 2),
        'poisson': (tf.contrib.estimator.poisson_regression_head, {}, [[1.0], [0.0], [3.0]], 1),
        'logistic': (tf.contrib.estimator.logistic_regression_head, {}, [[0.2], [1.0], [0.0]], 1),
    }
    found = {}
    for case, (make, more, labels, size) in made.items():
        with tf.Graph().as_default():
            found[case] = specs_of(make(**more), lambda labels=labels: tf.constant(labels), size)
    return found


def specs_of(head, make_labels, size, split=lambda logits: logits, without='nothing'):
    """The losses, metrics and predictions of a head, and its logits, mapped by `split`, after a step."""
    tf.train.get_or_create_global_step()
    features, labels, variable = inputs(), make_labels(), logits_of(size)
    logits = split(tf.identity(variable))
    kind = tf.estimator.ModeKeys
    rule = tf.contrib.estimator.clip_gradients_by_norm(tf.train.GradientDescentOptimizer(1.0), 0.1)
    train = head.create_estimator_spec(features, kind.TRAIN, logits, labels, train_op_fn=rule.minimize)
    summaries = sorted({tensor.op.name for tensor in tf.get_collection(tf.GraphKeys.SUMMARIES)} - MEANS)
    predict = head.create_estimator_spec(features, kind.PREDICT, logits)
    loss = head.create_loss(features, kind.EVAL, logits, labels)
    keys = sorted(key for key, value in predict.predictions.items() if value.dtype != tf.string)
    outputs = [predict.predictions[key] for key in keys]
    exported = predict.export_outputs['predict'].outputs if 'predict' in predict.export_outputs else {}

    def model_fn(features, labels, mode):
        return head.create_estimator_spec(features, mode, split(logits_of(size)), labels)

    estimator = tf.estimator.Estimator(model_fn, tempfile.mkdtemp())
    measured = estimator.evaluate(lambda: (inputs(), make_labels()), steps=1)
    metrics = sorted(
        name for name in measured if name not in ('loss', 'global_step') and not name.startswith(without)
    )
    first, *rest = run([train.loss, loss[0], *outputs])
    return {
        'metrics': metrics,
        'predictions': keys,
        'summaries': summaries,
        'exports': sorted(map(str, predict.export_outputs)),
        'exported': sorted(exported),
        'values': [
            *(first, float(measured['loss']), rest[0]),
            *(float(measured[name]) for name in metrics),
            *rest[1:],
            *run([variable], [train.train_op]),
        ],
    }


def inputs():
    return {'w': tf.constant([[1.0], [2.0], [0.5]])}


def logits_of(size):
    return tf.get_variable('logits', initializer=wave(3, size))


def multi_heads():
    """Heads for several labels by their text, and for several targets."""
    estimator = tf.contrib.estimator

    def text():
        return tf.SparseTensor([[0, 0], [0, 1], [2, 0]], tf.constant(['c', 'a', 'b']), [3, 2])

    def three():
        return {
            'a': tf.constant([[0], [2], [1]]),
            'b': tf.constant(wave(3, 1)),
            'c': tf.constant([[1, 0], [1, 1], [0, 0]]),
        }

    def by_head(logits):
        return {'a': logits[:, :3], 'b': logits[:, 3:4], 'c': logits[:, 4:]}

    found = {}
    with tf.Graph().as_default():
        head = estimator.multi_label_head(
            3, label_vocabulary=['a', 'b', 'c'], classes_for_class_based_metrics=['b'], name='m'
        )
        found['text'] = specs_of(head, text, 3, without=INTERPOLATED)
    with tf.Graph().as_default():
        members = [
            estimator.multi_class_head(3, name='a', weight_column='w'),
            estimator.regression_head(name='b'),
            estimator.multi_label_head(2, name='c', thresholds=[0.5]),
        ]
        head = estimator.multi_head(members, [1.0, 0.5, 2.0])
        specs = specs_of(head, three, head.logits_dimension, by_head, without=INTERPOLATED)
        found['several_weighted'] = {'name': head.name, **specs}
    return found
