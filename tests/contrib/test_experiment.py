"""tf.contrib.learn's Experiment, learn_runner and data sets, and tf.contrib.predictor."""

import gzip
import io
import struct
import tarfile

import numpy as np
import pytest
from PIL import Image

import estimator_lab.contrib  # noqa: F401
from estimator_lab.contrib.datasets import read_data_sets
from estimator_lab.tf1 import tf

pytestmark = [pytest.mark.both, pytest.mark.trains]


def model_fn(features, labels, mode):
    slope = tf.get_variable('slope', [], initializer=tf.zeros_initializer())
    y = slope * features['x']
    if mode == tf.estimator.ModeKeys.PREDICT:
        outputs = {
            'serving_default': tf.estimator.export.PredictOutput({'y': y}),
            'square': tf.estimator.export.PredictOutput(tf.square(y)),
        }
        return tf.estimator.EstimatorSpec(mode, {'y': y}, export_outputs=outputs)
    loss = tf.reduce_mean(tf.square(y - labels))
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train)


def input_fn():
    return tf.data.Dataset.from_tensors(({'x': [1.0, 2.0]}, [2.0, 4.0])).repeat(20)


def receiver():
    x = tf.placeholder(tf.float32, [None])
    return tf.estimator.export.ServingInputReceiver({'x': x}, {'x': x})


@pytest.fixture
def experiment(tmp_path):
    learn = tf.contrib.learn

    def make(config, params):  # 1.15 passes them by position
        return learn.Experiment(
            tf.estimator.Estimator(model_fn, config=config),
            input_fn,
            input_fn,
            train_steps=params,
            eval_steps=1,
            export_strategies=learn.utils.saved_model_export_utils.make_export_strategy(receiver),
        )

    config = learn.RunConfig(model_dir=str(tmp_path / 'model'))
    return lambda schedule=None: learn.learn_runner.run(
        make, run_config=config, hparams=10, schedule=schedule
    )


def test_an_experiment_trains_evaluates_and_exports(experiment, tmp_path, graph):
    metrics, (exported,) = experiment()
    assert metrics['global_step'] == 10 and metrics['loss'] < 1e-3
    predictor = tf.contrib.predictor
    served = predictor.from_saved_model(exported)
    np.testing.assert_allclose(served({'x': [3.0]})['y'], [6], atol=0.1)
    squares = predictor.from_saved_model(exported, signature_def_key='square')
    np.testing.assert_allclose(squares({'x': [3.0]})['output'], [36], atol=1)
    model = tf.estimator.Estimator(model_fn, str(tmp_path / 'model'))
    here = predictor.from_estimator(model, receiver)
    assert here({'x': [3.0]})['y'] == served({'x': [3.0]})['y']
    assert predictor.from_estimator(model, receiver, 'square')({'x': [3.0]}).keys() == {'output'}
    assert experiment('evaluate')['global_step'] == 10
    with pytest.raises(ValueError, match='unexpected keys'):
        served({'z': 1})
    with pytest.raises(ValueError, match='Available signatures are:\nserving_default'):
        predictor.from_saved_model(exported, signature_def_key='no')
    with pytest.raises(ValueError, match='output_key must be one of'):
        predictor.from_estimator(model, receiver, 'no')


@pytest.mark.slow
@pytest.mark.parametrize(('settings', 'steps'), [({}, [0, 3, 6, 9, 10]), ({'min_eval_frequency': 0}, [10])])
def test_each_new_checkpoint_is_evaluated_as_in_1_15(tmp_path, monkeypatch, settings, steps):
    evaluated, evaluate = [], tf.estimator.Estimator.evaluate

    def recorded(*args, **kwargs):
        metrics = evaluate(*args, **kwargs)
        evaluated.append(metrics['global_step'])
        return metrics

    monkeypatch.setattr(tf.estimator.Estimator, 'evaluate', recorded)
    config = tf.contrib.learn.RunConfig(model_dir=str(tmp_path), save_checkpoints_steps=3)
    model = tf.estimator.Estimator(model_fn, config=config)
    made = tf.contrib.learn.Experiment(model, input_fn, input_fn, train_steps=10, eval_steps=1, **settings)
    metrics, _ = made.train_and_evaluate()
    assert evaluated == steps and metrics['global_step'] == 10
    again, _ = made.train_and_evaluate()  # has been trained: evaluated once more
    assert again == metrics and evaluated == [*steps, 10]


