"""A model of click rates that imports TensorFlow's private modules, like EasyRec and DeepCTR."""

import sys

import numpy as np

# isort: off
import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf
from tensorflow.python.estimator.canned import head as head_lib
from tensorflow.python.estimator.canned.optimizers import get_optimizer_instance
from tensorflow.python.estimator.inputs.numpy_io import numpy_input_fn
from tensorflow.python.framework import ops
from tensorflow.python.ops import array_ops, control_flow_ops
from tensorflow.python.training import optimizer, training_ops
from tensorflow.python.training.tracking import base as trackable
from tensorflow.python.util import nest
# isort: on

FIELDS = ['user', 'item']


class Descent(optimizer.Optimizer):
    """Gradient descent through the kernel itself."""

    def __init__(self, rate):
        super().__init__(False, 'Descent')
        self._rate = rate

    def _prepare(self):
        self._rate_t = ops.convert_to_tensor(self._rate)

    def _resource_apply_dense(self, grad, handle):
        return training_ops.resource_apply_gradient_descent(handle.handle, self._rate_t, grad)

    def _resource_apply_sparse(self, grad, handle, indices):
        return training_ops.resource_apply_gradient_descent(
            handle.handle, self._rate_t, tf.IndexedSlices(grad, indices, tf.shape(handle))
        )


def model_fn(features, labels, mode, params):
    assert nest.is_sequence(FIELDS) and trackable.Trackable
    columns = [
        tf.feature_column.embedding_column(tf.feature_column.categorical_column_with_identity(field, 4), 3)
        for field in FIELDS
    ]
    parts = [tf.feature_column.input_layer(features, [column]) for column in columns]
    pair = tf.reduce_sum(tf.reduce_prod(array_ops.stack(parts, axis=1), axis=1), axis=1, keepdims=True)
    net = tf.contrib.layers.fully_connected(
        tf.concat(parts, 1), 4, weights_regularizer=tf.contrib.layers.l2_regularizer(1e-4), scope='deep'
    )
    net = tf.contrib.layers.batch_norm(net, decay=0.9, is_training=mode == tf.estimator.ModeKeys.TRAIN)
    logits = pair + tf.layers.dense(net, 1, kernel_initializer=tf.glorot_uniform_initializer())

    def train_op_fn(loss):
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        rule = Descent(params.rate) if params.own else get_optimizer_instance('Adagrad', params.rate)
        step = rule.minimize(loss, global_step=tf.train.get_global_step())
        return control_flow_ops.group(step, *updates)

    head = head_lib._binary_logistic_head_with_sigmoid_cross_entropy_loss()
    return head.create_estimator_spec(features, mode, logits, labels=labels, train_op_fn=train_op_fn)


def main(folder):
    rng = np.random.RandomState(0)
    rows = {field: rng.randint(0, 4, [64]) for field in FIELDS}
    clicks = (rows['user'] == rows['item']).astype(np.float32)[:, None]
    # The loss is a sum over the batch, so a small rate is enough.
    for own, rate in (('true', 0.01), ('false', 0.1)):
        params = tf.contrib.training.HParams(rate=0.5, own=False).parse(f'rate={rate},own={own}')
        config = tf.estimator.RunConfig(tf_random_seed=1)
        model = tf.estimator.Estimator(model_fn, f'{folder}/{own}', config, params)
        model.train(numpy_input_fn(rows, clicks, batch_size=64, num_epochs=None, shuffle=True), steps=30)
        found = model.evaluate(numpy_input_fn(rows, clicks, shuffle=False))
        print(found['global_step'], np.isfinite(found['loss']), found['auc'] > 0.5)
    print(sorted(name for name in model.get_variable_names() if 'deep' in name or 'BatchNorm' in name))


main(sys.argv[1])
