import contextlib
import dataclasses
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.core.registry import find_model
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.models import cnn
from estimator_lab.runs import opening
from estimator_lab.runs.companions import check_same_companions
from estimator_lab.runs.serving import serving_input_receiver_fn
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.trained import Trained
from estimator_lab.runs.weights.checkpoint import write_checkpoint
from estimator_lab.tf1 import tf
from tests.support.altered_models import altered
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.input_batches import numpy_input_fn
from tests.support.small_runs import replace_newest

pytestmark = [pytest.mark.both, pytest.mark.trains]


@pytest.fixture
def copy(cnn_dir, tmp_path):
    """A copy of the trained model, to be damaged."""
    return Path(shutil.copytree(cnn_dir, tmp_path / 'copy'))


def use(model_dir):
    """Opens a folder and restores its network."""
    restore(Trained.open(model_dir))


def restore(trained):
    with tf.Graph().as_default(), tensorflow_errors_as_sentences():
        trained.predictions({'image': tf.zeros([1, *trained.shape])})
        trained.session().close()


def edit(model_dir, hparams=None, **changes):
    """Changes fields and hyper-parameters of the record."""
    path = model_dir / 'experiment.json'
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, 'hparams': record['hparams'] | (hparams or {}), **changes}))


def test_a_model_dir_says_all_that_predicting_needs(cnn_dir):
    trained = Trained.open(cnn_dir)
    assert (trained.model, trained.step, tuple(trained.shape)) == ('cnn', 3, (8, 8, 1))
    assert (trained.params.filters, trained.params.dense_units) == (2, 8)
    assert trained.vocabulary.labels == trained.params.vocabulary == trained.record.vocabulary
    assert trained.reader.options == ImageOptions(ImageShape(8, 8, 1), floats=True)
    images = np.zeros((3, 8, 8, 1), np.uint8)
    predictions = list(trained.estimator.predict(numpy_input_fn(images)))
    assert {p['labels'].decode() for p in predictions} <= set(trained.vocabulary.labels)


def test_opening_writes_nothing(copy):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob('*')}
    trained = Trained.open(copy)
    next(trained.estimator.predict(numpy_input_fn(np.zeros((1, 8, 8, 1), np.uint8))))
    assert before == {path: path.stat().st_mtime_ns for path in copy.rglob('*')}


def test_images_are_decoded_as_in_training(copy):
    assert Trained.open(copy).reader.options.decode == 'exact'
    edit(copy, decode='fast')
    assert Trained.open(copy).reader.options.decode == 'fast'


def test_lists_of_hyper_parameters_are_tuples_again(copy, monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class WithSizes(cnn.Params):
        sizes: tuple[int, ...] = (1,)

    def model_fn(features, labels, mode, params, config=None):
        return cnn.model_fn(features, labels, mode, {k: v for k, v in params.items() if k != 'sizes'}, config)

    monkeypatch.setattr(cnn, 'MODEL', altered(cnn.MODEL, params=WithSizes, model_fn=model_fn))
    edit(copy, {'sizes': [3, 2]})
    assert Trained.open(copy).params.sizes == (3, 2)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'model': 'transformer'}, r'made by estimator_lab \S+, cannot be opened by this version .*unknown'),
        ({'hparams': {'attention': 3}}, "cannot be opened by this version .* hyper-parameter 'attention'"),
        ({'hparams': {'filters': 0}}, 'cannot be opened by this version .*filters=0 must be 1'),
        ({'hparams': {'filters': '2'}}, "cannot be opened by .* hyper-parameter filters is '2', not a whole"),
        ({'hparams': {'dropout_rate': {}}}, r'cannot be opened by .* hyper-parameter dropout_rate is \{\}'),
        ({'hparams': {'optimizer': None}}, 'cannot be opened by .* hyper-parameter optimizer is None'),
        ({'vocabulary': ['cat']}, "its experiment.json has one label only, 'cat'; a classifier has two or"),
        ({'kind': 'poem'}, "cannot be opened by this version .*of the kind 'poem', which its model does not"),
        ({'decode': 'slow'}, 'cannot be opened by this version .*decode=slow'),
    ],
)
def test_records_that_this_version_does_not_understand(copy, changes, words):
    edit(copy, **changes)
    with pytest.raises(DataError, match=words):
        Trained.open(copy)


