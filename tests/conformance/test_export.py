"""Export and input receivers."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import X, line, numeric_x, run, run_config, slope_model_fn, tf2

pytestmark = [pytest.mark.both, pytest.mark.trains]

EXPORT = tf.estimator.export


def raw_receiver():
    return EXPORT.build_raw_serving_input_receiver_fn({'x': tf.placeholder(tf.float32, [None])})


def exporting_model_fn(features, labels, mode, params):
    spec = slope_model_fn(features, labels, mode, params)
    outputs = {'serving_default': EXPORT.PredictOutput({'y': spec.predictions['y']})}
    outputs['value'] = EXPORT.RegressionOutput(spec.predictions['y'])
    return spec._replace(export_outputs=outputs)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """y = 0.3 x."""
    config = run_config(tmp_path_factory.mktemp('model'))
    return tf.estimator.Estimator(exporting_model_fn, config=config, params={}).train(line(), steps=1)


def run_signature(folder, name, feed, tags=('serve',)):
    """Loads a SavedModel the way TF1 programs do, and runs one signature."""
    with tf.Graph().as_default(), tf.Session() as session:
        meta = tf.saved_model.loader.load(session, list(tags), folder)
        signature = meta.signature_def[name]
        feed_dict = {signature.inputs[key].name: value for key, value in feed.items()}
        return session.run({key: info.name for key, info in signature.outputs.items()}, feed_dict)


def test_export_and_load(trained, tmp_path):
    """export_saved_model writes what tf.saved_model.loader loads, with the same outputs."""
    folder = trained.export_saved_model(str(tmp_path / 'export'), raw_receiver())
    assert run_signature(folder, 'serving_default', {'x': X})['y'] == pytest.approx(0.3 * X)


def test_load_in_v2(trained, tmp_path):
    """tf.saved_model.load of TensorFlow 2 runs an Estimator's export."""
    folder = trained.export_saved_model(str(tmp_path / 'export'), raw_receiver())
    loaded = tf2.saved_model.load(folder)
    output = loaded.signatures['serving_default'](tf.constant(X))['y']
    assert run(output).shape == X.shape


@pytest.mark.slow
def test_load_in_an_eager_program(trained, tmp_path, run_python):
    """A TensorFlow 2 program without estimator_lab serves the export."""
    folder = trained.export_saved_model(str(tmp_path / 'export'), raw_receiver())
    code = f"""
import tensorflow as tf
signature = tf.saved_model.load({folder!r}).signatures['serving_default']
print(signature(tf.constant([10.0]))['y'].numpy().round(3))
"""
    done = run_python('-c', code)
    assert done.stdout.strip() == '[3.]', done.stderr


def test_all_saved_models(trained, tmp_path):
    """experimental_export_all_saved_models writes one graph per mode into one SavedModel."""
    supervised = tf.estimator.experimental.build_raw_supervised_input_receiver_fn(
        {'x': tf.placeholder(tf.float32, [None])}, tf.placeholder(tf.float32, [None])
    )
    modes = {'train': supervised, 'eval': supervised, 'infer': raw_receiver()}
    folder = trained.experimental_export_all_saved_models(str(tmp_path / 'export'), modes)
    tags = [set(graph.meta_info_def.tags) for graph in _saved_model(folder).meta_graphs]
    assert sorted(map(sorted, tags)) == [['eval'], ['serve'], ['train']]
    assert run_signature(folder, 'serving_default', {'x': X})['y'] == pytest.approx(0.3 * X)


def _saved_model(folder):
    from tensorflow.python.saved_model import loader_impl

    return loader_impl.parse_saved_model(folder)


def test_parsing_receiver_with_a_canned_classifier(tmp_path):
    """A canned classifier's export accepts serialised tf.Examples and classifies them."""
    columns = numeric_x()
    model = tf.estimator.LinearClassifier(columns, config=run_config(tmp_path / 'model'))
    data = {'x': np.array([[1, 2], [3, 4]], np.float32)}
    model.train(lambda: tf.data.Dataset.from_tensors((data, np.int32([0, 1]))), steps=1)
    specification = tf.feature_column.make_parse_example_spec(columns)
    receiver = EXPORT.build_parsing_serving_input_receiver_fn(specification)
    folder = model.export_saved_model(str(tmp_path / 'export'), receiver)
    serialised = [_example(row).SerializeToString() for row in data['x']]
    found = run_signature(folder, 'classification', {'inputs': serialised})
    expected = [p['probabilities'] for p in model.predict(lambda: tf.data.Dataset.from_tensors(data))]
    assert found['scores'] == pytest.approx(np.array(expected), rel=1e-5)
    assert found['classes'].tolist() == [[b'0', b'1']] * 2
    assert run_signature(folder, 'predict', {'examples': serialised})['class_ids'].shape == (2, 1)


def _example(row):
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=row))
    return tf.train.Example(features=tf.train.Features(feature={'x': feature}))
