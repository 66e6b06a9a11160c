import dataclasses

import numpy as np
import pytest

from estimator_lab.models.boltzmann.learning import (
    RbmParams,
    apply_gradients,
    contrastive_divergence,
    initial_rate,
)
from estimator_lab.models.boltzmann.machine import Rbm
from estimator_lab.tf1 import tf
from tests.models.boltzmann.test_machine import noise, rbm_of
from tests.support.exact_rbm import ExactRbm

pytestmark = pytest.mark.both


def recipe_of(**given):
    return RbmParams(**{'chains': 0, 'weight_decay': 0.0, **given})


_PLAIN = recipe_of()
_COPIES = 4_000


@pytest.fixture(scope='module')
def exact():
    return ExactRbm.drawn(6, 4, seed=1, scale=0.8)


@pytest.fixture(scope='module')
def data():
    return np.random.default_rng(0).integers(0, 2, size=(5, 6)).astype(float)


def diverged(exact, data, recipe):
    """Returns what a batch gives."""
    return contrastive_divergence(rbm_of(exact), tf.constant(data, tf.float32), recipe, noise())


def gradients(exact, data, recipe, copies=1, runs=1):
    """Returns the gradients of `runs` updates, one after the other in the same session."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)  # where persistent chains begin
        found = diverged(exact, np.tile(data, (copies, 1)), recipe)
        keep = found.keep()
        session.run(tf.global_variables_initializer())
        for _ in range(runs):
            values, _ = session.run([found.gradients, keep])
        return values


def distance(exact, data, found):
    """Largest difference between an update and the likelihood's exact gradient, against which it steps."""
    wanted = exact.log_likelihood_gradient(data)
    return max(np.abs(step + gradient).max() for step, gradient in zip(found, wanted, strict=True))


def test_cd_k_approaches_the_exact_gradient_as_k_grows(exact, data):
    far, nearer, near = (
        distance(exact, data, gradients(exact, data, recipe_of(cd_steps=k), _COPIES)) for k in (1, 4, 40)
    )
    assert far > nearer > near
    assert near < 0.02  # 20,000 samples: five standard errors of a mean of products are 5 * 0.5 / 141


def test_persistent_chains_approach_it_with_one_step_each(exact, data):
    recipe = recipe_of(chains=20_000)
    restarted = distance(exact, data, gradients(exact, data, _PLAIN, _COPIES))
    later = distance(exact, data, gradients(exact, data, recipe, runs=40))
    assert later < 0.03 and later < restarted


@pytest.mark.parametrize('cd_steps', [1, 3])
def test_probabilities_are_compared_with_probabilities_in_a_short_training(cd_steps):
    """A machine that gives the data's probabilities exactly has nothing to learn, whatever it draws."""
    p = np.array([[0.2, 0.5, 0.9]])
    exact = ExactRbm(np.zeros((3, 2)), np.log(p[0] / (1 - p[0])), np.zeros(2))
    recipe = recipe_of(binarize=False, cd_steps=cd_steps, train_steps=3000)
    for step in gradients(exact, p, recipe):
        assert np.allclose(step, 0, atol=1e-6)
    _, step, _ = gradients(exact, p, dataclasses.replace(recipe, train_steps=3001))
    assert np.allclose(step + p, np.rint(step + p), atol=1e-6)  # samples, less the data


def test_units_of_a_machine_below_are_compared_with_samples():
    """The visible bias of a machine without weights moves by p - s, with samples s of 0 and 1."""
    p = np.full((8, 3), 0.5)
    exact = ExactRbm(np.zeros((3, 2)), np.zeros(3), np.zeros(2))
    _, step, _ = gradients(exact, p, recipe_of(binarize=False, of_units=True))
    assert np.allclose(8 * (step + 0.5), np.rint(8 * (step + 0.5)), atol=1e-5) and np.any(step)


