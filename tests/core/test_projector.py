import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig, projector_plugin

from estimator_lab.core.projector import ProjectorHook, labels_and_keys, write_projection
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both


def config_of(folder):
    return text_format.Parse((folder / 'projector_config.pbtxt').read_text(), ProjectorConfig())


def test_tensorboard_reads_the_points(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    images = np.linspace(0, 1, 5)[:, None, None, None] * np.ones((5, 4, 6, 1))
    write_projection(tmp_path, 'code', vectors, {'label': list('aabbc'), 'key': ['x\ty', *'1234']}, images)
    (points,) = config_of(tmp_path).embeddings
    assert points.tensor_name == 'code'
    read = projector_plugin._read_tensor_tsv_file(str(tmp_path / points.tensor_path))
    assert np.allclose(read, vectors, rtol=1e-5)
    rows = (tmp_path / points.metadata_path).read_text().splitlines()
    assert rows == ['label\tkey', 'a\tx y', 'a\t1', 'b\t2', 'b\t3', 'c\t4']
    # Five images make a square of three tiles a side, filled row by row.
    assert list(points.sprite.single_image_dim) == [6, 4]
    sprite = np.asarray(Image.open(tmp_path / points.sprite.image_path))
    assert sprite.shape == (12, 18, 3)
    centres = sprite[2::4, 3::6, 0].ravel().tolist()
    assert centres == [0, 64, 128, 191, 255, 0, 0, 0, 0]


def test_points_of_the_same_name_are_replaced(tmp_path):
    for name in ('layer_1', 'layer_2', 'layer_1'):
        write_projection(tmp_path, name, np.zeros((2, 2)), {'label': ['a', 'b']})
    assert [points.tensor_name for points in config_of(tmp_path).embeddings] == ['layer_2', 'layer_1']


def test_the_sprite_fits_a_browser(tmp_path):
    write_projection(tmp_path, 'code', np.zeros((4, 3)), {}, np.zeros((4, 1, 500, 1)))
    assert list(config_of(tmp_path).embeddings[0].sprite.single_image_dim) == [64, 1]


@pytest.mark.parametrize(
    'text', [b'\xff\xfe', b'embeddings {', b'unknown: 3', b'#' * 2**21], ids=['UTF-8', 'cut', 'name', 'large']
)
def test_a_damaged_configuration_is_replaced(tmp_path, text):
    (tmp_path / 'projector_config.pbtxt').write_bytes(text)
    write_projection(tmp_path, 'code', np.zeros((2, 3)), {})
    assert [points.tensor_name for points in config_of(tmp_path).embeddings] == ['code']


def test_the_points_survive_a_move_of_the_run(tmp_path):
    """TensorBoard drops a configuration whose checkpoint it cannot find."""
    write_projection(tmp_path / 'run' / 'eval', 'code', np.zeros((2, 3)), {'label': ['a', 'b']})
    (tmp_path / 'run').rename(tmp_path / 'moved')
    checkpoint = tf.train.latest_checkpoint(str(tmp_path / 'moved' / 'eval'))
    assert checkpoint == str(tmp_path / 'moved' / 'eval' / 'projector.ckpt')
    assert tf.train.list_variables(checkpoint) == [('nothing', [])]
    config = config_of(tmp_path / 'moved' / 'eval')
    assert not config.model_checkpoint_path and str(tmp_path) not in str(config)
    assert (tmp_path / 'moved' / 'eval' / config.embeddings[0].tensor_path).exists()


def test_a_configuration_is_not_written_through_a_link(tmp_path):
    (tmp_path / 'precious').write_text('precious')
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'projector_config.pbtxt').symlink_to(tmp_path / 'precious')
    write_projection(tmp_path / 'run', 'code', np.zeros((2, 3)), {})
    assert (tmp_path / 'precious').read_text() == 'precious'


def write(folder, monkeypatch, count, most=1000, batch=4):
    """Writes points for `count` images, each of one grey level and with its number as vector."""
    monkeypatch.setattr('estimator_lab.core.projector.MOST_POINTS', most)
    numbers = np.arange(count)
    images = np.ones((count, 4, 6, 1), 'f') * (numbers / max(count, 1))[:, None, None, None].astype('f')
    with tf.Graph().as_default():
        dataset = tf.data.Dataset.from_tensor_slices((numbers, images)).batch(batch)
        number, image = tf.data.make_one_shot_iterator(dataset).get_next()
        vector = tf.cast(tf.stack([number, -number], axis=1), tf.float32)
        columns = {'number': (number, str), 'parity': (number % 2, lambda value: 'odd' if value else 'even')}
        tf.train.create_global_step()
        hook = ProjectorHook(vector, image, columns, folder)
        with tf.train.MonitoredSession(hooks=[hook]) as session:
            while not session.should_stop():
                session.run(number)


def test_vectors_metadata_and_sprite_have_the_same_order(tmp_path, monkeypatch):
    write(tmp_path, monkeypatch, 10)
    vectors = np.loadtxt(tmp_path / 'embeddings.tsv')
    order = vectors[:, 0].astype(int).tolist()
    assert sorted(order) == list(range(10)) and vectors.tolist() == [[n, -n, 0] for n in order]
    rows = (tmp_path / 'embeddings_metadata.tsv').read_text().splitlines()
    assert rows == ['number\tparity', *(f'{n}\t{"odd" if n % 2 else "even"}' for n in order)]
    sprite = np.asarray(Image.open(tmp_path / 'embeddings_sprite.png').convert('L'))
    assert sprite[::4, ::6].ravel()[:10].tolist() == [round(n * 25.5) for n in order]


def test_more_images_than_points_are_sampled(tmp_path, monkeypatch):
    write(tmp_path, monkeypatch, 50, most=7)
    vectors = np.loadtxt(tmp_path / 'embeddings.tsv')
    rows = (tmp_path / 'embeddings_metadata.tsv').read_text().splitlines()[1:]
    assert len(set(vectors[:, 0])) == 7 and vectors[:, 0].max() > 7
    assert [int(row.split('\t')[0]) for row in rows] == vectors[:, 0].tolist()


def test_an_evaluation_without_images_writes_nothing(tmp_path, monkeypatch):
    write(tmp_path, monkeypatch, 0)
    assert not list(tmp_path.iterdir())


def test_points_have_columns_for_labels_and_keys():
    features = {'key': 'a tensor of keys'}
    assert list(labels_and_keys(features, None, ())) == ['key']
    assert labels_and_keys('an image', None, ()) == {}
    for labels in (np.array([0, 1, -1]), ['ape', 'bee', 'cat']):
        with tf.Graph().as_default(), tf.Session() as session:
            ids, text_of = labels_and_keys(features, tf.constant(labels), ('ape', 'bee'))['label']
            session.run(tf.tables_initializer())
            assert list(map(text_of, session.run(ids))) == ['ape', 'bee', 'unknown']
