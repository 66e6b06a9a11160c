import dataclasses

import numpy as np
import pytest

from estimator_lab.core.params import AnyOptimizer, TrainingParams
from estimator_lab.core.training import apply_gradients, train_op, watched
from estimator_lab.optimizers import FIRST_ORDER
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both

PARAMS = TrainingParams(
    optimizer='sgd', learning_rate=0.5, learning_rate_schedule='linear', train_steps=4, first_step=10
)


def run(params, start, steps):
    """Walks down (a + b)'s slope from global step `start`; returns a, b and the step reached."""
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.train.create_global_step()
        a, b = (tf.get_variable(name, initializer=0.0) for name in 'ab')
        walk = train_op(a + b, params, 1.0)
        session.run(tf.global_variables_initializer())
        step.load(start, session)
        for _ in range(steps):
            session.run(walk)
        return session.run([a, b, step])


@pytest.mark.parametrize(('first', 'steps', 'rates'), [(10, 6, 4 + 3 + 2 + 1), (0, 2, 4 + 3)])
def test_the_schedule_spans_the_steps_of_its_own_phase(first, steps, rates):
    # Slope 1: the distance is the sum of the rates, 0.5 * (1 + 3/4 + 2/4 + 1/4); later rates are 0.
    a, b, step = run(dataclasses.replace(PARAMS, first_step=first), first, steps)
    assert np.allclose([a, b], -0.5 * rates / 4) and step == first + steps


def test_the_gradient_is_cut_back_to_a_length_that_all_variables_have_together(session):
    params = dataclasses.replace(PARAMS, learning_rate_schedule='constant')
    tf.train.create_global_step()
    a, b = (tf.get_variable(name, initializer=0.0) for name in 'ab')
    walk = train_op(3 * a + 4 * b, params, 1.0, clip_norm=0.5)
    session.run(tf.global_variables_initializer())
    session.run(walk)
    # (3, 4) has length 5, and becomes (0.3, 0.4); the rate is 0.5.
    assert session.run([a, b]) == pytest.approx([-0.15, -0.2])


@pytest.mark.parametrize(('optimizer', 'of_nan'), [('sgd', np.nan), ('lbfgs', np.inf)])
def test_a_loss_of_nan_stops_first_order_optimizers_alone(optimizer, of_nan, session):
    params = AnyOptimizer(optimizer=optimizer)
    losses = session.run([watched(tf.constant(loss), params) for loss in (2.5, np.nan)])
    np.testing.assert_array_equal(losses, [2.5, of_nan])


def test_the_learning_rate_is_shown_under_its_own_name(session):
    tf.train.create_global_step()
    train_op(tf.get_variable('a', initializer=0.0) * 1.0, dataclasses.replace(PARAMS, first_step=0), 1.0)
    session.run(tf.global_variables_initializer())
    shown = tf.Summary.FromString(session.run(tf.summary.merge_all()))
    assert [(v.tag, v.simple_value) for v in shown.value] == [('learning_rate', 0.5)]


@pytest.mark.parametrize('optimizer', sorted(FIRST_ORDER))
def test_a_batch_that_counts_nothing_moves_neither_weights_nor_slots(optimizer, session):
    params = TrainingParams(optimizer=optimizer, learning_rate=0.1, learning_rate_schedule='constant')
    step = tf.train.create_global_step()
    weights = tf.placeholder(tf.float32, [None])
    a = tf.get_variable('a', initializer=[1.0, 2.0])
    walk = train_op(tf.reduce_sum(tf.square(a)) * tf.reduce_sum(weights), params, weights)
    session.run(tf.global_variables_initializer())
    for _ in range(3):
        session.run(walk, {weights: [1.0]})
    kept = [v for v in tf.global_variables() if v is not step]
    before = session.run(kept)
    session.run(walk, {weights: [0.0, 0.0]})
    assert all(map(np.array_equal, before, session.run(kept)))
    assert session.run(step) == 4
    session.run(walk, {weights: [0.0, 1.0]})
    assert not np.array_equal(before[0], session.run(a))


def test_slots_are_named_as_without_a_branch(graph):
    tf.train.create_global_step()
    a = tf.get_variable('a', initializer=1.0)
    train_op(a * 1.0, TrainingParams(), tf.placeholder(tf.float32, [None]))
    names = [v.op.name for v in tf.global_variables()]
    assert names == ['global_step', 'a', 'train/beta1_power', 'train/beta2_power', 'a/Adam', 'a/Adam_1']


def test_slots_that_begin_as_constants_wait_for_no_other_variable(session):
    """Their initial values would read the global step, before it has a value."""

    class WithConstant(tf.train.GradientDescentOptimizer):
        def _create_slots(self, variables):
            for variable in variables:
                self._get_or_make_slot(variable, tf.constant(0.5, shape=variable.shape), 'sum', 'sum')

    weight, step = tf.get_variable('weight', [2]), tf.train.create_global_step()
    optimizer = WithConstant(0.1)
    with tf.control_dependencies([tf.identity(step)]):
        apply_gradients(optimizer, [(tf.ones([2]), weight)], tf.ones([3]))
    slot = optimizer.get_slot(weight, 'sum')
    session.run(slot.initializer)
    assert session.run(slot).tolist() == [0.5, 0.5]


@pytest.mark.slow
def test_a_second_order_optimizer_steps_counts_and_shows_what_it_found(session):
    inputs = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    step = tf.train.create_global_step()
    weights = tf.placeholder(tf.float32, [20])
    w = tf.get_variable('w', [3, 1], initializer=tf.zeros_initializer())
    loss = tf.losses.mean_squared_error(inputs @ np.ones((3, 1), np.float32), tf.matmul(inputs, w))
    walk = train_op(loss, AnyOptimizer(optimizer='hessian_free', damping=1.0), weights)
    session.run(tf.global_variables_initializer())
    losses = [session.run([loss, walk], {weights: np.ones(20)})[0] for _ in range(2)]
    before = session.run(w)
    session.run(walk, {weights: np.zeros(20)})
    assert losses[0] > losses[1] and session.run(step) == 3
    assert np.array_equal(before, session.run(w)), 'a batch that counts nothing teaches nothing'
    shown = tf.Summary.FromString(session.run(tf.summary.merge_all(), {weights: np.ones(20)})).value
    tags = {f'hessian_free/{name}' for name in ('loss', 'evaluations', 'step_length', 'damping')}
    assert tags <= {value.tag for value in shown}


@pytest.mark.slow
@pytest.mark.parametrize('optimizer', ['lbfgs', 'conjugate_gradient'])
def test_iterations_on_a_batch_are_a_hyper_parameter(optimizer):
    losses = {}
    for iterations in (1, 4):
        with tf.Graph().as_default(), tf.Session() as session:
            weight = tf.get_variable('w', initializer=[3.0, -2.0, 1.0])
            loss = tf.reduce_sum(tf.constant([1.0, 10.0, 100.0]) * (weight - 1) ** 2)
            step = train_op(loss, AnyOptimizer(optimizer=optimizer, iterations=iterations), 1)
            session.run(tf.global_variables_initializer())
            session.run(step)
            losses[iterations] = session.run(loss)
    assert losses[4] < losses[1] / 10
