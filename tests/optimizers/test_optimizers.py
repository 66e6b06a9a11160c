"""All optimizers of the registry, of first and second order, and the learning-rate schedules."""

import math

import numpy as np
import pytest

from estimator_lab.optimizers import OPTIMIZERS, SCHEDULES, FanInAdam, learning_rate_at, make_optimizer
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.usefixtures('graph')

every = pytest.mark.parametrize('name', OPTIMIZERS)
_START, _MINIMUM = [1.0, -2.0], [0.5, 0.0]


def bowl(x, shift=0.0):
    return tf.reduce_sum(tf.math.squared_difference(x, tf.constant(_MINIMUM) + shift))


class Bowl:
    """An optimizer on a bowl whose minimum can be moved, in a session."""

    def __init__(self, name, **named):
        self.x = tf.get_variable('x', initializer=np.array(_START, np.float32))
        self.other = tf.get_variable('other', initializer=1.0)
        self.shift = tf.placeholder_with_default(0.0, [])
        self.loss = bowl(self.x * self.other, self.shift)
        self.optimizer = make_optimizer(name, 0.05)
        self.global_step = tf.train.create_global_step()
        self.step = self.optimizer.minimize(self.loss, self.global_step, **named)
        self.session = tf.Session()
        self.session.run(tf.global_variables_initializer())

    def take(self, steps):
        """Takes steps, each with a different minimum; returns the losses before them."""
        number = self.session.run(self.global_step)
        return [
            self.session.run([self.loss, self.step], {self.shift: 0.01 * (at % 3)})[0]
            for at in range(number, number + steps)
        ]

    def values(self):
        return self.session.run({v.op.name: v for v in tf.global_variables()})


@every
def test_it_is_a_tf1_optimizer_and_lowers_a_bowl(name):
    made = Bowl(name)
    assert isinstance(made.optimizer, tf.train.Optimizer)
    losses = made.take(40)
    assert losses[-1] < losses[0] and np.all(np.isfinite(losses))
    assert made.session.run(made.global_step) == 40
    assert [v.op.name for v in tf.trainable_variables()] == ['x', 'other']
    saved = {v.op.name for v in made.optimizer.variables()}
    assert saved <= {v.op.name for v in tf.global_variables()} and (saved or name == 'sgd')


@pytest.mark.slow
@every
def test_only_the_given_variables_change(name):
    variables = [tf.get_variable(n, initializer=np.array([1.0, 1.0], np.float32)) for n in ('one', 'two')]
    step = make_optimizer(name, 0.1).minimize(bowl(variables[0] + variables[1]), var_list=variables[:1])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(step)
        one, two = session.run(variables)
    assert np.all(one != 1) and np.all(two == 1)


@pytest.mark.slow
@every
def test_a_resumed_run_equals_an_uninterrupted_one(name, tmp_path):
    made = Bowl(name)
    made.take(4)
    path = tf.train.Saver().save(made.session, str(tmp_path / 'model'))
    made.take(4)
    with tf.Graph().as_default():
        again = Bowl(name)
        tf.train.Saver().restore(again.session, path)
        again.take(4)
        resumed = again.values()
    whole = made.values()
    assert all(np.array_equal(whole[n], resumed[n]) for n in set(whole) | set(resumed))


@pytest.mark.slow
@every
def test_two_of_them_share_no_state(name):
    variables = [tf.get_variable(n, initializer=np.array(_START, np.float32)) for n in ('one', 'two')]
    optimizers = [make_optimizer(name, 0.1) for _ in variables]
    steps = [o.minimize(bowl(v), var_list=[v]) for o, v in zip(optimizers, variables, strict=True)]
    names = [{v.op.name for v in optimizer.variables()} for optimizer in optimizers]
    # Adam and others keep powers of their decay for all variables of a graph.
    assert not names[0] & names[1]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(steps)
        one, two = session.run(variables)
    assert np.array_equal(one, two) and np.all(one != _START)


def test_momentum_is_used():
    def third_step(name, momentum):
        with tf.Graph().as_default(), tf.Session() as session:
            x = tf.get_variable('x', initializer=1.0)
            train_op = make_optimizer(name, 0.1, momentum).minimize(3 * x)
            session.run(tf.global_variables_initializer())
            for _ in range(3):
                session.run(train_op)
            return session.run(x)

    # Gradient 3, rate 0.1, momentum 0.5: steps 0.3, 0.3 + 0.15, 0.3 + 0.225.
    assert third_step('momentum', 0.5) == pytest.approx(1 - 0.3 - 0.45 - 0.525)
    # Nesterov adds the momentum of the new step once more: 0.3 + 0.5 * (0.3, 0.45, 0.525).
    assert third_step('nesterov', 0.5) == pytest.approx(1 - 0.45 - 0.525 - 0.5625)
    # RMSProp divides by the root of a mean square s, which starts at 1: s = 0.9 s + 0.1 * 9.
    x, velocity, s = 1.0, 0.0, 1.0
    for _ in range(3):
        s = 0.9 * s + 0.9
        velocity = 0.5 * velocity + 0.3 / np.sqrt(s)
        x -= velocity
    assert third_step('rmsprop', 0.5) == pytest.approx(x)


