"""tf.contrib.learn: what its Estimators accept and reject, columns and exports."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

pytestmark = [pytest.mark.both, pytest.mark.trains, pytest.mark.usefixtures('graph')]

X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 0.5]], np.float32)
Y = np.array([1, 0, 1, 0])


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


@pytest.mark.slow
def test_input_functions(tmp_path):
    model = tf.contrib.learn.Estimator(line, str(tmp_path)).fit(input_fn=of_two(), steps=10)
    metrics = model.evaluate(input_fn=of_two(), steps=2)
    assert metrics['global_step'] == 10 and metrics['loss'] < 1e-3
    assert model.fit(input_fn=of_two(), max_steps=12) is model
    assert model.evaluate(input_fn=of_two(), steps=1)['global_step'] == 12
    # A dataset is read to its end, and constants are one batch.
    assert len(list(model.predict(input_fn=of_two(3)))) == 6
    constant = list(model.predict(input_fn=lambda: tf.constant([[3.0]])))
    np.testing.assert_allclose(constant, [[6]], atol=0.1)
    with pytest.raises(ValueError, match='as_iterable'):
        model.predict(input_fn=of_two(), as_iterable=False)


def test_arrays(tmp_path):
    def model_fn(features, labels, mode, params):
        # 1.15 accepts (predictions, loss, training operation) too.
        predictions, loss, train = line(features, labels, mode)[1:4]
        return predictions * params['scale'], loss, train

    x, y = np.array([[1.0], [2.0]], np.float32), np.array([[2.0], [4.0]], np.float32)
    model = tf.contrib.learn.Estimator(model_fn, str(tmp_path), params={'scale': 10})
    model.fit(x, y, steps=30, batch_size=1)  # in a random order
    assert model.evaluate(x, y)['loss'] < 1e-3
    np.testing.assert_allclose(list(model.predict(x)), 10 * y, atol=1)
    assert len(list(model.predict(x, batch_size=1))) == 2
    with pytest.raises(ValueError, match='either x or input_fn'):
        model.fit(steps=1)


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


@pytest.mark.slow
def test_a_classifier(tmp_path):
    learn = tf.contrib.learn
    columns = learn.infer_real_valued_columns_from_input(X)
    model = learn.DNNClassifier([3], columns, str(tmp_path), 3, dropout=0.5, optimizer='SGD')
    model.fit(X, Y, steps=2)
    metrics = model.evaluate(X, Y)
    assert {'accuracy', 'global_step'} <= set(metrics)
    assert metrics['loss'] == pytest.approx(metrics['average_loss'])  # the sum in tf.estimator
    assert set(model.predict(X)) <= {0, 1, 2}
    assert np.shape(list(model.predict_proba(X))) == (4, 3)

    def serving():
        x = tf.placeholder(tf.float32, [None, np.shape(X)[1]])
        return learn.InputFnOps({'features': x}, None, {'x': x})

    served = tf.contrib.predictor.from_saved_model(model.export_savedmodel(str(tmp_path / 'export'), serving))
    found = served({'x': np.asarray(X, np.float32)})['probabilities']
    np.testing.assert_allclose(found, [*model.predict_proba(X)], atol=1e-6)
    assert list(model.predict_classes(X)) == list(model.predict(X))
    assert set(next(model.predict(X, outputs=['logits']))) == {'logits'}


@pytest.mark.slow
def test_a_regressor_and_its_metrics(tmp_path):
    learn = tf.contrib.learn
    columns = learn.infer_real_valued_columns_from_input(X)
    model = learn.DNNRegressor([2], columns, str(tmp_path)).fit(X, X[:, 0], steps=1)
    error = tf.contrib.metrics.streaming_mean_squared_error
    metrics = {'error': error, 'of_scores': learn.MetricSpec(error, 'scores')}
    found = model.evaluate(X, X[:, 0], metrics=metrics)
    assert found['error'] == found['of_scores'] == pytest.approx(found['loss'])
    assert len(list(model.predict_scores(X))) == len(X)
    with pytest.raises(ValueError, match='needs a prediction_key'):
        learn.LinearClassifier(columns).evaluate(X, Y, metrics={'error': error})


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['Classifier', 'Regressor'])
def test_wide_and_deep_models_learn(kind):
    learn = tf.contrib.learn
    columns = learn.infer_real_valued_columns_from_input(X)
    model = getattr(learn, f'DNNLinearCombined{kind}')(
        linear_feature_columns=columns,
        dnn_feature_columns=columns,
        dnn_hidden_units=[4],
        fix_global_step_increment_bug=True,
        config=learn.RunConfig(tf_random_seed=1),
    )
    before = model.fit(X, Y, steps=1).evaluate(X, Y)['loss']
    assert model.fit(X, Y, steps=60).evaluate(X, Y)['loss'] < before
    predicted = next(model.predict(X))
    assert predicted in (0, 1) or kind == 'Regressor'


@pytest.mark.slow
def test_the_loss_is_the_mean_as_in_1_15():
    learn = tf.contrib.learn
    columns = learn.infer_real_valued_columns_from_input(X)
    model = learn.LinearClassifier(columns, optimizer=tf.train.GradientDescentOptimizer(0.0))
    assert model.fit(X, Y, steps=1).evaluate(X, Y)['loss'] == pytest.approx(np.log(2))


@pytest.mark.slow
def test_the_census_model_of_the_tutorial():
    """Columns of tf.contrib.layers, by their old names, with sparse features."""
    layers, learn = tf.contrib.layers, tf.contrib.learn
    education = layers.sparse_column_with_hash_bucket('education', 10)
    gender = layers.sparse_column_with_keys('gender', keys=['Female', 'Male'])
    age = layers.real_valued_column('age')
    buckets = layers.bucketized_column(age, [20, 40])
    columns = [
        *(education, gender, age, buckets),
        layers.sparse_column_with_integerized_feature('number', 3),
        layers.crossed_column([education, buckets, gender], 20),
    ]

    def input_fn():
        features = {
            'education': tf.constant([['a'], ['b'], ['a']]),
            'gender': tf.constant([['Male'], ['Female'], ['?']]),
            'age': tf.constant([[10.0], [30.0], [50.0]]),
            'number': tf.constant([[0], [1], [2]], tf.int64),
        }
        return features, tf.constant([0, 1, 1])

    model = learn.LinearClassifier(columns).fit(input_fn=input_fn, steps=30)
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
    with pytest.raises(KeyError):
        learn.MetricSpec(recorded, 'p').create_metric_ops({}, 1, {'a': 1})
