"""tf.contrib.learn: what its Estimators accept and reject, columns and exports."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 0.5]], np.float32)
Y = np.array([1, 0, 1, 0])


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def line(features, labels, mode):
    slope = tf.get_variable('slope', [], initializer=tf.zeros_initializer())
    y = slope * features
    loss = train = None
    if mode != tf.contrib.learn.ModeKeys.INFER:
        loss = tf.reduce_mean(tf.square(y - labels))
        train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    return tf.contrib.learn.ModelFnOps(mode, y, loss, train)


def of_two(repeats=20):
    return lambda: tf.data.make_one_shot_iterator(
        tf.data.Dataset.from_tensors(([[1.0], [2.0]], [[2.0], [4.0]])).repeat(repeats)
    ).get_next()


@pytest.fixture
def fitted(tmp_path):
    return tf.contrib.learn.Estimator(line, str(tmp_path / 'model')).fit(input_fn=of_two(), steps=10)


def test_input_functions(fitted):
    metrics = fitted.evaluate(input_fn=of_two(), steps=2)
    assert metrics['global_step'] == 10 and metrics['loss'] < 1e-3
    assert fitted.fit(input_fn=of_two(), max_steps=12).partial_fit(input_fn=of_two()) is fitted
    assert fitted.evaluate(input_fn=of_two(), steps=1)['global_step'] == 13
    # A dataset is read to its end, and constants are one batch.
    assert len(list(fitted.predict(input_fn=of_two(3)))) == 6
    constant = list(fitted.predict(input_fn=lambda: tf.constant([[3.0]])))
    np.testing.assert_allclose(constant, [[6]], atol=0.1)
    assert [len(batch) for batch in fitted.predict(input_fn=of_two(2), iterate_batches=True)] == [2, 2]
    assert fitted.predict(input_fn=of_two(2), as_iterable=False).shape == (2, 1)
    assert fitted.get_variable_value('slope') == pytest.approx(2, abs=0.02)


def test_arrays(tmp_path):
    """One axis of features becomes two, and [examples, 1] of labels becomes [examples]."""
    shapes = {}

    def model_fn(x, y, mode):
        shapes[mode] = x.shape.ndims, y.shape.ndims
        return line(x, y[:, tf.newaxis], mode)

    x, y = np.array([1.0, 2.0], np.float32), np.array([[2.0], [4.0]], np.float32)
    model = tf.contrib.learn.Estimator(model_fn, str(tmp_path)).fit(x, y, steps=10, batch_size=1)
    assert model.evaluate(x, y)['loss'] < 1e-3
    np.testing.assert_allclose(model.predict(x, as_iterable=False), y, atol=0.1)
    assert len(list(model.predict(x, batch_size=1))) == 2
    # After training, a prediction has placeholders for labels, which model functions without a mode use.
    assert shapes == dict.fromkeys(('train', 'eval', 'infer'), (2, 1))


def test_a_model_without_a_checkpoint(tmp_path):
    model = tf.contrib.learn.Estimator(line, str(tmp_path))
    for call in (model.evaluate, model.predict):
        with pytest.raises(tf.contrib.learn.NotFittedError, match="Couldn't find trained model"):
            call(input_fn=of_two())


def test_an_experiment_with_metrics_and_export(tmp_path):
    learn = tf.contrib.learn
    numbers = tf.constant([1.0], shape=[1, 1])

    def serving():
        x = tf.placeholder(numbers.dtype, [None, 1])
        return learn.InputFnOps(x, None, {'x': x})

    experiment = learn.Experiment(
        learn.Estimator(line, str(tmp_path)),
        of_two(),
        of_two(),
        eval_metrics={'mean': learn.MetricSpec(tf.contrib.metrics.streaming_mean_absolute_error)},
        train_steps=10,
        eval_steps=1,
        export_strategies=learn.utils.saved_model_export_utils.make_export_strategy(serving),
    )
    metrics, (exported,) = experiment.train_and_evaluate()
    assert metrics['mean'] < 0.1 and metrics['global_step'] == 10
    assert experiment.evaluate()['mean'] == metrics['mean']
    served = tf.contrib.predictor.from_saved_model(exported)
    np.testing.assert_allclose(served({'x': [[3.0]]})['output'], [[6]], atol=0.1)
    again = experiment.estimator.export_savedmodel(str(tmp_path / 'again'), serving)
    assert again.decode().startswith(str(tmp_path / 'again'))


def test_text_classes(tmp_path):
    learn = tf.contrib.learn
    columns = learn.infer_real_valued_columns_from_input(X)
    model = learn.DNNClassifier(
        [3], columns, str(tmp_path), 3, label_keys=['a', 'b', 'c'], dropout=0.5, optimizer='SGD'
    )
    labels = np.array(['a', 'b', 'c', 'a'], object)
    model.fit(X, labels, steps=2)
    assert {'accuracy', 'loss', 'global_step'} <= set(model.evaluate(X, labels))
    assert set(model.predict(X)) <= {b'a', b'b', b'c'}
    assert model.predict_proba(X, as_iterable=False).shape == (4, 3)
    assert list(model.predict_classes(X)) == list(model.predict(X, as_iterable=False))
    assert set(next(model.predict(X, outputs=['logits']))) == {'logits'}


def test_a_regressor_and_its_metrics(tmp_path):
    learn = tf.contrib.learn
    columns = learn.infer_real_valued_columns_from_input(X)
    model = learn.DNNRegressor([2], columns, str(tmp_path)).fit(X, X[:, 0], steps=1)
    error = tf.contrib.metrics.streaming_mean_squared_error
    for metric in (error, learn.MetricSpec(error, 'scores')):
        found = model.evaluate(X, X[:, 0], metrics={'error': metric})
        assert found['error'] == pytest.approx(found['loss'])
    assert len(list(model.predict_scores(X))) == len(X)
    with pytest.raises(ValueError, match='needs a prediction_key'):
        learn.LinearClassifier(columns).fit(X, Y, steps=1).evaluate(X, Y, metrics={'error': error})


@pytest.mark.parametrize('kind', ['Classifier', 'Regressor'])
def test_wide_and_deep_models_learn_with_clipped_gradients(kind):
    learn = tf.contrib.learn
    columns = learn.infer_real_valued_columns_from_input(X)
    model = getattr(learn, f'DNNLinearCombined{kind}')(
        linear_feature_columns=columns,
        dnn_feature_columns=columns,
        dnn_hidden_units=[4],
        gradient_clip_norm=5.0,
        config=learn.RunConfig(tf_random_seed=1),
    )
    before = model.fit(X, Y, steps=1).evaluate(X, Y)['loss']
    assert model.fit(X, Y, steps=60).evaluate(X, Y)['loss'] < before
    predicted = next(model.predict(X))
    assert predicted in (0, 1) or kind == 'Regressor'


def test_the_loss_is_the_mean_as_in_1_15():
    learn = tf.contrib.learn
    columns = learn.infer_real_valued_columns_from_input(X)
    model = learn.LinearClassifier(columns, optimizer=tf.train.GradientDescentOptimizer(0.0))
    assert model.fit(X, Y, steps=1).evaluate(X, Y)['loss'] == pytest.approx(np.log(2))


def test_the_census_model_of_the_tutorial(tmp_path):
    """Columns of tf.contrib.layers, by their old names, with sparse features."""
    layers, learn = tf.contrib.layers, tf.contrib.learn
    (tmp_path / 'words').write_text('x\ny\n')
    education = layers.sparse_column_with_hash_bucket('education', 10)
    gender = layers.sparse_column_with_keys('gender', keys=['Female', 'Male'])
    age = layers.real_valued_column('age')
    buckets = layers.bucketized_column(age, [20, 40])
    columns = [
        *(education, gender, age, buckets),
        layers.sparse_column_with_integerized_feature('number', 3),
        layers.sparse_column_with_vocabulary_file('word', str(tmp_path / 'words'), 1),
        layers.crossed_column([education, buckets, gender], 20),
    ]

    def input_fn():
        features = {
            'education': tf.constant([['a'], ['b'], ['a']]),
            'gender': tf.constant([['Male'], ['Female'], ['?']]),
            'age': tf.constant([[10.0], [30.0], [50.0]]),
            'number': tf.constant([[0], [1], [2]], tf.int64),
            'word': tf.sparse.from_dense([['x'], ['y'], ['z']]),
        }
        return features, tf.constant([0, 1, 1])

    model = learn.LinearClassifier(columns).fit(input_fn=input_fn, steps=30)
    assert model.evaluate(input_fn=input_fn, steps=1)['accuracy'] == 1
    assert list(model.predict(input_fn=input_fn)) == [0, 1, 1]
    deep = [layers.embedding_column(education, 2), layers.one_hot_column(gender), age]
    model = learn.DNNClassifier([4], deep).fit(input_fn=input_fn, steps=1)
    assert 0 <= model.evaluate(input_fn=input_fn, steps=1)['auc'] <= 1
    assert set(layers.create_feature_spec_for_parsing(deep)) == {'education', 'gender', 'age'}


def test_columns_have_no_other_combiner():
    with pytest.raises(ValueError, match="combiner='mean' is not supported"):
        tf.contrib.layers.sparse_column_with_hash_bucket('x', 3, 'mean')


def test_metric_specs():
    learn = tf.contrib.learn

    def recorded(predictions, labels=None, weights=None):
        return predictions, labels, weights

    spec = learn.MetricSpec(recorded, 'p', 'l', 'w')
    assert spec.create_metric_ops({'w': 3}, {'l': 2}, {'p': 1, 'q': 0}) == (1, 2, 3)
    assert learn.MetricSpec(lambda target, x: (x, target)).create_metric_ops({}, 2, 1) == (1, 2)
    assert learn.MetricSpec(lambda x, target: (x, target)).create_metric_ops({}, 2, 1) == (1, 2)
    assert learn.MetricSpec(lambda x: x).create_metric_ops({}, 2, {'p': 1}) == 1
    with pytest.raises(ValueError, match='label_key, as there are several'):
        learn.MetricSpec(recorded).create_metric_ops({}, {'a': 1, 'b': 2}, 1)
    with pytest.raises(KeyError, match='not among'):
        learn.MetricSpec(recorded, 'p').create_metric_ops({}, 1, {'a': 1})


def test_features_of_files(tmp_path):
    path = str(tmp_path / 'x.tfrecord')
    with tf.io.TFRecordWriter(path) as writer:
        for number in range(5):
            feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[number]))
            writer.write(
                tf.train.Example(features=tf.train.Features(feature={'n': feature})).SerializeToString()
            )
    spec = {'n': tf.FixedLenFeature([1], tf.int64)}
    read = tf.contrib.learn.io.read_batch_features
    batch = read([path], 5, spec, tf.TFRecordReader, num_epochs=1)['n']
    records = tf.contrib.learn.read_batch_record_features([path], 5, spec, num_epochs=1)['n']
    with tf.Session() as session:
        for found in session.run([batch, records]):
            assert sorted(found.ravel()) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match='TFRecordReader only'):
        read([path], 5, spec, tf.TextLineReader)
