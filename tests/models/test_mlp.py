import numpy as np
import pytest

from estimator_lab.core.step.noise import Noise
from estimator_lab.models.mlp import Network, Params, model_fn
from estimator_lab.optimizers import SECOND_ORDER
from estimator_lab.tf1 import tf

SHAPE = (4, 4, 1)
KERNELS = ('layer_1/kernel', 'layer_2/kernel', 'logits/kernel')
SMALL = {'image_shape': SHAPE, 'vocabulary': tuple('ab'), 'layers': '16-8', 'learning_rate': 0.01}


def arrays(epochs=1):
    """32 images, whose upper half is bright in class 1 and dark in class 0."""
    labels = np.arange(32) % 2
    images = np.random.default_rng(1).random((32, *SHAPE), np.float32) / 2
    images[:, :2] += labels[:, np.newaxis, np.newaxis, np.newaxis] / 2
    return tf.estimator.inputs.numpy_input_fn(
        {'image': images}, labels, batch_size=8, num_epochs=epochs, shuffle=False
    )


def test_the_network_by_hand():
    params = Params(SHAPE, vocabulary=tuple('abc'), layers='5', activation='tanh')
    images = np.random.default_rng(0).random((2, *SHAPE), np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        logits, endpoints = Network(params)(tf.constant(images))
        session.run(tf.global_variables_initializer())
        found, hidden = session.run([logits, endpoints['layer_1'].values])
        kernel, bias, last, last_bias = session.run(tf.trainable_variables())
    wanted = np.tanh(images.reshape(2, 16) @ kernel + bias)
    assert np.allclose(hidden, wanted, atol=1e-6)
    assert np.allclose(found, wanted @ last + last_bias, atol=1e-6)


def test_max_norm_cuts_weights_back_behind_each_step():
    params = {**SMALL, 'max_norm': 0.5, 'optimizer': 'sgd', 'learning_rate': 1.0, 'dropout_rate': 0.0}
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.create_global_step()
        features = {'image': tf.ones([2, *SHAPE]), 'weight': tf.ones([2])}
        spec = model_fn(features, tf.constant([0, 1]), tf.estimator.ModeKeys.TRAIN, params)
        kernel = tf.trainable_variables()[0]
        session.run(tf.global_variables_initializer())
        assert np.linalg.norm(session.run(kernel), axis=0).max() > 0.6
        session.run(spec.train_op)
        assert np.linalg.norm(session.run(kernel), axis=0).max() == pytest.approx(0.5, rel=1e-5)


def test_virtual_adversarial_training_adds_its_loss_in_training_only():
    def loss(mode, distance):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1)
            tf.train.create_global_step()
            features = {'image': tf.constant(np.random.default_rng(1).random((4, *SHAPE), np.float32))}
            params = {**SMALL, 'virtual_adversarial': distance}
            spec = model_fn(features, tf.constant([0, 1, 0, 1]), mode, params)
            session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
            return session.run(spec.loss)

    modes = tf.estimator.ModeKeys
    # At distance 0 nothing changes: the same units are dropped.
    added = [loss(modes.TRAIN, distance) - loss(modes.TRAIN, 0.0) for distance in (1e-5, 0.5, 1.0)]
    assert abs(added[0]) < 1e-5 < added[1] < added[2]
    assert loss(modes.EVAL, 1.0) == loss(modes.EVAL, 0.0)


@pytest.mark.parametrize('optimizer', sorted(SECOND_ORDER))
def test_a_second_order_optimizer_rejects_losses_that_are_no_number(tmp_path, optimizer):
    steps = {'good': [0, 1], 'bad': [2, 3, 4, 5], 'good again': [6], 'the end': [7, 8, 9, 10, 11]}
    images = np.random.default_rng(1).random((12, 8, *SHAPE), np.float32)
    images[[*steps['bad'], *steps['the end']]] = np.nan
    labels = np.tile(np.arange(8) % 2, (12, 1))

    def batches():
        return tf.data.Dataset.from_tensor_slices(({'image': images}, labels))

    config = tf.estimator.RunConfig(
        str(tmp_path), tf_random_seed=1, save_checkpoints_steps=1, keep_checkpoint_max=20
    )
    params = {**SMALL, 'optimizer': optimizer, 'dropout_rate': 0.0, 'input_dropout_rate': 0.0}
    model = tf.estimator.Estimator(model_fn, config=config, params=params)
    with pytest.raises(tf.errors.InvalidArgumentError, match='not finite in 5 steps in a row'):
        model.train(batches)
    kept = {
        step: [tf.train.load_variable(f'{tmp_path}/model.ckpt-{step}', name) for name in KERNELS]
        for step in (0, 2, 6, 7, 11)
    }
    assert all(map(np.array_equal, kept[2], kept[6])) and all(map(np.array_equal, kept[7], kept[11]))
    assert not any(map(np.array_equal, kept[0], kept[2])) and not any(map(np.array_equal, kept[6], kept[7]))


def test_sparse_initial_weights():
    params = Params(SHAPE, layers='12-5', sparse_initialization=3)
    with tf.Graph().as_default(), tf.Session() as session:
        Network(params)(tf.ones([1, *SHAPE]))
        session.run(tf.global_variables_initializer())
        kernels = session.run([v for v in tf.trainable_variables() if 'kernel' in v.name])
    assert [kernel.shape for kernel in kernels] == [(16, 12), (12, 5), (5, 10)]
    assert all((np.count_nonzero(kernel, axis=0) == 3).all() for kernel in kernels)


@pytest.mark.parametrize(('units', 'pixels'), [(0.5, 0.0), (0.0, 0.9), (0.0, 0.0)])
def test_dropout_drops_pixels_or_units(units, pixels):
    params = Params(SHAPE, layers='1000', dropout_rate=units, input_dropout_rate=pixels)
    with tf.Graph().as_default(), tf.Session() as session:
        network = Network(params)
        noisy, _ = network(tf.ones([1, *SHAPE]), Noise(tf.constant([1, 2], tf.int64)))
        clean, _ = network(tf.ones([1, *SHAPE]))
        session.run(tf.global_variables_initializer())
        assert np.allclose(*session.run([noisy, clean])) == (units == pixels == 0)
