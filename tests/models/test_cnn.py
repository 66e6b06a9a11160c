import json

import numpy as np
import pytest

from estimator_lab.core.step.noise import Noise
from estimator_lab.errors import FlagError
from estimator_lab.models.cnn import Network, Params, check, model_fn
from estimator_lab.tf1 import tf
from tests.places import GOLDEN, load_script

FIGURES = json.loads((GOLDEN / 'document_cnn_tf115.json').read_text())
TRAIN, EVAL, PREDICT = (getattr(tf.estimator.ModeKeys, name) for name in ('TRAIN', 'EVAL', 'PREDICT'))
SMALL = {'image_shape': (8, 12, 1), 'vocabulary': tuple('abcdefg'), 'dense_units': 5, 'filters': 3}


def golden_inputs():
    return load_script(GOLDEN / 'inputs.py')


def load_golden_weights(session):
    for variable in tf.trainable_variables():
        variable.load(golden_inputs().weights(variable.op.name, variable.shape.as_list()), session)


def test_the_figures_of_real_tensorflow_1_15():
    params = {
        'optimizer': 'sgd',
        'learning_rate': 0.001,
        'learning_rate_schedule': 'constant',
        'warmup_steps': 0,
        'dropout_rate': 0.0,
    }
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.create_global_step()
        image = tf.constant(golden_inputs().image())
        spec = model_fn(image, tf.constant([1]), TRAIN, params)
        logits = tf.get_default_graph().get_tensor_by_name('logits/dense/BiasAdd:0')
        session.run(tf.global_variables_initializer())
        load_golden_weights(session)
        variables = [
            [v.op.name, v.shape.as_list(), v.dtype.base_dtype.name] for v in tf.trainable_variables()
        ]
        assert variables == FIGURES['variables']
        assert [v.op.name for v in tf.global_variables()] == FIGURES['global_variables']
        assert np.allclose(session.run(logits), FIGURES['logits'], atol=1e-5)
        losses = [session.run([spec.loss, spec.train_op])[0] for _ in range(5)]
        assert np.allclose(losses, FIGURES['losses'], atol=1e-5)
        assert np.allclose(session.run(logits), FIGURES['logits_after_5'], atol=1e-5)


def test_all_forms_of_features_and_labels_give_the_same_loss():
    images = np.random.default_rng(0).random((3, 96), np.float32)
    forms = [
        (lambda: {'image': tf.constant(images.reshape(3, 8, 12, 1))}, [0, 2, 6]),
        (lambda: tf.constant(images), ['a', 'c', 'g']),
        (lambda: tuple(tf.constant(column) for column in images.T), ['a', 'c', 'g']),
    ]
    losses = []
    for features, labels in forms:
        with tf.Graph().as_default(), tf.Session() as session:
            spec = model_fn(features(), tf.constant(labels), EVAL, SMALL)
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            load_golden_weights(session)
            losses.append(session.run(spec.loss))
    assert losses[0] == losses[1] == losses[2]


def estimator(tmp_path, **params):
    return tf.estimator.Estimator(model_fn, str(tmp_path), params={**SMALL, **params})


def arrays(labels, with_labels=True, epochs=1):
    images = np.random.default_rng(1).random((len(labels), 8, 12, 1), np.float32)
    features = {'image': images, 'key': np.array([f'k{n}' for n in range(len(labels))])}
    return tf.estimator.inputs.numpy_input_fn(
        features, np.asarray(labels) if with_labels else None, batch_size=4, num_epochs=epochs, shuffle=False
    )


def test_train_eval_predict(tmp_path):
    model = estimator(tmp_path, dropout_rate=0.0, learning_rate=0.01, dense_units=32)
    labels = [0, 1, 2, 3, 4, 5]
    before = model.train(arrays(labels), steps=1).evaluate(arrays(labels))
    after = model.train(arrays(labels, epochs=100)).evaluate(arrays(labels))
    assert after['loss'] < before['loss']
    assert after['accuracy'] == 1.0
    assert set(after) == {
        'accuracy',
        'mean_per_class_accuracy',
        'top_5_accuracy',
        'unknown_labels',
        'evaluated_images',
        *(f'dead_units/{layer}' for layer in ('conv1', 'conv2', 'dense')),
        'loss',
        'global_step',
    }
    predictions = list(model.predict(arrays(labels, with_labels=False)))
    assert [p['classes'] for p in predictions] == labels
    assert [p['labels'].decode() for p in predictions] == list('abcdef')
    assert [p['key'].decode() for p in predictions] == [f'k{n}' for n in range(6)]
    assert all(p['probabilities'].sum() == pytest.approx(1, abs=1e-5) for p in predictions)


