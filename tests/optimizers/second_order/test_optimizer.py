"""Every second-order optimizer: steps, state, rejected steps, errors."""

from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.optimizers import SECOND_ORDER, make_optimizer
from estimator_lab.tf1 import tf
from tests.optimizers.second_order.problems import run

pytestmark = pytest.mark.trains

every = pytest.mark.parametrize('name', sorted(SECOND_ORDER))


class Network:
    """A small network with dropout and its optimizer, in a session."""

    def __init__(self, name, **settings):
        tf.set_random_seed(1)
        self.x, self.y = tf.placeholder(tf.float32, [None, 4]), tf.placeholder(tf.int64, [None])
        self.scale = tf.placeholder_with_default(1.0, [])
        hidden = tf.layers.dense(self.x, 6, tf.nn.tanh, kernel_initializer=tf.glorot_uniform_initializer())
        hidden = tf.layers.dropout(hidden, 0.2, seed=1, training=True)
        logits = tf.layers.dense(hidden, 3, kernel_initializer=tf.glorot_uniform_initializer())
        self.loss = self.scale * tf.losses.sparse_softmax_cross_entropy(self.y, logits)
        self.active = tf.placeholder_with_default(True, [])
        self.optimizer = make_optimizer(name, 0.1, **settings)
        self.global_step = tf.train.create_global_step()
        self.step = self.optimizer.minimize(self.loss, self.global_step, active=self.active)
        self.session = tf.Session()
        self.session.run(tf.global_variables_initializer())

    def take(self, steps=1, **named):
        """Takes steps, each on a different batch; returns the diagnostics of the last."""
        for _ in range(steps):
            rng = np.random.default_rng(self.session.run(self.global_step))
            x = rng.normal(size=(30, 4))
            feed = {self.x: x, self.y: (x[:, 0] > 0) + (x[:, 1] > 0)}
            feed |= {getattr(self, name): value for name, value in named.items()}
            shown, _ = self.session.run([self.optimizer.diagnostics, self.step], feed)
        return shown

    def values(self):
        """Returns all variables but the global step."""
        return self.session.run({v.op.name: v for v in tf.global_variables() if v is not self.global_step})


@pytest.fixture
def network():
    with tf.Graph().as_default():
        yield Network


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@every
def test_it_learns_and_shows_its_diagnostics(name, network):
    made = network(name)
    first = made.take()
    last = made.take(15)
    assert last['loss'] < 0.8 * first['loss'] and first['evaluations'] >= 2 and first['gradient_norm'] > 0
    general = {'loss', 'gradient_norm', 'evaluations', 'rejected_steps', 'step_length'}
    assert general <= set(first) == general | set(made.optimizer.shown)
    assert all(value.shape == () for value in made.optimizer.diagnostics.values())
    assert made.session.run(made.global_step) == 16


@pytest.mark.slow
@every
def test_diagnostics_change_nothing_and_an_inactive_step_only_the_global_step(name, network):
    made = network(name)
    made.take(3)
    before = made.values()
    made.session.run(made.optimizer.diagnostics, {made.x: np.ones((2, 4)), made.y: [0, 1]})
    assert same(before, made.values())
    shown = made.take(2, active=False)
    assert same(before, made.values()) and made.session.run(made.global_step) == 5
    assert shown['evaluations'] == 1 and shown['step_length'] == 0
    made.take()
    assert not same(before, made.values())


@pytest.mark.slow
@every
def test_a_loss_that_is_not_finite_is_rejected_and_five_in_a_row_end_training(name, network):
    made = network(name)
    made.take(2)
    before = made.values()
    learned = [n for n in before if 'rejected' not in n and 'damping' not in n and 'turn' not in n]
    for scale in (np.nan, np.inf):  # a good step resets the count
        for number in range(1, 5):
            assert made.take(scale=scale)['rejected_steps'] == number
        after = made.values()
        assert all(np.array_equal(before[n], after[n]) for n in learned)
        if name == 'hessian_free':
            ratio = after['HessianFree/damping'] / before['HessianFree/damping']
            assert ratio == pytest.approx(1.5**4)
        assert made.take()['rejected_steps'] == 0
        before = made.values()
    made.take(4, scale=np.nan)
    with pytest.raises(tf.errors.InvalidArgumentError, match='not finite in 5 steps in a row'):
        made.take(scale=np.nan)
    after = made.values()
    assert all(np.array_equal(before[n], after[n]) for n in learned)


@pytest.mark.slow
@every
def test_all_evaluations_of_a_step_see_the_same_random_draws(name, session):
    settings = {'damping': 1e-9} if name == 'hessian_free' else {'iterations': 5}
    w = tf.get_variable('w', initializer=np.zeros(8))
    draw = tf.random.normal(tf.shape(w), dtype=tf.float64)
    optimizer = make_optimizer(name, 0.1, **settings)
    step = optimizer.minimize(tf.reduce_sum(tf.math.squared_difference(w, draw)))
    session.run(tf.global_variables_initializer())
    for _ in range(2):
        seen, _ = session.run([draw, step])
        # The minimum of the function that this step drew.
        assert session.run(w) == pytest.approx(seen, abs=1e-6)


@pytest.mark.slow
@every
def test_accepted_steps_of_a_network_meet_the_conditions_of_their_search(name, graph):
    """The strong Wolfe conditions, or Armijo's for Hessian-free, computed from the graph."""
    tf.set_random_seed(2)
    x = np.random.default_rng(1).normal(size=(100, 5))
    ids = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    logits = tf.layers.dense(tf.layers.dense(tf.constant(x), 8, tf.nn.tanh), 2)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=logits))
    variables = tf.trainable_variables()
    gradients = tf.gradients(loss, variables)
    optimizer = make_optimizer(name, 0.1)
    step = optimizer.minimize(loss)
    curvature = getattr(optimizer, 'curvature', np.inf)
    decrease = 0.01 if name == 'hessian_free' else 1e-4
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        place = session.run([variables, loss, gradients])
        for _ in range(25):
            shown = session.run([optimizer.diagnostics, step])[0]
            then = session.run([variables, loss, gradients])
            change = [new - old for new, old in zip(then[0], place[0], strict=True)]
            slopes = [sum(map(np.vdot, gradient, change)) for gradient in (place[2], then[2])]
            assert shown['step_length'] > 0 and slopes[0] < 0
            assert then[1] <= place[1] + decrease * slopes[0] + 1e-15
            assert abs(slopes[1]) <= curvature * abs(slopes[0]) + 1e-15
            place = then


@every
def test_it_rejects_what_it_cannot_do(name, monkeypatch):
    optimizer = make_optimizer(name, 0.1)
    with pytest.raises(FlagError, match=rf'{optimizer.get_name()} needs a loss to minimize'):
        optimizer.apply_gradients([])
    with pytest.raises(FlagError, match='needs a loss to minimize; this model gives only gradients'):
        optimizer.compute_gradients(None)
    with tf.Graph().as_default(), tf.device('/job:ps/task:0'):
        w = tf.get_variable('w', initializer=1.0)
        with pytest.raises(FlagError, match='in one process, not on parameter servers'):
            optimizer.minimize(w**2)
    monkeypatch.setattr(tf.distribute, 'get_strategy', lambda: SimpleNamespace(num_replicas_in_sync=2))
    with pytest.raises(FlagError, match='several replicas are for first-order optimizers'):
        run(optimizer, lambda x: tf.reduce_sum(x**2), [1.0], 1)
