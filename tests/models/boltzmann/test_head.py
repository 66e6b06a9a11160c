"""The head of a Boltzmann machine against NumPy, and the parameters of pre-training."""

import dataclasses

import numpy as np
import pytest

from estimator_lab.core.endpoints import published
from estimator_lab.core.params import Pixels, TrainingParams
from estimator_lab.core.projector import ProjectorHook
from estimator_lab.models.boltzmann.head import MachineHead
from estimator_lab.models.boltzmann.learning import RbmParams
from estimator_lab.models.boltzmann.pretraining import PretrainingParams, machine_params, pretraining_stack
from estimator_lab.models.boltzmann.stack import Stack, make_rbm
from estimator_lab.tf1 import tf
from tests.core.helpers import MODES, args_of, config_of, drawn, metrics_of, summary_tags, values_of
from tests.support.exact_rbm import ExactRbm, states
from tests.support.graphs import initialize

pytestmark = pytest.mark.both

RNG = np.random.default_rng(0)
SHAPE = (3, 2, 1)
IMAGES = RNG.random((5, *SHAPE), np.float32)
DATA = IMAGES.reshape(5, 6)
WEIGHTS, BIAS = RNG.normal(0, 1, (6, 4)).astype(np.float32), RNG.normal(0, 1, 4).astype(np.float32)
VISIBLE_BIAS = RNG.normal(0, 1, 6).astype(np.float32)
GAUSSIAN = ('gaussian', 'bernoulli')
PARAMS = RbmParams(image_shape=SHAPE, hidden_units=4, binarize=False, chains=0)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def hidden_of(data):
    return sigmoid(data @ WEIGHTS + BIAS)


def visible_of(hidden):
    return sigmoid(hidden @ WEIGHTS.T + VISIBLE_BIAS)


def energy_of(data):
    return -(data @ VISIBLE_BIAS) - np.log1p(np.exp(data @ WEIGHTS + BIAS)).sum(1)


@pytest.fixture(autouse=True)
def known_weights(monkeypatch):
    """Every layer starts with the weights above, whose shapes all layers here have."""
    values = {'kernel': WEIGHTS, 'bias': BIAS, 'visible_bias': VISIBLE_BIAS}
    create = tf.get_variable

    def get_variable(name, shape=None, *args, **given):
        if name in values and list(shape) == list(values[name].shape):
            given['initializer'] = tf.constant_initializer(values[name])
        return create(name, shape, *args, **given)

    monkeypatch.setattr(tf, 'get_variable', get_variable)


def spec_of(mode, config=None, params=PARAMS, weight=(1.0,) * 5, units=('bernoulli', 'bernoulli')):
    args = args_of(mode, params, IMAGES, config=config, key=[*'abcde'], weight=np.array(weight, np.float32))
    head = MachineHead(args, Stack([make_rbm(1, 6, 4, units)], SHAPE))
    if mode == MODES.PREDICT:
        return head.predict_spec()
    return head.eval_spec() if mode == MODES.EVAL else head.train_spec()


def test_pale_pixels_are_probabilities_from_0_to_1(session):
    stack = Stack([make_rbm(1, 6, 4)], SHAPE, pixels=Pixels(0.8, 1.0))
    pale = tf.constant(0.8 + 0.2 * IMAGES)
    assert np.allclose(session.run(stack.visible(pale)), DATA, atol=1e-5)
    assert np.allclose(session.run(stack.images(stack.visible(pale))), 0.8 + 0.2 * IMAGES, atol=1e-6)
    assert session.run(stack.visible(0.5 * pale)).max() == 0


def test_predictions_and_endpoints(graph):
    spec = spec_of(MODES.PREDICT)
    found = values_of(spec.predictions)
    assert list(published(graph)) == ['layer_1']
    reconstruction = visible_of(hidden_of(DATA))
    assert np.allclose(found['hidden'], hidden_of(DATA), atol=1e-5)
    assert np.allclose(found['reconstruction'].reshape(5, 6), reconstruction, atol=1e-5)
    assert np.allclose(found['free_energy'], energy_of(DATA), atol=1e-4)
    assert np.allclose(found['error'], ((DATA - reconstruction) ** 2).sum(1), atol=1e-5)
    assert found['dream'].shape == (5, *SHAPE) and found['key'].tolist() == [*map(str.encode, 'abcde')]


def test_the_metrics_of_an_evaluation(tmp_path, graph):
    tf.train.create_global_step()
    spec = spec_of(MODES.EVAL, config_of(tmp_path))
    found = metrics_of(spec)
    loss, errors = values_of([spec.loss, spec.predictions['error']])
    (hook,) = spec.evaluation_hooks
    vectors, keys, _ = values_of(hook._tensors)
    wanted = ((DATA - visible_of(hidden_of(DATA))) ** 2).sum(1)
    assert np.allclose(errors, wanted, atol=1e-5) and loss == pytest.approx(wanted.mean(), rel=1e-5)
    assert found['reconstruction_error'] == pytest.approx(wanted.mean(), rel=1e-5)
    assert found['free_energy'] == pytest.approx(energy_of(DATA).mean(), rel=1e-4)
    assert found['total_examples'] == 5 and 'log_partition' not in found
    assert isinstance(hook, ProjectorHook) and hook._name == 'hidden'
    assert np.allclose(vectors, hidden_of(DATA), atol=1e-5)
    assert keys.tolist() == [*map(str.encode, 'abcde')] and list(hook._texts_of) == ['key']


