"""Canned Estimators as Keras models: the same predictions, in a process without this package."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from estimator_lab import to_keras
from estimator_lab.errors import DataError
from estimator_lab.porting.canned.model import keras_model
from estimator_lab.tf1 import tf
from tests.commands import invoke

pytestmark = [pytest.mark.once, pytest.mark.slow]
keras = pytest.importorskip('keras')
if int(keras.__version__.partition('.')[0]) < 3:
    pytest.skip('this TensorFlow has Keras 2', allow_module_level=True)

COUNT = 40
RANDOM = np.random.default_rng(3)
FEATURES = {
    'age': RANDOM.normal(size=COUNT).astype(np.float32) * 3,
    'size': RANDOM.normal(size=(COUNT, 2)).astype(np.float32),
    'word': np.array(RANDOM.choice(['a', 'b', 'c', 'zz', 'yy', ''], COUNT), object),
    'town': np.array(RANDOM.choice(['x', 'y', 'z', ''], COUNT), object),
    'number': RANDOM.integers(0, 5, COUNT),
    'code': RANDOM.choice([7, 9, 11, 13], COUNT),
}
LABELS = RANDOM.integers(0, 2, COUNT)
columns = tf.feature_column


def column(name):
    """Returns a feature column by its name in these tests."""
    word = columns.categorical_column_with_vocabulary_list('word', ['a', 'b', 'c'])
    town = columns.categorical_column_with_hash_bucket('town', 7)
    buckets = columns.bucketized_column(columns.numeric_column('age'), [-1.0, 0.0, 2.0])
    return {
        'age': columns.numeric_column('age'),
        'scaled': columns.numeric_column('age', normalizer_fn=lambda x: (x - 1.5) / 3.0),
        'squared': columns.numeric_column('age', normalizer_fn=tf.square),
        'size': columns.numeric_column('size', shape=(2,)),
        'buckets': buckets,
        'word': word,
        'default': columns.categorical_column_with_vocabulary_list('word', ['a', 'b', 'c'], default_value=1),
        'oov': columns.categorical_column_with_vocabulary_list('word', ['a', 'b', 'c'], num_oov_buckets=3),
        'town': town,
        'number': columns.categorical_column_with_identity('number', 5),
        'code': columns.categorical_column_with_vocabulary_list('code', [7, 9, 11]),
        'hashed code': columns.categorical_column_with_hash_bucket('code', 5, dtype=tf.int64),
        'words': columns.crossed_column(['word', 'town'], 11),
        'cross': columns.crossed_column([buckets, 'town'], 13),
        'codes': columns.crossed_column(['code', 'number'], 13),
        'three': columns.crossed_column(['word', 'town', 'code'], 13),
        'of vocabulary': columns.crossed_column([word, 'town'], 11),
    }[name]


def dense(*names):
    """Returns columns for a network: one-hot for names in capitals, else embeddings and numbers."""
    for name in names:
        if name.isupper():
            yield columns.indicator_column(column(name.lower()))
        elif name in ('age', 'scaled', 'squared', 'size', 'buckets'):
            yield column(name)
        else:
            yield columns.embedding_column(column(name), 2)


def trained(kind, folder, labels=LABELS, api=tf.estimator, **options):
    model = getattr(api, kind)(model_dir=str(folder / 'run'), **options)
    data = FEATURES, labels
    model.train(lambda: tf.data.Dataset.from_tensor_slices(data).batch(8), steps=4)
    return model


def raw():
    """Returns a receiver of the features themselves."""
    given = {
        key: tf.placeholder(
            tf.as_dtype(value.dtype if value.dtype != object else 'string'), [None, *value.shape[1:]]
        )
        for key, value in FEATURES.items()
    }
    return tf.estimator.export.ServingInputReceiver(given, given)


def predicted(model):
    """Returns the predictions, by name."""
    rows = list(model.predict(lambda: tf.data.Dataset.from_tensor_slices(FEATURES).batch(COUNT)))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def in_keras(folder, *names):
    """Returns what Keras models answer in a process without estimator_lab."""
    shaped = {key: value.reshape(COUNT, -1) for key, value in FEATURES.items()}
    for name in names:
        inputs = keras.models.load_model(folder / f'{name}.keras').input
        np.savez(folder / f'{name}.npz', **{key: shaped[key] for key in inputs})
    done = subprocess.run(
        [sys.executable, '-P', Path(__file__).with_name('keras_process.py'), folder, *names],
        env={
            key: value
            for key, value in os.environ.items()
            if key not in ('TF_USE_LEGACY_KERAS', 'PYTHONPATH')
        },
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return [dict(np.load(folder / f'{name}.keras.npz')) for name in names]


def same(answers, predictions):
    for name, values in answers.items():
        assert np.abs(values - predictions[name]).max() < 1e-6, name
        assert np.ptp(values) > 1e-3, 'all the same proves nothing'


def test_predictions_agree(tmp_path):
    """An export of features, an export of examples, and a checkpoint."""
    one, two, three = (tmp_path / name for name in 'abc')
    wide = [
        column(name)
        for name in ('age', 'size', 'buckets', 'word', 'town', 'number', 'words', 'cross', 'code')
    ]
    deep = list(
        dense('age', 'size', 'buckets', 'WORD', 'TOWN', 'NUMBER', 'words', 'cross', 'oov', 'hashed code')
    )
    both = trained(
        'DNNLinearCombinedClassifier',
        one,
        linear_feature_columns=wide,
        dnn_feature_columns=deep,
        dnn_hidden_units=[8, 4],
    )
    out = both.export_saved_model(str(one), raw).decode()
    assert invoke(to_keras, out, str(tmp_path / 'both.keras')) == 0

    many = list(dense('scaled', 'size', 'DEFAULT', 'oov', 'town', 'code', 'number'))
    classes = trained(
        'DNNClassifier',
        two,
        LABELS + RANDOM.integers(0, 2, COUNT),
        tf.compat.v2.estimator,
        feature_columns=many,
        hidden_units=[8, 4],
        n_classes=3,
        activation_fn=tf.nn.tanh,
        batch_norm=True,
    )
    out = classes.latest_checkpoint()
    assert invoke(to_keras, out, str(tmp_path / 'classes.keras')) == 0

    linear = [column(name) for name in ('age', 'default', 'town', 'words', 'hashed code')]
    line = trained('LinearRegressor', three, LABELS * 3.5, feature_columns=linear)
    receiver = tf.estimator.export.build_parsing_serving_input_receiver_fn(
        columns.make_parse_example_spec(linear)
    )
    out = line.export_saved_model(str(three), receiver).decode()
    assert invoke(to_keras, out, str(tmp_path / 'line.keras')) == 0

    answers = in_keras(tmp_path, 'both', 'classes', 'line')
    assert set(answers[0]) == {'logits', 'logistic', 'probabilities'}
    assert set(answers[1]) == {'logits', 'probabilities'} and answers[1]['probabilities'].shape == (COUNT, 3)
    assert set(answers[2]) == {'predictions'}
    for answer, model in zip(answers[:2], (both, classes), strict=True):
        same(answer, predicted(model))
    # Examples omit missing words, so that crosses of them are empty, where features have crosses of ''.
    whole = (FEATURES['word'] != '') & (FEATURES['town'] != '')
    same(
        {'predictions': answers[2]['predictions'][whole]},
        {'predictions': predicted(line)['predictions'][whole]},
    )
    with tf.Graph().as_default(), tf.Session() as session:
        info = tf.saved_model.loader.load(session, ['serve'], out).signature_def['predict']
        found = session.run(info.outputs['predictions'].name, {info.inputs['examples'].name: examples()})
    same(answers[2], {'predictions': found})


def test_regressors_and_vocabulary_files_agree(tmp_path):
    """DNN and combined regressors of both versions; words and numbers in files, as an export's assets too."""
    files = {'words': 'a\nb\nc\nzz\n', 'towns': 'x\ny\n', 'codes': '7\n9\n11\n'}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    in_file = columns.categorical_column_with_vocabulary_file
    word = in_file('word', str(tmp_path / 'words'), vocabulary_size=2)
    town = in_file('town', str(tmp_path / 'towns'), num_oov_buckets=3)
    code = in_file('code', str(tmp_path / 'codes'), default_value=2, dtype=tf.int64)
    wide = [column('age'), column('cross'), word, town, code]
    deep = [columns.indicator_column(word), *(columns.embedding_column(each, 2) for each in (town, code))]
    deep.append(column('size'))
    combined = {'linear_feature_columns': wide, 'dnn_feature_columns': deep, 'dnn_hidden_units': [6, 4]}
    network = {'feature_columns': deep, 'hidden_units': [6, 4]}
    pairs = np.stack([LABELS * 3.5, LABELS - 2.0], 1)
    models = {
        'one': trained('DNNRegressor', tmp_path / 'one', LABELS * 3.5, **network),
        'two': trained(
            'DNNRegressor', tmp_path / 'two', pairs, tf.compat.v2.estimator, label_dimension=2, **network
        ),
        'both': trained('DNNLinearCombinedRegressor', tmp_path / 'both', LABELS * 3.5, **combined),
    }
    places = {
        name: model.export_saved_model(str(tmp_path / name), raw).decode() for name, model in models.items()
    }
    places['two'] = models['two'].latest_checkpoint()
    wanted = {name: predicted(model) for name, model in models.items()}
    (tmp_path / 'words').rename(tmp_path / 'moved')  # an export has its own copy, a checkpoint none
    assert invoke(to_keras, places['two'], str(tmp_path / 'two.keras')) == 1
    for name in ('one', 'both'):
        assert invoke(to_keras, places[name], str(tmp_path / f'{name}.keras')) == 0
    (tmp_path / 'moved').rename(tmp_path / 'words')
    assert invoke(to_keras, places['two'], str(tmp_path / 'two.keras')) == 0
    for name, answer in zip(models, in_keras(tmp_path, *models), strict=True):
        assert answer['predictions'].shape == (COUNT, 2 if name == 'two' else 1)
        same(answer, wanted[name])


