from collections import Counter

import numpy as np
from PIL import Image

from estimator_lab.core.display.embeddings import EmbeddingsHook, Sample, label_text, labels_and_keys
from estimator_lab.tf1 import tf


def write(folder, monkeypatch, count, most=1000, batch=4):
    """Writes points for `count` images, each of one grey level and with its number as vector."""
    monkeypatch.setattr('estimator_lab.core.display.embeddings.MOST_POINTS', most)
    numbers = np.arange(count)
    images = np.ones((count, 4, 6, 1), 'f') * (numbers / max(count, 1))[:, None, None, None].astype('f')
    with tf.Graph().as_default():
        dataset = tf.data.Dataset.from_tensor_slices((numbers, images)).batch(batch)
        number, image = tf.data.make_one_shot_iterator(dataset).get_next()
        vector = tf.cast(tf.stack([number, -number], axis=1), tf.float32)
        columns = {'number': (number, str), 'parity': (number % 2, lambda value: 'odd' if value else 'even')}
        tf.train.create_global_step()
        hook = EmbeddingsHook(vector, image, columns, str(folder))
        with tf.train.MonitoredSession(hooks=[hook]) as session:
            while not session.should_stop():
                session.run(number)


def test_vectors_metadata_and_sprite_have_the_same_order(tmp_path, monkeypatch):
    write(tmp_path, monkeypatch, 10)
    vectors = np.loadtxt(tmp_path / 'embeddings.tsv')
    assert vectors.tolist() == [[n, -n, 0] for n in range(10)]
    rows = (tmp_path / 'embeddings_metadata.tsv').read_text().splitlines()
    assert rows == ['number\tparity', *(f'{n}\t{"odd" if n % 2 else "even"}' for n in range(10))]
    sprite = np.asarray(Image.open(tmp_path / 'embeddings_sprite.png').convert('L'))
    assert sprite[::4, ::6].ravel()[:10].tolist() == [round(n * 25.5) for n in range(10)]


def test_more_images_than_points_are_sampled(tmp_path, monkeypatch):
    write(tmp_path, monkeypatch, 50, most=7)
    vectors = np.loadtxt(tmp_path / 'embeddings.tsv')
    rows = (tmp_path / 'embeddings_metadata.tsv').read_text().splitlines()[1:]
    assert len(set(vectors[:, 0])) == 7 and vectors[:, 0].max() > 7
    assert [int(row.split('\t')[0]) for row in rows] == vectors[:, 0].tolist()


def test_an_evaluation_without_images_writes_nothing(tmp_path, monkeypatch):
    write(tmp_path, monkeypatch, 0)
    assert not list(tmp_path.iterdir())


def test_each_item_has_the_same_chance():
    counts = Counter()
    for seed in range(2000):
        sample = Sample(3, seed)
        for item in range(10):
            sample.offer(item)
        counts.update(sample.kept)
    # 600 of each on average, with a standard deviation of sqrt(2000 * 0.3 * 0.7) = 20.5.
    assert max(abs(counts[item] - 600) for item in range(10)) < 4 * 20.5


def test_a_sample_depends_on_its_seed():
    samples = [Sample(3, seed) for seed in (1, 1, 2)]
    for item in range(100):
        for sample in samples:
            sample.offer(item)
    assert samples[0].kept == samples[1].kept != samples[2].kept


def test_points_have_columns_for_labels_and_keys():
    features = {'key': 'a tensor of keys'}
    assert list(labels_and_keys(features, np.array([0, 1]), ('ape', 'bee'))) == ['label', 'key']
    assert list(labels_and_keys(features, None, ())) == ['key']
    assert labels_and_keys('an image', None, ()) == {}


def test_label_text():
    assert [label_text(('ape', 'bee'), id_) for id_ in (0, 1, 2, -1)] == ['ape', 'bee', 'unknown', 'unknown']