def test_the_pseudo_log_likelihood_is_the_sum_over_units_by_enumeration(graph):
    exact = ExactRbm(WEIGHTS, VISIBLE_BIAS, BIAS)
    every, log_p = states(6), np.log(exact.visible_probabilities())
    places = np.repeat([3, 20, 41], 4000)
    flipped = log_p[places[:, None] ^ 2 ** np.arange(6)]
    wanted = (log_p[places, None] - np.logaddexp(log_p[places, None], flipped)).sum(1).mean()
    images = every[places].reshape(-1, *SHAPE).astype(np.float32)
    args = args_of(MODES.EVAL, PARAMS, images, key=[*map(str, range(len(images)))])
    found = metrics_of(MachineHead(args, Stack([make_rbm(1, 6, 4)], SHAPE)).eval_spec())
    # One unit per example, drawn at random: the standard error is 0.05.
    assert found['pseudo_log_likelihood'] == pytest.approx(wanted, abs=0.25)


def test_log_probability_needs_chains(graph):
    params = dataclasses.replace(PARAMS, ais_chains=20, ais_steps=200)
    found = metrics_of(spec_of(MODES.EVAL, params=params))
    bits = (np.arange(64)[:, None] >> np.arange(6)) & 1
    log_z = np.log(np.exp(-energy_of(bits)).sum())
    assert found['log_partition'] == pytest.approx(log_z, abs=0.3)
    assert found['log_partition_low'] <= found['log_partition'] <= found['log_partition_high']
    wanted = -energy_of(DATA).mean() - found['log_partition']
    assert found['log_probability'] == pytest.approx(wanted, abs=1e-3)


def test_a_step_follows_the_gradient_of_contrastive_divergence(tmp_path, session):
    params = dataclasses.replace(
        PARAMS, optimizer='sgd', learning_rate=1.0, learning_rate_schedule='constant', weight_decay=0.5
    )
    step = tf.train.create_global_step()
    spec = spec_of(MODES.TRAIN, config_of(tmp_path), params=params)
    (kernel,) = (v for v in tf.trainable_variables() if v.op.name.endswith('kernel'))
    tags = summary_tags()
    shown = drawn()
    initialize(session)
    loss, _ = session.run([spec.loss, spec.train_op])
    change, steps = session.run([kernel, step])
    assert tags >= {'learning_rate', 'reconstruction_error', 'free_energy', 'activations/layer_1'}
    assert tags >= {f'weights/layer_1/{name}' for name in ('kernel', 'bias', 'visible_bias')}
    assert set(shown) == {f'images/{name}/image' for name in ('receptive_fields', 'reconstruction', 'dream')}
    # Plus <v h> of the data, minus that of the model, whose means are in [0, 1]; minus the weight decay.
    data = DATA.T @ hidden_of(DATA) / 5
    model = data - 0.5 * WEIGHTS - (change - WEIGHTS)
    assert (model >= -1e-5).all() and (model <= 1 + 1e-5).all()
    assert 0 < loss < 6 and steps == 1


def test_errors_of_gaussian_units_are_of_pixels_in_every_mode():
    params, found = dataclasses.replace(PARAMS, visible_units='gaussian'), []
    for mode in (MODES.EVAL, MODES.PREDICT):
        with tf.Graph().as_default():
            found.append(values_of(spec_of(mode, params=params, units=GAUSSIAN).predictions))
    evaluated, predicted = found
    wanted = ((IMAGES - predicted['reconstruction']) ** 2).reshape(5, -1).sum(1)
    assert np.allclose(predicted['error'], wanted, atol=1e-5)
    assert np.allclose(evaluated['error'], wanted, atol=1e-5)


@dataclasses.dataclass(frozen=True)
class Params(PretrainingParams, TrainingParams):
    """What pre-training reads of a model's parameters."""


def test_machines_below_the_last_begin_at_the_data_and_have_binary_units(graph):
    params = Params(image_shape=SHAPE, phase='pretrain_2', chains=7, cd_steps=3)
    machine = machine_params(params, pretraining_stack(params, (4, 3, 2), linear_top=True), is_last=False)
    trained = [v.op.name for v in tf.trainable_variables()]
    assert (machine.chains, machine.cd_steps, machine.binarize) == (0, 3, False)
    assert trained == [f'layer_2/{name}' for name in ('kernel', 'bias', 'visible_bias')]
    assert machine.learning_rate == 0.05 and machine.visible_units == 'bernoulli'


def test_the_last_machine_has_persistent_chains_or_linear_units(graph):
    params = Params(image_shape=SHAPE, phase='pretrain_2', chains=7)
    machine = machine_params(params, pretraining_stack(params, (4, 3)), is_last=True)
    assert (machine.chains, machine.binarize) == (7, True)
    params = dataclasses.replace(params, visible_units='gaussian', chains=Params.chains)
    with tf.variable_scope('linear'):
        stack = pretraining_stack(params, (4, 3), linear_top=True)
    assert [machine.hidden_units for machine in stack.machines] == ['bernoulli', 'gaussian']
    assert [machine.visible_units for machine in stack.machines] == ['gaussian', 'bernoulli']
    assert machine_params(params, stack, is_last=True).learning_rate == 0.001