def test_the_schedule_test_takes_one_step(experiment, tmp_path):
    assert experiment('test')['global_step'] == 1
    assert [path.name for path in (tmp_path / 'model/export').iterdir()] == ['Servo']
    assert (tmp_path / 'model/eval_one_pass').is_dir()


def test_csv_files(tmp_path):
    path = tmp_path / 'iris.csv'
    path.write_text('2,2,setosa,versicolor\n6.4,2.8,2\n5.0,2.3,1\n')
    base = tf.contrib.learn.datasets.base
    found = base.load_csv_with_header(str(path), target_dtype=int, features_dtype=np.float32)
    np.testing.assert_allclose(found.data, [[6.4, 2.8], [5, 2.3]])
    assert found.target.tolist() == [2, 1] and found.data.dtype == np.float32
    path.write_text('1,6.4\n')
    found = base.load_csv_without_header(str(path), int, float, target_column=0)
    assert (found.data.tolist(), found.target.tolist()) == ([[6.4]], [1])
    with pytest.raises(ValueError, match='has 0 rows, but its header says 1'):
        base.load_csv_with_header(str(path), int, float)


def write_idx(path, array, magic):
    content = struct.pack(f'>{1 + array.ndim}i', magic, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix else content)


def write_mnist(folder, suffix=''):
    images = np.arange(6 * 4, dtype=np.uint8).reshape(6, 2, 2)
    for prefix in ('train', 't10k'):
        write_idx(folder / f'{prefix}-images-idx3-ubyte{suffix}', images, 2051)
        write_idx(folder / f'{prefix}-labels-idx1-ubyte{suffix}', np.arange(6, dtype=np.uint8), 2049)
    return images


def test_mnist_from_files(tmp_path):
    images = write_mnist(tmp_path, '.gz')
    found = tf.contrib.learn.datasets.mnist.read_data_sets(str(tmp_path), one_hot=True, validation_size=1)
    assert [part.num_examples for part in found] == [5, 1, 6]
    with pytest.raises(ValueError, match='between 0 and 6'):
        tf.contrib.learn.datasets.mnist.load_mnist(str(tmp_path))
    np.testing.assert_allclose(found.test.images, images.reshape(6, 4) / 255, rtol=1e-6)
    assert found.test.labels.argmax(1).tolist() == [0, 1, 2, 3, 4, 5]
    seen = [found.train.next_batch(2)[1].argmax(1).tolist() for _ in range(5)]
    labels = [label for batch in seen for label in batch]
    assert sorted(labels[:5]) == sorted(labels[5:]) == [1, 2, 3, 4, 5]
    assert found.train.epochs_completed == 1
    in_order = read_data_sets(str(tmp_path), validation_size=0, dtype=tf.uint8, reshape=False).test
    batch, labels = in_order.next_batch(4, shuffle=False)
    assert batch.shape == (4, 2, 2, 1) and labels.tolist() == [0, 1, 2, 3]


