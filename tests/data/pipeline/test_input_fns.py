import io
import itertools
import tarfile

import numpy as np
import pytest

from estimator_lab.conventions import to_unit_range
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.kind import Signature
from estimator_lab.data.labels import Vocabulary
from estimator_lab.data.member import Member
from estimator_lab.data.order.order import StreamOrder
from estimator_lab.data.pipeline.datasets import batches_at_once
from estimator_lab.data.pipeline.input_fns import (
    archive_input_fn,
    notes_input_fn,
    numpy_input_fn,
)
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.data.trees.reader import TreeReader
from estimator_lab.data.trees.tokens import Tokens
from estimator_lab.tf1 import tf
from tests.input_batches import batches_of as run

SHAPE = ImageShape(8, 10, 1)
PIXELS = ImageReader(SHAPE)
VOCABULARY = Vocabulary(('n000000', 'n000001', 'n000003'))


def test_archive_batches(archive):
    order = StreamOrder([str(archive)])
    got = run(archive_input_fn(order, PIXELS, 10, InputReport(), VOCABULARY))
    assert [len(labels) for _, labels in got] == [10, 10, 4]
    images = np.concatenate([features['image'] for features, _ in got])
    members = list(stream_members(archive))
    assert images.dtype == np.float32
    assert np.array_equal(images, to_unit_range(np.stack([decode_image(m.data, *SHAPE) for m in members])))
    keys = [key.decode() for features, _ in got for key in features['key']]
    assert keys == [m.key for m in members]
    # n000002 is not in the vocabulary.
    assert np.concatenate([labels for _, labels in got]).tolist() == [0] * 6 + [1] * 6 + [-1] * 6 + [2] * 6


def test_without_a_vocabulary_there_are_features_only(archive):
    (features,) = run(archive_input_fn(StreamOrder([str(archive)]), PIXELS, 24, InputReport()))
    assert features['image'].shape == (24, 8, 10, 1)


def test_training_resumes_after_the_consumed_examples(archive):
    order = StreamOrder([str(archive)], shuffle_buffer=24, seed=3)

    def keys_from(seen, batches, size=7):
        fn = archive_input_fn(order, PIXELS, size, InputReport(), VOCABULARY, resume=lambda: seen)
        return [key for features, _ in run(fn, batches) for key in features['key']]

    whole = keys_from(0, 8)
    assert len(whole) == 56  # two epochs and a third: it has no end
    assert keys_from(35, 3) == whole[35:]
    assert keys_from(35, 2, size=4) == whole[35:43]  # whatever the size of batches was before


@pytest.mark.filterwarnings('ignore:To make it possible')  # the graph holds only what is defined here
def test_static_shapes_are_known_and_nothing_is_tuned(archive):
    with tf.Graph().as_default():
        fn = archive_input_fn(StreamOrder([str(archive)]), PIXELS, 10, InputReport(), VOCABULARY)
        dataset = fn()
        features, labels = dataset.make_one_shot_iterator().get_next()
        assert dataset.options().autotune.enabled is False  # a closing session may wait for its sleep
    assert features['image'].shape.as_list() == [None, 8, 10, 1]
    assert labels.shape.as_list() == [None]


def test_a_batch_of_bad_images_only(tmp_path, archive):
    members = [m._replace(data=b'bad') if n in (2, 3) else m for n, m in enumerate(stream_members(archive))]
    broken = tmp_path / 'broken.tar'
    with tarfile.open(broken, 'w') as tar:
        for member in members[:6]:
            info = tarfile.TarInfo(member.name)
            info.size = len(member.data)
            tar.addfile(info, io.BytesIO(member.data))
    report = InputReport(lambda line: None)
    order = StreamOrder([str(broken)])
    # Evaluation passes over it.
    got = run(archive_input_fn(order, PIXELS, 2, report, VOCABULARY))
    assert [len(labels) for _, labels in got] == [2, 2]
    # Training spends a step on an example without a known label, so that steps and members stay in line.
    got = run(archive_input_fn(order, PIXELS, 2, report, VOCABULARY, resume=lambda: 0), 6)
    assert [labels.tolist() for _, labels in got] == [[0, 0], [-1], [0, 0]] * 2
    assert [features['weight'].tolist() for features, _ in got] == [[1, 1], [0], [1, 1]] * 2


