from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.base.keys import to_unit_range
from estimator_lab.data.examples.labels import Vocabulary
from estimator_lab.data.examples.member import Member
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.input_fns import Epochs, Onwards, archive_input_fn
from estimator_lab.data.trees.reader import TreeReader
from estimator_lab.data.trees.tokens import Tokens
from estimator_lab.tf1 import tf
from tests.support.archive_files import write_tar
from tests.support.input_batches import batches_of as run
from tests.support.streams import opened, stream_members, stream_order

pytestmark = pytest.mark.both

SHAPE = ImageShape(8, 10, 1)
PIXELS = ImageReader(ImageOptions(SHAPE))
VOCABULARY = Vocabulary(('n000000', 'n000001', 'n000003'))


def test_archive_batches(archive):
    order = stream_order(archive)
    got = run(archive_input_fn(Epochs(order, 10), PIXELS, InputReport(IMAGES), VOCABULARY))
    assert [len(labels) for _, labels in got] == [10, 10, 4]
    images = np.concatenate([features['image'] for features, _ in got])
    members = list(stream_members(archive))
    assert images.dtype == np.float32
    assert np.array_equal(images, to_unit_range(np.stack([decode_image(m.data, *SHAPE) for m in members])))
    keys = [key.decode() for features, _ in got for key in features['key']]
    assert keys == [m.key for m in members]
    # n000002 is not in the vocabulary.
    assert np.concatenate([labels for _, labels in got]).tolist() == [0] * 6 + [1] * 6 + [-1] * 6 + [2] * 6


def test_training_resumes_after_the_consumed_examples(archive):
    order = stream_order(archive, shuffle_buffer=24, seed=3)

    def keys_from(seen, batches, size=7):
        fn = archive_input_fn(Onwards(order, size, lambda: seen), PIXELS, InputReport(IMAGES), VOCABULARY)
        return [key for features, _ in run(fn, batches) for key in features['key']]

    whole = keys_from(0, 8)
    assert len(whole) == 56  # two epochs and a third: it has no end
    assert keys_from(35, 3) == whole[35:]
    assert keys_from(35, 2, size=4) == whole[35:43]  # whatever the size of batches was before


@pytest.mark.filterwarnings('ignore:To make it possible')  # the graph holds only what is defined here
def test_static_shapes_are_known_and_nothing_is_tuned(archive):
    with tf.Graph().as_default():
        fn = archive_input_fn(Epochs(stream_order(archive), 10), PIXELS, InputReport(IMAGES), VOCABULARY)
        dataset = fn()
        features, labels = dataset.make_one_shot_iterator().get_next()
        assert dataset.options().autotune.enabled is False  # a closing session may wait for its sleep
    assert features['image'].shape.as_list() == [None, 8, 10, 1]
    assert labels.shape.as_list() == [None]


@pytest.mark.parametrize('bad', [[], [12, 13, 14, 40]])
def test_groups_become_the_batches_they_were(archive, bad):
    """Batches of 2 come in groups of up to 16: whole ones, one with bad members, one without others."""
    members = list(stream_members(archive)) * 3
    for place in bad:
        members[place] = members[place]._replace(data=b'bad')
    order = SimpleNamespace(is_stored=True, onwards=lambda consumed, shard, end: iter(members))
    got = run(archive_input_fn(Onwards(order, 2), PIXELS, InputReport(IMAGES), VOCABULARY))
    assert len(got) == 36
    for number, (features, _) in enumerate(got):
        good = [n for n in (2 * number, 2 * number + 1) if n not in bad]
        assert features['key'].tolist() == ([members[n].key.encode() for n in good] or [b''])
        pixels = [decode_image(members[n].data, *SHAPE) for n in good] or [np.zeros(SHAPE, np.uint8)]
        assert np.array_equal(features['image'], to_unit_range(np.stack(pixels)))
        assert features['weight'].tolist() == ([1] * len(good) or [0])


def test_a_batch_of_bad_images_only(tmp_path, archive):
    files = [(m.name, b'bad' if n in (2, 3) else m.data) for n, m in enumerate(stream_members(archive))]
    order = stream_order(write_tar(tmp_path / 'broken.tar', files[:6]))
    report = InputReport(IMAGES, lambda line: None)
    # Evaluation passes over it.
    got = run(archive_input_fn(Epochs(order, 2), PIXELS, report, VOCABULARY))
    assert [len(labels) for _, labels in got] == [2, 2]
    # Training spends a step on an example without a known label, so that steps and members stay in line.
    got = run(archive_input_fn(Onwards(order, 2), PIXELS, report, VOCABULARY), 6)
    assert [labels.tolist() for _, labels in got] == [[0, 0], [-1], [0, 0]] * 2
    assert [features['weight'].tolist() for features, _ in got] == [[1, 1], [0], [1, 1]] * 2


def test_a_blank_example_stays_blank(archive, monkeypatch):
    """TensorFlow may write the results of operations into an array that it was given."""
    from_generator = tf.data.Dataset.from_generator

    def of_overwritten(elements, types, shapes):
        def overwritten():
            for element in elements():
                yield tf.nest.map_structure(np.copy, element)
                tf.nest.map_structure(lambda array: array.fill(7), element)

        return from_generator(overwritten, types, shapes)

    monkeypatch.setattr(tf.data.Dataset, 'from_generator', of_overwritten)
    bad = [member._replace(data=b'bad') for member in stream_members(archive)]
    order = SimpleNamespace(is_stored=True, onwards=lambda consumed, shard, end: iter(bad))
    report = InputReport(IMAGES, lambda line: None)
    got = run(archive_input_fn(Onwards(order, 2), PIXELS, report, VOCABULARY))
    assert [labels.tolist() for _, labels in got] == [[-1]] * 12
    assert all(not features['image'].any() and features['weight'] == [0] for features, _ in got)


def test_a_watched_batch_waits_for_no_other(archive):
    """Even where all of them are on disk: predictions are in step with the batches."""
    watched = []
    order = opened(str(archive)).order()
    run(archive_input_fn(Epochs(order, 2), PIXELS, InputReport(IMAGES), VOCABULARY, watch=watched.append))
    assert [len(batch.keys) for batch in watched] == [2] * 12


def test_batches_of_trees():
    members = [Member('a.txt', f'{n}.tree', n, data=b'(1 good)') for n in range(20)]
    order = SimpleNamespace(is_stored=True, epoch=lambda number: iter(members))
    got = run(archive_input_fn(Epochs(order, 2), TreeReader(Tokens(('good',))), InputReport(IMAGES)))
    assert [features['token'].shape for features in got] == [(2, 1)] * 10