TUTORIAL = """
from tensorflow.examples.tutorials.mnist import input_data
mnist = input_data.read_data_sets('MNIST_data/', one_hot=True, validation_size=1)
print(mnist.train.next_batch(5)[0].shape, mnist.test.labels.shape)
import tensorflow as tf
print(tf.examples.tutorials.mnist.input_data is input_data)
try:
    from tensorflow.examples.tutorials.mnist import fully_connected_feed
except ImportError as error:
    print(error)
from tensorflow.examples.tutorials.mnist import mnist as network
tf.reset_default_graph()
tf.set_random_seed(1)
images = tf.placeholder(tf.float32, [3, network.IMAGE_PIXELS])
logits = network.inference(images, 8, 4)
loss = network.loss(logits, [1, 2, 3])
train, right = network.training(loss, 0.5), network.evaluation(logits, [1, 2, 3])
print(*(each.op.name for each in tf.trainable_variables()))
import numpy as np
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    feed = {images: np.eye(3, network.IMAGE_PIXELS)}
    losses = [session.run([loss, train], feed)[0] for _ in range(300)]
    print(losses[-1] < losses[0] / 2, session.run(right, feed))
"""


@pytest.mark.slow
def test_the_tutorial_reads_local_files(tmp_path, monkeypatch, run_forked):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'tutorial.py').write_text(TUTORIAL)
    command = 'python -m estimator_lab.data.demo mnist --set=mnist'
    assert command in run_forked('-m', 'estimator_lab.run', 'tutorial.py').stderr
    (tmp_path / 'MNIST_data').mkdir()
    write_mnist(tmp_path / 'MNIST_data')
    done = run_forked('-m', 'estimator_lab.run', 'tutorial.py')
    assert done.stdout.splitlines() == [
        '(5, 4) (6, 10)',
        'True',
        'tf.examples.tutorials.mnist.fully_connected_feed ended with TensorFlow 1: only '
        'tensorflow.examples.tutorials.mnist.input_data and tensorflow.examples.tutorials.mnist.mnist are '
        'supported.',
        'hidden1/weights hidden1/biases hidden2/weights hidden2/biases softmax_linear/weights '
        'softmax_linear/biases',
        'True 3',
    ], done.stderr


def test_the_tutorial_reads_the_archives_of_the_demo(tmp_path, monkeypatch):
    images = np.arange(4 * 784).reshape(4, 28, 28).astype(np.uint8)
    for part in ('train', 'test'):
        with tarfile.open(tmp_path / f'mnist-{part}.tar.gz', 'w:gz') as archive:
            for index in (2, 0, 3, 1):
                file = io.BytesIO()
                Image.fromarray(images[index]).save(file, 'png')
                member = tarfile.TarInfo(f'{part}/{9 - index}/0000{index}.png')
                member.size = file.tell()
                archive.addfile(member, io.BytesIO(file.getvalue()))
    found = read_data_sets(str(tmp_path), validation_size=1, dtype=tf.uint8, reshape=False)
    np.testing.assert_array_equal(found.test.images[..., 0], images)
    assert found.test.labels.tolist() == [9, 8, 7, 6] and found.train.num_examples == 3
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mnist').mkdir()
    for part in ('train', 'test'):
        (tmp_path / f'mnist-{part}.tar.gz').rename(tmp_path / 'mnist' / f'mnist-{part}.tar.gz')
    assert read_data_sets('no_such_folder', validation_size=1).test.labels.tolist() == [9, 8, 7, 6]
    with tarfile.open(tmp_path / 'mnist-test.tar.gz', 'w:gz') as archive:
        member = tarfile.TarInfo('test/1/00000.png')
        member.size = 1 << 20
        archive.addfile(member, io.BytesIO(bytes(1 << 20)))
    with pytest.raises(ValueError, match='too large for a digit'):
        read_data_sets(str(tmp_path), validation_size=1)


def test_mnist_is_not_downloaded(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'data\.demo mnist --set=mnist; or put its four files'):
        read_data_sets(str(tmp_path))
    write_idx(tmp_path / 'train-images-idx3-ubyte.gz', np.zeros([1, 2, 2], np.uint8), 9)
    with pytest.raises(ValueError, match='Invalid magic number 9'):
        read_data_sets(str(tmp_path))
