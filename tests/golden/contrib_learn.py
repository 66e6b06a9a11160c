"""Estimators of tf.contrib.learn on arrays. Part of remake_contrib.py."""

import tempfile

import numpy as np
from contrib_shared import tf, wave

X = wave(10, 3)
WEIGHTS = 0.5 + np.arange(10, dtype=np.float32)
Y = {
    'binary': np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 1]),
    'classes': np.array([0, 2, 1, 1, 0, 2, 2, 1, 0, 1]),
    'numbers': wave(10, 1) * 3,
}


class Start(tf.train.SessionRunHook):
    """Sets the variables to a formula, as random numbers differ between versions."""

    def begin(self):
        variables = sorted(tf.trainable_variables(), key=lambda each: each.op.name)
        self.assign = [tf.assign(each, wave(*each.shape.as_list()) / 2) for each in variables]

    def after_create_session(self, session, coord):
        session.run(self.assign)


def model_fn(features, targets, mode, params):
    """A model function of 1.15, whose second argument may have any name."""
    w = tf.get_variable('w', initializer=wave(3, 3))
    logits = tf.matmul(features, w)
    loss = tf.losses.sparse_softmax_cross_entropy(targets, logits)
    step = tf.train.get_global_step()
    train = tf.train.GradientDescentOptimizer(params['rate']).minimize(loss, step)
    return {'logits': logits, 'classes': tf.argmax(logits, 1)}, loss, train


def learn_estimators():
    """Metrics and predictions of each Estimator after five steps on batches of four."""
    learn = tf.contrib.learn
    numeric = [tf.feature_column.numeric_column('x', 3)]
    unnamed = learn.infer_real_valued_columns_from_input(X)
    named = {'x': X, 'w': WEIGHTS}
    weighted = {'weight_column_name': 'w'}
    cases = {
        'custom': (learn.Estimator, (model_fn,), {'params': {'rate': 0.3}}, X, 'classes'),
        'dnn_weighted': (learn.DNNClassifier, ([4], numeric), weighted, named, 'binary'),
        'dnn_classes': (
            learn.DNNClassifier,
            ([4], unnamed),
            {'n_classes': 3, 'activation_fn': tf.nn.tanh, 'gradient_clip_norm': 0.1},
            X,
            'classes',
        ),
        'dnn_numbers': (
            learn.DNNRegressor,
            ([4], unnamed),
            {'optimizer': tf.train.GradientDescentOptimizer(0.02)},
            X,
            'numbers',
        ),
        'linear_binary': (learn.LinearClassifier, (numeric,), weighted, named, 'binary'),
        'linear_classes': (
            learn.LinearClassifier,
            (numeric,),
            {'n_classes': 3, 'optimizer': 'Adam', 'gradient_clip_norm': 0.3},
            named,
            'classes',
        ),
    }
    both = {
        'linear_feature_columns': numeric,
        'dnn_feature_columns': numeric,
        'dnn_hidden_units': [4],
    }
    twice = {**both, 'gradient_clip_norm': 0.2}
    cases['both_numbers'] = (learn.DNNLinearCombinedRegressor, (), twice, named, 'numbers')
    return {name: results(*case) for name, case in cases.items()}


def results(kind, arguments, more, x, labels):
    """What one Estimator returns."""
    y = Y[labels]
    start = Start()
    model = kind(*arguments, model_dir=tempfile.mkdtemp(), **more)
    compatible = tf.contrib.learn.SKCompat(model)
    if 'weight_column_name' in more:
        # 1.15 compares weights [n, 1] with labels of two axes only, and makes one of those of arrays.
        model.fit(input_fn=lambda: constants(x, y), steps=5, monitors=[start])
        measured = model.evaluate(input_fn=lambda: constants(x, y), steps=1)
    else:
        compatible.fit(x, y, batch_size=4, steps=5, monitors=[start])
        measured = model.evaluate(x, y, batch_size=4)
    keys = sorted(measured)
    predicted = compatible.predict(x, batch_size=4)
    outputs = sorted(predicted)
    return {
        'variables': [name for name in sorted(model.get_variable_names()) if not is_slot(name)],
        'metrics': keys,
        'outputs': outputs,
        'values': [
            *(float(measured[each]) for each in keys),
            *(predicted[each].astype(float).tolist() for each in outputs),
        ],
    }


def is_slot(name):
    """Slots have no comparable names: 1.15 mutilates those of partitioned variables."""
    return name.rpartition('/')[2].startswith(('Ada', 'Ftrl'))


def constants(x, y):
    return {key: tf.constant(array) for key, array in x.items()}, tf.constant(y[:, None])


def learn_metrics():
    """Metrics of evaluations, by MetricSpec and by functions."""
    learn, metrics = tf.contrib.learn, tf.contrib.metrics
    model = learn.Estimator(model_fn, tempfile.mkdtemp(), params={'rate': 0.1})
    model.fit(X, Y['classes'], steps=1)

    def largest(predictions):
        return tf.metrics.mean(tf.reduce_max(predictions, 1))

    def share(label, logits, weight=None):
        return tf.metrics.accuracy(label, tf.argmax(logits, 1), weight)

    wanted = {
        'accuracy': learn.MetricSpec(metrics.streaming_accuracy, 'classes'),
        'share': learn.MetricSpec(share, 'logits'),
        'largest': learn.MetricSpec(largest, 'logits'),
    }
    found = model.evaluate(X, Y['classes'], batch_size=4, steps=2, metrics=wanted)
    pair = {('pair', 'classes'): metrics.streaming_accuracy}
    found.update(model.evaluate(X, Y['classes'], batch_size=4, steps=2, metrics=pair))
    keys = sorted(found)
    return {'names': keys, 'values': [float(found[key]) for key in keys]}