def test_metrics_against_scikit_learn(tmp_path):
    metrics = pytest.importorskip('sklearn.metrics')
    labels = np.random.default_rng(2).integers(0, 7, 50)
    model = estimator(tmp_path).train(arrays(labels), steps=3)
    found = model.evaluate(arrays(labels))
    predictions = list(model.predict(arrays(labels, with_labels=False)))
    probabilities = np.array([p['probabilities'] for p in predictions])
    classes = probabilities.argmax(1)
    assert found['accuracy'] == pytest.approx(metrics.accuracy_score(labels, classes))
    assert found['mean_per_class_accuracy'] == pytest.approx(metrics.balanced_accuracy_score(labels, classes))
    top_5 = metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=range(7))
    assert found['top_5_accuracy'] == pytest.approx(top_5)


def test_top_5_needs_more_than_five_classes(tmp_path):
    model = estimator(tmp_path, vocabulary=tuple('abcde'))
    found = model.train(arrays([0, 1, 2, 3]), steps=1).evaluate(arrays([0, 1, 2, 3]))
    assert 'top_5_accuracy' not in found


def test_unknown_labels_are_counted_and_change_no_metric(tmp_path):
    model = estimator(tmp_path).train(arrays([0, 1, 2, 3]), steps=1)
    # Features are drawn in order from one seed, so that the first four are the same in both.
    known = model.evaluate(arrays([0, 1, 2, 3]))
    mixed = model.evaluate(arrays([0, 1, 2, 3, -1, -1, 7, 99]))
    assert (known['unknown_labels'], mixed['unknown_labels']) == (0, 4)
    assert (known['evaluated_images'], mixed['evaluated_images']) == (4, 4)
    assert mixed['accuracy'] == known['accuracy']
    assert mixed['mean_per_class_accuracy'] == known['mean_per_class_accuracy']


def test_dropout_works_in_training_only():
    images = np.random.default_rng(0).random((2, 8, 12, 1), np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        network = Network(Params((8, 12, 1), filters=3, dense_units=64))
        train, _ = network(tf.constant(images), Noise(tf.stack([1, step])))
        quiet, endpoints = network(tf.constant(images))
        session.run(tf.global_variables_initializer())
        assert len(tf.trainable_variables()) == 8, 'called twice, it has one set of weights'
        assert list(endpoints) == ['conv1', 'pool1', 'conv2', 'pool2', 'dense']
        first, again, other = (session.run(train, {step: at}) for at in (1, 1, 2))
        assert np.array_equal(first, again), 'the step decides'
        assert not np.array_equal(first, other)
        assert not np.array_equal(first, session.run(quiet, {step: 1}))


def test_a_batch_without_a_known_label_is_a_step_that_learns_nothing():
    params = {**SMALL, 'optimizer': 'sgd'}
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.create_global_step()
        spec = model_fn(tf.ones([1, 8, 12, 1]), tf.constant([-1]), TRAIN, params)
        session.run(tf.global_variables_initializer())
        before = session.run(tf.trainable_variables())
        assert session.run([spec.loss, spec.train_op])[0] == 0
        after = session.run(tf.trainable_variables())
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_export(tmp_path):
    model = estimator(tmp_path / 'model').train(arrays([0, 1, 2, 3]), steps=1)
    folder = model.export_saved_model(str(tmp_path / 'export'), _receiver)
    with tf.Graph().as_default(), tf.Session() as session:
        meta = tf.saved_model.loader.load(session, ['serve'], folder)
        signature = meta.signature_def['serving_default']
        assert set(signature.outputs) == {
            *('classes', 'probabilities', 'labels', 'top_labels', 'top_probabilities')
        }
        image = np.zeros((2, 8, 12, 1), np.float32)
        names = session.run(signature.outputs['labels'].name, {signature.inputs['image'].name: image})
        assert len(names) == 2 and set(names) <= {c.encode() for c in 'abcdefg'}


def _receiver():
    image = tf.placeholder(tf.float32, [None, 8, 12, 1], name='image')
    return tf.estimator.export.ServingInputReceiver({'image': image}, {'image': image})


@pytest.mark.parametrize('side', [1, 3])
def test_images_too_small_for_two_poolings(side):
    with pytest.raises(FlagError, match=f'--image_size={side} is too small: 2 poolings'):
        check(Params(image_shape=(side, side, 1)))
    check(Params(image_shape=(4, 4, 1)))


def test_unknown_hyper_parameter():
    with pytest.raises(FlagError, match=r'known are: image_shape, vocabulary, .*optimizer'):
        model_fn(None, None, TRAIN, {'droput_rate': 0.1})


def test_one_seed_decides_weights_and_dropout(tmp_path):
    def trained(folder, seed):
        config = tf.estimator.RunConfig(tf_random_seed=seed, save_summary_steps=None)
        model = tf.estimator.Estimator(model_fn, str(tmp_path / folder), config, SMALL)
        model.train(arrays([0, 1, 2, 3], epochs=3))
        return model.get_variable_value('dense/kernel')

    first = trained('a', 1)
    assert np.array_equal(first, trained('b', 1))
    assert not np.array_equal(first, trained('c', 2))
