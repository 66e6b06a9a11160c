import math

import numpy as np
import pytest

from estimator_lab.errors import FlagError
from estimator_lab.optimizers import OPTIMIZERS, SCHEDULES, learning_rate_at, make_optimizer
from estimator_lab.tf1 import tf


@pytest.mark.parametrize('name', sorted(OPTIMIZERS))
def test_every_optimizer_lowers_a_bowl(name):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.get_variable('x', initializer=np.array([1.0, -2.0], np.float32))
        bowl = tf.reduce_sum(x**2)
        train_op = make_optimizer(name, 0.05).minimize(bowl)
        session.run(tf.global_variables_initializer())
        losses = [session.run([bowl, train_op])[0] for _ in range(50)]
        assert losses[-1] < losses[0]


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


@pytest.mark.parametrize(
    ('schedule', 'at'),
    [
        ('constant', lambda t: 1.0),
        ('linear', lambda t: 1 - t),
        ('cosine', lambda t: (1 + math.cos(math.pi * t)) / 2),
        ('exponential', lambda t: 0.01**t),
    ],
)
def test_schedules_follow_their_formula(schedule, at):
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = learning_rate_at(schedule, 0.2, step, 80)
        for now in (0, 20, 40, 80):
            assert session.run(rate, {step: now}) == pytest.approx(0.2 * at(now / 80), abs=1e-7)


def test_all_schedules_are_tested():
    assert set(SCHEDULES) == {'constant', 'linear', 'cosine', 'exponential'}


def test_unknown_names_list_the_known_ones():
    with pytest.raises(FlagError, match=r"Unknown optimizer 'adm'; known are: adadelta, adagrad, adam"):
        make_optimizer('adm', 0.1)
    with pytest.raises(FlagError, match="learning_rate_schedule 'x'; known are: constant, cosine"):
        learning_rate_at('x', 0.1, 0, 10)
