import numpy as np
import pytest

from estimator_lab.core import keys
from estimator_lab.core.params import TrainingParams
from estimator_lab.core.training import train_op
from estimator_lab.tf1 import tf

START = 2.0**15
PARAMS = TrainingParams(
    optimizer='momentum', learning_rate=0.1, learning_rate_schedule='constant', loss_scaling=True
)
LARGE = 2.0**114  # times 2^15 it is infinite in float32, at 2^13 no more


def model_fn(features, labels, mode, params):
    """A weight whose gradient is the feature, computed as a scaled loss computes it."""
    weight = tf.get_variable('weight', [], initializer=tf.ones_initializer())
    loss = tf.reduce_sum(weight * features)
    chosen = TrainingParams(**{**vars(PARAMS), **params})
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op(loss, chosen, 1.0))


def train(folder, gradients, steps=None, **params):
    """Trains with a gradient in each step, going on in the folder; returns the variables by name."""
    config = tf.estimator.RunConfig(str(folder), tf_random_seed=1)
    estimator = tf.estimator.Estimator(model_fn, config=config, params=params)

    def input_fn():
        return tf.data.Dataset.from_tensor_slices(np.array(gradients, np.float32))

    estimator.train(input_fn, steps=steps)
    return {name: estimator.get_variable_value(name) for name in estimator.get_variable_names()}


def test_it_takes_the_same_steps_as_without(tmp_path):
    gradients = [0.5, -0.25, 1.0, 2.0**-40]
    scaled = train(tmp_path / 'a', gradients)
    plain = train(tmp_path / 'b', gradients, loss_scaling=False)
    assert scaled['weight'] == plain['weight']
    assert scaled['loss_scale/good_steps'] == 4
    assert not [name for name in plain if 'loss_scale' in name]


def test_infinite_gradients_are_skipped_and_halve_the_scale(tmp_path):
    found = train(tmp_path, [1.0, LARGE, LARGE, 1.0], optimizer='sgd')
    assert found['weight'] == pytest.approx(1 - 0.1 - 0.1)
    assert found['loss_scale/current_loss_scale'] == START / 4
    assert found['loss_scale/good_steps'] == 1
    assert found['global_step'] == 4


def test_the_scale_falls_to_1_at_most(tmp_path):
    found = train(tmp_path, [float('inf')] * 18)
    assert found['loss_scale/current_loss_scale'] == 1
    assert found['weight'] == 1


def test_momentum_does_not_move_the_weights_in_a_skipped_step(tmp_path):
    before = train(tmp_path, [1.0])
    after = train(tmp_path, [LARGE])
    assert after['weight'] == before['weight']
    assert after['weight/Momentum'] == before['weight/Momentum']


def test_it_resumes_exactly(tmp_path):
    gradients = [1.0, LARGE, 0.5, 0.25, LARGE, 1.0, 2.0, 0.125]
    whole = train(tmp_path / 'whole', gradients)
    for first in (3, 5):
        folder = tmp_path / f'resumed{first}'
        train(folder, gradients[:first])
        assert train(folder, gradients[first:]) == whole


def test_an_accumulated_update_is_skipped_as_a_whole(tmp_path):
    found = train(tmp_path, [1.0, LARGE, 1.0, 1.0], accumulate=2, optimizer='sgd')
    assert found['weight'] == pytest.approx(0.9)
    assert found['loss_scale/current_loss_scale'] == START / 2


def test_replicas_share_a_scale_and_skip_together(graph):
    """If one of two replicas has an infinite gradient, neither updates; it counts as one skipped update."""
    strategy = tf.distribute.MirroredStrategy(['/cpu:0', '/cpu:1'])
    with strategy.scope():
        tf.train.get_or_create_global_step()
        factor = tf.placeholder(tf.float32, [])
        config = tf.ConfigProto(allow_soft_placement=True)

        def step():
            weight = tf.get_variable('weight', [], initializer=tf.ones_initializer())
            number = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
            return train_op(weight * (factor if number else 1.0), PARAMS, 1.0)

        update = strategy.group(strategy.run(step))
        (weight,) = tf.trainable_variables()[:1]
    (state,) = tf.get_collection(keys.LOSS_SCALE)
    with tf.Session(config=config) as session:
        session.run(tf.global_variables_initializer())
        session.run(update, {factor: LARGE})
        assert session.run([weight, state])[0] == 1 and session.run(state).tolist() == [START / 2, 0]
        session.run(update, {factor: 3.0})
        assert session.run(weight) == pytest.approx(1 - 0.1 * 4) and session.run(state)[1] == 1


def test_each_optimizer_of_a_graph_has_a_scale_of_its_own(graph):
    tf.train.get_or_create_global_step()
    for name in 'ab':
        weight = tf.get_variable(name, [], initializer=tf.ones_initializer())
        train_op(weight * 1.0, PARAMS, 1.0)
    assert len(tf.get_collection(keys.LOSS_SCALE)) == 2
    names = {variable.op.name for variable in tf.global_variables()}
    assert len([name for name in names if 'good_steps' in name]) == 2