def test_folders_without_a_model(copy, tmp_path):
    (tmp_path / 'outer' / 'rbm1').mkdir(parents=True)
    shutil.copy(copy / 'experiment.json', tmp_path / 'outer' / 'rbm1')
    with pytest.raises(DataError, match=r'outer holds no model itself, but the folder of a model: .*rbm1'):
        Trained.open(tmp_path / 'outer')
    (tmp_path / 'empty').mkdir()
    (copy / 'experiment.json').rename(tmp_path / 'record')
    for path, words in (
        (copy / 'checkpoint', 'is a file: name the folder that a model was trained in'),
        (copy / 'model.ckpt-3', f'is a checkpoint: name its folder, {copy}'),
        (tmp_path / 'missing', 'is not a folder'),
        (tmp_path / 'empty', 'holds no experiment.json, so no model was trained in it'),
        (copy, 'holds the checkpoint model.ckpt-3, but no experiment.json, which describes its model'),
    ):
        with pytest.raises(DataError, match=f'^model_dir={path} {words}'):
            Trained.open(path)
    (tmp_path / 'record').rename(copy / 'experiment.json')
    for path in (copy / 'checkpoint', *copy.glob('model.ckpt-*')):
        path.unlink()
    with pytest.raises(DataError, match=r'model_dir=.*copy holds no checkpoint yet'):
        Trained.open(copy)


@pytest.mark.parametrize(
    ('part', 'kept'),
    [
        *((part, kept) for part in ('index', 'data-00000-of-00001') for kept in (0, 20, 0.9)),
        ('data-00000-of-00001', None),
    ],
)
def test_a_damaged_checkpoint_is_named(copy, part, kept):
    path = copy / f'model.ckpt-3.{part}'
    whole = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(whole[: kept if isinstance(kept, int) else int(len(whole) * kept)])
    with pytest.raises(DataError, match=r'The checkpoint .*model\.ckpt-3 cannot be read \(.+\)'):
        Trained.open(copy)


def test_a_checkpoint_whose_bytes_have_changed(copy):
    (data,) = copy.glob('model.ckpt-3.data-*')
    kernel = tf.train.load_checkpoint(str(copy / 'model.ckpt-3')).get_tensor('conv2d/kernel').tobytes()
    data.write_bytes(data.read_bytes().replace(kernel, kernel[::-1]))
    with pytest.raises(DataError, match=r'The checkpoint .*copy/model\.ckpt-3 is damaged'):
        use(copy)


def test_a_checkpoint_that_a_training_deletes_at_opening_is_opened_again(copy, monkeypatch):
    genuine = opening.newest_checkpoint

    def training_until(last):
        def deleted_meanwhile(folder):
            found = genuine(folder)
            step = int(found.rpartition('-')[2])
            if step < last:
                replace_newest(copy, step, step + 1)
            return found

        monkeypatch.setattr(opening, 'newest_checkpoint', deleted_meanwhile)

    training_until(6)
    assert Path(Trained.open(copy).checkpoint).name == 'model.ckpt-6'
    training_until(99)
    with pytest.raises(DataError, match='was deleted meanwhile'):
        Trained.open(copy)


def test_a_model_is_used_after_its_checkpoint_was_deleted(copy):
    trained = Trained.open(copy)
    replace_newest(copy, 3, 4)
    restore(trained)


def test_a_checkpoint_that_lacks_a_variable(copy):
    reader = tf.train.load_checkpoint(str(copy / 'model.ckpt-3'))
    names = sorted(set(reader.get_variable_to_shape_map()) - {'conv2d/kernel'})
    write_checkpoint(copy / 'model.ckpt-3', {name: np.asarray(reader.get_tensor(name)) for name in names})
    with pytest.raises(DataError, match='do not match: conv2d/kernel is only in the former'):
        use(copy)


def test_checkpoints_that_are_not_listed(copy):
    (copy / 'checkpoint').unlink()
    (copy / 'model.ckpt-x.index').touch()
    with pytest.raises(DataError, match=r"holds model\.ckpt-3, but no file 'checkpoint' that lists it"):
        Trained.open(copy)
    (copy / 'checkpoint').write_text('model_checkpoint_path: "model.ckpt-3"\n')
    assert Trained.open(copy).step == 3


@pytest.mark.parametrize('tf_config', ['', '[', '{"cluster": 3}', '{"task": {"type": "chief", "index": []}}'])
def test_a_trained_model_is_used_by_one_process_whatever_tf_config_says(cnn_dir, tf_config, monkeypatch):
    monkeypatch.setenv('TF_CONFIG', tf_config)
    images = np.zeros((1, 8, 8, 1), np.uint8)
    assert len(list(Trained.open(cnn_dir).estimator.predict(numpy_input_fn(images)))) == 1
    assert os.environ['TF_CONFIG'] == tf_config


