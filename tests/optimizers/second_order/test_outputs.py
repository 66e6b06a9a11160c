import contextlib

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.optimizers.second_order.gauss_newton import find_batch, find_outputs
from estimator_lab.optimizers.second_order.objective import Objective
from estimator_lab.tf1 import deterministic_operations, tf

pytestmark = [pytest.mark.trains, pytest.mark.usefixtures('graph')]


def logits(x, units=3):
    hidden = tf.layers.batch_normalization(tf.layers.dense(x, 4), training=True)
    return tf.layers.dense(tf.nn.tanh(hidden), units)


def names(tensors):
    return sorted(tensor.name for tensor in tensors)


def objective_of(loss):
    return Objective(loss, tf.trainable_variables())


LOSSES = {
    'sparse softmax': lambda y, z: tf.losses.sparse_softmax_cross_entropy(tf.argmax(y, 1), z),
    'softmax': lambda y, z: tf.losses.softmax_cross_entropy(y, z),
    'sigmoid': lambda y, z: tf.losses.sigmoid_cross_entropy(y, z),
    'mean squared error': lambda y, z: tf.losses.mean_squared_error(y, z),
    'square of a difference': lambda y, z: tf.reduce_mean(tf.square(z - y)),
}


@pytest.mark.parametrize('context', [contextlib.nullcontext, deterministic_operations])
@pytest.mark.parametrize('name', LOSSES)
def test_outputs_are_found(name, context, session):
    x, y = tf.placeholder(tf.float32, [None, 5]), tf.placeholder(tf.float32, [None, 3])
    with context():
        z = logits(x)
        (found,) = find_outputs(objective_of(LOSSES[name](y, z) + 1e-3 * tf.nn.l2_loss(z)))
    # tf.losses may reshape them first.
    session.run(tf.global_variables_initializer())
    assert np.array_equal(*session.run([found, z], {x: np.ones((2, 5)), y: np.ones((2, 3))}))


def test_outputs_of_two_losses_are_found():
    x, y = tf.placeholder(tf.float32, [None, 5]), tf.placeholder(tf.float32, [None, 3])
    one, other = logits(x), logits(x)
    loss = tf.losses.mean_squared_error(y, one) + tf.losses.sigmoid_cross_entropy(y, other)
    assert names(find_outputs(objective_of(loss))) == names([one, other])


@pytest.mark.parametrize('loss', [tf.abs, tf.nn.log_softmax], ids=['abs', 'log_softmax'])
def test_a_loss_of_another_kind_is_refused(loss):
    with pytest.raises(FlagError, match='give the outputs that the loss is a convex function of'):
        find_outputs(objective_of(tf.reduce_sum(loss(logits(tf.ones([2, 5]))))))


def test_the_batch_is_found():
    images, labels = tf.data.make_one_shot_iterator(
        tf.data.Dataset.from_tensor_slices((np.ones((6, 5), np.float32), np.arange(6))).batch(2)
    ).get_next()
    z = logits(tf.nn.dropout(images * 2, rate=0.5))
    found = names(find_batch(objective_of(tf.losses.sparse_softmax_cross_entropy(labels, z)), [z]))
    assert found == ['IteratorGetNext:0', 'IteratorGetNext:1', 'dropout/random_uniform/RandomUniform:0']
