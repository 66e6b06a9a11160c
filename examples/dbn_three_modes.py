"""The notes, "Deep belief networks": two RBMs in turn, then backpropagation, in one model function.

    python examples/dbn_three_modes.py [--data=TRAIN.tar --eval_data=TEST.tar]

Takes about 45 s on 2 cores. Trains each RBM by one step of contrastive divergence per batch (CD-1: Hinton
2002), without labels, and then a classifier that begins with their weights: accuracy 84% on unseen faces, and
80% without the RBMs.
"""

import itertools
import tempfile
from pathlib import Path
from typing import Any

from built_in_data import archives_from_command_line

from estimator_lab import api
from estimator_lab.tf1 import tf

SIDE = 32
UNITS = 500, 500
BATCH_SIZE = 32


def rbm(number: int, visible: int, units: int) -> tuple[Any, Any, Any]:
    """Returns the variables of an RBM: weights [visible, units], biases [visible] and [units]."""
    with tf.variable_scope(f'rbm{number}', reuse=tf.AUTO_REUSE):
        small, zeros = tf.random_normal_initializer(0, 0.01), tf.zeros_initializer()
        weights = tf.get_variable('weights', [visible, units], initializer=small)
        of_visible = tf.get_variable('visible', [visible], initializer=zeros)
        return weights, of_visible, tf.get_variable('hidden', [units], initializer=zeros)


def model_fn(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> Any:
    """Returns the EstimatorSpec of a mode, in one of three phases.

    Args:
      features: 'image', float32 [batch, SIDE, SIDE, 1] in [0, 1], and 'key', the name of each image.
      labels: class ids, int64 [batch]; None in PREDICT.
      mode: a `tf.estimator.ModeKeys`.
      params: 'phase', 0 or 1 for an RBM, 2 for the classifier; 'classes', how many; 'rate' of learning.
    """
    below = tf.layers.flatten(features['image'])  # float32 [batch, 1024]: probabilities of visible units
    for number, units in enumerate(UNITS):
        weights, visible, hidden = rbm(number, int(below.shape[1]), units)
        above = tf.sigmoid(below @ weights + hidden)  # [batch, units]
        if number == params['phase']:
            return rbm_spec(below, above, (weights, visible, hidden), mode, params['rate'])
        below = above
    logits = tf.layers.dense(below, params['classes'], name='logits')
    class_ids = tf.argmax(logits, axis=1)

    if mode == tf.estimator.ModeKeys.PREDICT:
        predictions = {'class_id': class_ids, 'probabilities': tf.nn.softmax(logits), 'key': features['key']}
        return tf.estimator.EstimatorSpec(mode, predictions=predictions)

    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    if mode == tf.estimator.ModeKeys.EVAL:
        metrics = {'accuracy': tf.metrics.accuracy(labels, class_ids)}
        return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)

    train_op = tf.train.AdamOptimizer(params['rate']).minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def rbm_spec(v_data: Any, h_data: Any, variables: tuple[Any, Any, Any], mode: str, rate: float) -> Any:
    """Returns the EstimatorSpec of an RBM: its features, its error of reconstruction, or a step of CD-1.

    Args:
      v_data: probabilities of the visible units, float32 [batch, visible].
      h_data: those of the hidden units, float32 [batch, units].
      variables: weights, visible biases and hidden biases.
      mode: a `tf.estimator.ModeKeys`.
      rate: of learning.
    """
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions={'features': h_data})

    weights, visible, hidden = variables
    states = tf.cast(tf.random_uniform(tf.shape(h_data)) < h_data, tf.float32)
    v_model = tf.sigmoid(states @ tf.transpose(weights) + visible)
    loss = tf.losses.mean_squared_error(v_data, v_model)
    if mode == tf.estimator.ModeKeys.EVAL:
        return tf.estimator.EstimatorSpec(mode, loss=loss)

    # Positive less negative phase, in the mean of the batch. Optimizers descend, so their sign is changed.
    h_model = tf.sigmoid(v_model @ weights + hidden)
    images = tf.cast(tf.shape(v_data)[0], tf.float32)
    positive, negative = (
        tf.matmul(v, h, transpose_a=True) for v, h in ((v_data, h_data), (v_model, h_model))
    )
    gradients = [
        ((negative - positive) / images, weights),
        (tf.reduce_mean(v_model - v_data, axis=0), visible),
        (tf.reduce_mean(h_model - h_data, axis=0), hidden),
    ]
    train_op = tf.train.MomentumOptimizer(rate, 0.5).apply_gradients(gradients, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def main(archives: api.DemoPaths, steps: int = 1000, every: int = 80) -> dict[str, Any]:
    """Trains the RBMs and the classifier; returns its metrics on unseen images."""
    shape = (SIDE, SIDE, 1)
    train_fn = api.input_fn(archives.train, shape, BATCH_SIZE, shuffle=True, epochs=None)
    test_fn = api.input_fn(archives.test, shape, BATCH_SIZE, vocabulary=train_fn.labels)

    with tempfile.TemporaryDirectory() as folder:
        before = None
        for phase, rate in enumerate((0.1, 0.1, 0.002)):
            config = tf.estimator.RunConfig(str(Path(folder, f'phase{phase}')), tf_random_seed=1)
            params = {'phase': phase, 'classes': len(train_fn.labels), 'rate': rate}
            begin = before and tf.estimator.WarmStartSettings(before, f'rbm[0-{phase - 1}]')
            estimator = tf.estimator.Estimator(model_fn, config=config, params=params, warm_start_from=begin)
            estimator.train(train_fn, steps=steps)
            metrics: dict[str, Any] = estimator.evaluate(test_fn)
            print(
                f'phase {phase}: {" ".join(f"{name} {value:.4g}" for name, value in sorted(metrics.items()))}'
            )
            before = estimator.model_dir
        predictions = list(itertools.islice(estimator.predict(test_fn), 0, None, every))

    for each in predictions:
        label, member = train_fn.labels[each['class_id']], each['key'].decode().rpartition(':')[2]
        print(f'{member:<30}{label}   probability {max(each["probabilities"]):.3f}')
    return metrics


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour: graphs only, and tf_random_seed controls the initial weights
    main(archives_from_command_line(__doc__))