def test_batches_handed_over_together_equal_single_ones(archive):
    members = list(stream_members(archive))
    bad = {4, 9, 10, 11, 19}
    turns = [m._replace(data=b'bad') if n in bad else m for n, m in enumerate(members)]

    class Order:
        def onwards(self, start, shard):
            return (turns[n % 24] for n in itertools.count(start))

    report = InputReport(lambda line: None)
    got = run(archive_input_fn(Order(), PIXELS, 3, report, VOCABULARY, resume=lambda: 6), 40)
    for number, (features, labels) in enumerate(got):
        places = [n % 24 for n in range(6 + 3 * number, 9 + 3 * number) if n % 24 not in bad]
        if not places:  # its three members were bad
            assert (features['key'].tolist(), features['weight'].tolist()) == ([b''], [0])
            continue
        assert [key.decode() for key in features['key']] == [members[n].key for n in places]
        pixels = np.stack([decode_image(members[n].data, *SHAPE) for n in places])
        assert np.array_equal(features['image'], to_unit_range(pixels))
        assert features['weight'].tolist() == [1] * len(places)
        assert labels.tolist() == [(0, 1, -1, 2)[n // 6] for n in places]


@pytest.mark.parametrize(
    ('shape', 'batch_size', 'together'),
    [
        *(((128, 128, 1), 32, 8), ((28, 28, 1), 100, 16), ((224, 224, 3), 32, 1), ((224, 224, 3), 4, 6)),
        ((None, None, 1), 32, 1),  # their size varies
    ],
)
def test_few_large_batches_are_handed_over_together(shape, batch_size, together):
    assert batches_at_once({'image': Signature('uint8', shape)}, batch_size) == together  # 4 MiB at most


def test_batches_of_trees_are_handed_over_singly():
    reader = TreeReader(Tokens(('good',)))
    members = [Member('a.txt', f'{n}.tree', n, b'(1 good)') for n in range(20)]

    class Order:
        def epoch(self, number):
            return iter(members)

    got = run(archive_input_fn(Order(), reader, 2, InputReport()))
    assert [features['token'].shape for features in got] == [(2, 1)] * 10


def test_the_form_of_the_notes_has_the_same_pixels_as_the_batches(archive):
    scalars = run(notes_input_fn([str(archive)], 8, 10))
    (batch,) = run(archive_input_fn(StreamOrder([str(archive)]), PIXELS, 24, InputReport(), VOCABULARY))
    assert len(scalars) == 24
    assert np.array_equal(np.array([pixels for pixels, _ in scalars]), batch[0]['image'].reshape(24, 80))
    assert [label.decode() for _, label in scalars] == [f'n{n // 6:06}' for n in range(24)]


@pytest.mark.once
def test_the_form_of_the_notes_has_16384_scalars_by_default(archive):
    with tf.Graph().as_default():
        pixels, label = notes_input_fn([str(archive)])()
        assert len(pixels) == 16384
        assert label.dtype == tf.string


IMAGES = np.arange(5 * 6, dtype=np.uint8).reshape(5, 2, 3)


def test_arrays_in_order():
    got = run(numpy_input_fn(IMAGES, np.arange(5), batch_size=2))
    assert [labels.tolist() for _, labels in got] == [[0, 1], [2, 3], [4]]
    assert np.array_equal(np.concatenate([f['image'] for f, _ in got])[..., 0], to_unit_range(IMAGES))
    assert got[2][0]['key'].tolist() == [b'array:4']


def test_arrays_shuffled_anew_in_each_epoch():
    fn = numpy_input_fn(IMAGES, np.arange(5), batch_size=5, num_epochs=3, shuffle=True, seed=1)
    epochs = [labels.tolist() for _, labels in run(fn)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 1
    assert epochs == [labels.tolist() for _, labels in run(fn)]


def test_arrays_without_labels_and_without_end():
    got = run(numpy_input_fn(IMAGES, batch_size=5, num_epochs=None), limit=4)
    assert len(got) == 4 and got[3]['image'].shape == (5, 2, 3, 1)


@pytest.mark.parametrize(
    ('images', 'labels', 'words'),
    [
        (IMAGES.astype(float), None, 'must be uint8'),
        (IMAGES[0], None, 'must be uint8'),
        (IMAGES, np.arange(4), '5 images but 4 labels'),
    ],
)
def test_arrays_that_do_not_fit(images, labels, words):
    with pytest.raises(ValueError, match=words):
        numpy_input_fn(images, labels)