@pytest.mark.parametrize('use_resource', [False, True])
def test_kernels_with_many_inputs_warm_up_for_longer(use_resource):
    """Adam's first steps move each weight by the rate, under a constant gradient.

    A warm-up of 3 steps for 2 inputs is one of 12 steps for 8: in the first three, the rate of 0.1 is
    multiplied by 1/12, 2/12 and 3/12, which add up to a half.
    """
    shapes = {'few': [2, 3], 'many': [8, 3], 'convolution': [2, 2, 2, 3], 'bias': [8]}
    variables = [
        tf.get_variable(name, shape, initializer=tf.zeros_initializer(), use_resource=use_resource)
        for name, shape in shapes.items()
    ]
    loss = tf.add_n([tf.reduce_sum(variable) for variable in variables])
    count = tf.train.create_global_step()
    step = FanInAdam(0.1, count, 3, 2).minimize(loss, count)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(3):
            session.run(step)
        moved = [np.unique(-values).mean() for values in session.run(variables)]
    assert np.allclose(moved, [0.3, 0.05, 0.05, 0.3], rtol=1e-3)


@pytest.mark.parametrize('use_resource', [False, True])
@pytest.mark.parametrize('rows', [[0, 1], [1, 1]])
def test_ftrl_without_regularisation_is_adagrad(rows, use_resource):
    """McMahan 2017, "A survey of algorithms and analysis for adaptive online learning", section 3."""
    found = []
    for name in ('ftrl', 'adagrad'):
        start = np.array([[0.5, -2.0], [1.0, 0.0]], np.float32)
        w = tf.get_variable(name, initializer=start, use_resource=use_resource)
        seen = w if rows == [0, 1] else tf.gather(w, rows)  # whose gradient is sparse, with a row twice
        step = make_optimizer(name, 0.1).minimize(tf.reduce_sum(tf.square(seen - 0.003)), var_list=[w])
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for _ in range(4):
                session.run(step)
            found.append(session.run(w))
    assert np.allclose(*found, atol=1e-5)


def test_ftrl_keeps_its_weights_when_the_rate_ends_at_0():
    step = tf.train.create_global_step()
    w = tf.get_variable('w', initializer=[0.5, -2.0, 1.0])
    loss = tf.reduce_sum(tf.square(w) * [1e-3, 1e-3, 0.0])  # hardly any gradient, or none
    train_op = make_optimizer('ftrl', learning_rate_at('linear', 0.1, step, 3)).minimize(loss, step)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(5):
            session.run(train_op)
        assert session.run(w) == pytest.approx([0.5, -2.0, 1.0], abs=0.01)


FORMULAS = {
    'constant': lambda t: 1.0,
    'linear': lambda t: 1 - t,
    'cosine': lambda t: (1 + math.cos(math.pi * t)) / 2,
    'exponential': lambda t: 0.01**t,
}


@pytest.mark.parametrize('schedule', SCHEDULES)
def test_schedules_follow_their_formula(schedule):
    with tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = learning_rate_at(schedule, 0.2, step, 80)
        for now in (0, 20, 40, 80):
            expected = 0.2 * FORMULAS[schedule](now / 80)
            assert session.run(rate, {step: now}) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize('schedule', SCHEDULES)
def test_a_warm_up_increases_to_the_schedule(schedule):
    step = tf.placeholder(tf.int64, [])
    plain, warm, cut = (learning_rate_at(schedule, 0.1, step, 100, warmup) for warmup in (0, 10, 1000))
    with tf.Session() as session:
        pairs = [session.run([plain, warm], {step: at}) for at in (0, 4, 9, 10, 99)]
        assert session.run(warm, {step: 3}) == session.run(cut, {step: 3}), 'at most a tenth of the run'
    shares = [0.1, 0.5, 1.0, 1.0, 1.0]
    assert [found for _, found in pairs] == pytest.approx(
        [share * rate for share, (rate, _) in zip(shares, pairs, strict=True)]
    )