@pytest.mark.parametrize('step', [[1, 2], 'text', None])
def test_a_checkpoint_without_a_step(copy, step, session):
    if step is not None:
        tf.get_variable('global_step', initializer=tf.constant(step))
    tf.get_variable('other', [])
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, str(copy / 'model.ckpt-3'))
    with pytest.raises(DataError, match=r'The checkpoint .*model\.ckpt-3 cannot be read'):
        Trained.open(copy)


@pytest.mark.parametrize(
    ('hparams', 'words'),
    [
        ({'filters': 3}, r'conv2d/kernel is \[5, 5, 1, 3\] in the former and \[5, 5, 1, 2\] in the latter'),
        ({'filters': 10**9}, 'too large'),
        ({'kernel_size': 2**62}, 'too large'),
    ],
)
def test_a_record_of_another_network_than_the_checkpoint(copy, hparams, words):
    edit(copy, hparams)
    with pytest.raises(DataError, match=f'do not match: .*{words}') as caught:
        use(copy)
    assert '\n' not in str(caught.value)


def test_labels_have_numbers(cnn_dir):
    trained = Trained.open(cnn_dir)
    assert [trained.class_id(label) for label in reversed(trained.labels)] == [3, 2, 1, 0]
    known = ', '.join(trained.labels[:1])
    with pytest.raises(FlagError, match=f'label=xyz is unknown to the model; it knows .*{known}'):
        trained.class_id('xyz')


def test_examples_are_opened_from_paths_and_from_memory_all_or_a_share(cnn_dir, copy, tmp_path):
    """Class ids in memory become the labels that have these numbers; others become none."""
    trained = Trained.open(cnn_dir)
    path = write_tar(tmp_path / 'x.tar', [(f'{n}.png', encoded(picture(n))) for n in range(6)])
    for data in (path, [path]):
        assert trained.examples(data).total == 6
    shared = trained.examples(path, part='2/3').order().epoch(0)
    assert [member.name for member in shared] == ['2.png', '3.png']
    assert trained.examples(path, once=True).indexes == ()
    images = np.zeros((3, 8, 8, 1), np.uint8)
    for ids, labels in (
        ([1, 3, 4], [trained.labels[1], trained.labels[3], '']),
        ([*'xyz'], [*'xyz']),
        (None, ['', '', '']),
    ):
        data = images if ids is None else (images, np.array(ids))
        assert [member.label for member in trained.examples(data, once=True).order().epoch(0)] == labels
    edit(copy, vocabulary=['4', '3', '2', '1'])  # labels that are numbers are no class ids
    data = images, np.array([1, 3, 4])
    found = Trained.open(copy).examples(data, once=True).order().epoch(0)
    assert [member.label for member in found] == ['1', '3', '4']
    trees = tmp_path / 'trees.txt'
    trees.write_text('(3 (2 not) (4 bad))\n')
    for once in (True, False):
        with pytest.raises(DataError, match=f'holds trees, but model_dir={cnn_dir} accepts images'):
            trained.examples(trees, once=once)


@pytest.mark.parametrize(
    ('given', 'resumed', 'is_same'),
    [
        ('a', None, True),
        ('a', {'judge': 'a'}, True),
        ('', {}, True),
        ('a', {}, False),
        ('', {'judge': 'a'}, False),
    ],
)
def test_a_resumed_training_keeps_its_companions(given, resumed, is_same):
    params, refused = SimpleNamespace(judge=given, other='x'), contextlib.nullcontext()
    if not is_same:
        words = f'model_dir=runs was started with another judge than {given or "none"}: name another folder'
        refused = pytest.raises(FlagError, match=words)
    with refused:
        check_same_companions(params, ['judge'], Path('runs'), resumed)


@pytest.mark.parametrize(
    ('model', 'conditional', 'shapes'),
    [
        ('cnn', False, {}),
        ('gan', False, {'latent': [None, 5]}),
        ('gan', True, {'latent': [None, 5], 'label': [None]}),
    ],
)
def test_what_an_export_of_a_generator_reads(model, conditional, shapes):
    class Reader:
        def serving_receiver(self, keeps_size, more):
            return keeps_size, more

    params = SimpleNamespace(latent_size=5, conditional=conditional)
    keeps_size, more = serving_input_receiver_fn(Reader(), find_model(model), params)
    with tf.Graph().as_default():
        found = {name: each.shape.as_list() for inputs in more().values() for name, each in inputs.items()}
    assert (keeps_size, found) == (False, shapes)