def test_a_vocabulary_file_of_words_for_numbers(tmp_path, capsys):
    (tmp_path / 'codes').write_text('7\n9\n')
    code = columns.categorical_column_with_vocabulary_file('code', str(tmp_path / 'codes'), dtype=tf.int64)
    out = trained('LinearRegressor', tmp_path, LABELS * 3.5, feature_columns=[code]).latest_checkpoint()
    (tmp_path / 'codes').write_text('seven\n9\n')
    assert invoke(to_keras, out, str(tmp_path / 'out.keras')) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert f'its vocabulary file {tmp_path / "codes"} has lines that are not whole numbers' in error


def examples():
    """Returns the features as serialized examples; missing words are left out."""

    def value(key, row):
        if key in ('word', 'town'):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[row.encode()] if row else []))
        if key in ('number', 'code'):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[row]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=np.ravel(row)))

    rows = ({key: value(key, values[row]) for key, values in FEATURES.items()} for row in range(COUNT))
    return [tf.train.Example(features=tf.train.Features(feature=row)).SerializeToString() for row in rows]


@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        ('squared', "the column 'age' has no layer in Keras, as its values are computed by Square"),
        ('three', 'it crosses 3 features, and HashedCrossing two'),
        ('of vocabulary', 'it crosses a column with a vocabulary or hash'),
    ],
)
def test_what_keras_lacks_is_named(tmp_path, name, reason, capsys):
    model = trained('LinearClassifier', tmp_path, feature_columns=[column(name)])
    out = model.export_saved_model(str(tmp_path), raw).decode()
    assert invoke(to_keras, out, str(tmp_path / 'out.keras')) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f'error: {out}: ') and reason in error
    assert not (tmp_path / 'out.keras').exists()


def test_other_models_are_refused(tmp_path):
    def model_fn(features, labels, mode):
        return tf.estimator.EstimatorSpec(mode, {'x': features['age'] * tf.get_variable('w', [])})

    model = tf.estimator.Estimator(model_fn, str(tmp_path / 'run'))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.create_global_step()
        tf.get_variable('w', [])
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / 'run' / 'model.ckpt'), 0)
    out = model.export_saved_model(str(tmp_path), raw).decode()
    with pytest.raises(DataError, match='is not the export of a canned Estimator'):
        keras_model(Path(out))