def test_weight_decay_is_on_weights_alone(exact, data):
    plain = gradients(exact, data, _PLAIN)
    decayed = gradients(exact, data, recipe_of(weight_decay=0.5))
    assert np.allclose(decayed[0], plain[0] + 0.5 * exact.weights, atol=1e-6)
    assert (decayed[1] == plain[1]).all() and (decayed[2] == plain[2]).all()


def test_each_variable_is_read_once_in_an_update(data, graph):
    """Only then TensorFlow makes E[h | data] once, for the statistics and for the chains that start there."""
    shapes = {'weights': [6, 4], 'visible_bias': [6], 'hidden_bias': [4]}
    rbm = Rbm(**{name: tf.get_variable(name, shape, use_resource=True) for name, shape in shapes.items()})
    before = set(graph.get_operations())
    contrastive_divergence(rbm, tf.constant(data, tf.float32), recipe_of(weight_decay=0.1), noise())
    reads = [
        operation.inputs[0].op.name
        for operation in graph.get_operations()
        if operation not in before and operation.type == 'ReadVariableOp'
    ]
    assert sorted(reads) == sorted(shapes)


@pytest.mark.parametrize('recipe', [recipe_of(), recipe_of(cd_steps=3)])
def test_chains_that_start_at_the_data_give_its_reconstruction(exact, data, recipe, session):
    copies = np.tile(data, (_COPIES, 1))
    found = session.run(diverged(exact, copies, recipe).reconstruction)
    hidden = (np.random.default_rng(1).random((len(copies), 4)) < exact.hidden_mean(copies)).astype(float)
    wanted = 1 / (1 + np.exp(-(hidden @ exact.weights.T + exact.visible_bias)))
    for example in range(len(data)):  # one Gibbs step from the data, whatever k is
        mine = slice(example, None, len(data))
        assert np.allclose(found[mine].mean(axis=0), wanted[mine].mean(axis=0), atol=0.04)


@pytest.mark.parametrize(
    ('chains', 'units', 'given', 'rate'),
    [
        *((5, 'bernoulli', 0.0, 0.05), (0, 'bernoulli', 0.0, 0.1)),
        *((0, 'gaussian', 0.0, 0.001), (0, 'bernoulli', 0.02, 0.02)),
    ],
)
def test_the_rate_is_larger_without_persistent_chains(chains, units, given, rate):
    assert initial_rate(recipe_of(chains=chains, visible_units=units, learning_rate=given)) == rate


def test_persistent_chains_leave_it_to_a_pass_up_and_down(exact, data, session):
    found = diverged(exact, data, recipe_of(chains=7)).reconstruction
    session.run(tf.global_variables_initializer())
    found = session.run(found)
    wanted = 1 / (1 + np.exp(-(exact.hidden_mean(data) @ exact.weights.T + exact.visible_bias)))
    assert np.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ('step', 'chains', 'momentum'), [(2_999 + 7, 0, 0.5), (3_000 + 7, 0, 0.9), (3_000 + 7, 5, 0.5)]
)
def test_momentum_rises_after_3000_steps_without_persistent_chains(step, chains, momentum, session):
    """Counted from the first step of the machine, 7. With a gradient of 1 and rate 0.1, the second of two
    steps is 0.1 * (1 + momentum)."""
    tf.train.get_or_create_global_step()
    weights = tf.get_variable('w', initializer=0.0)
    recipe = recipe_of(
        chains=chains, momentum=0.9, learning_rate=0.1, first_step=7, learning_rate_schedule='constant'
    )
    pairs = [(tf.ones([]), weights)]
    train_op, _ = apply_gradients(recipe, pairs, tf.ones([1]))
    session.run(tf.global_variables_initializer())
    places = []
    for _ in range(2):
        tf.train.get_global_step().load(step, session)
        session.run(train_op)
        places.append(session.run(weights))
    assert places == pytest.approx([-0.1, -0.1 - 0.1 * (1 + momentum)], rel=1e-5)
