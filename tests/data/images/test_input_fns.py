import numpy as np
import pytest

from estimator_lab.conventions import to_unit_range
from estimator_lab.data.images.kind import ImageShape
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.labels import Vocabulary
from estimator_lab.data.order.order import StreamOrder
from estimator_lab.data.pipeline.input_fns import archive_input_fn, notes_input_fn, numpy_input_fn
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.tf1 import tf
from tests.input_batches import batches_of as run

PIXELS = ImageReader(ImageShape(8, 10, 1))
VOCABULARY = Vocabulary(('n000000', 'n000001', 'n000003'))


def test_document_form_has_the_same_pixels_as_the_batches(archive):
    scalars = run(notes_input_fn([str(archive)], 8, 10))
    (batch,) = run(archive_input_fn(StreamOrder([str(archive)]), PIXELS, 24, InputReport(), VOCABULARY))
    assert len(scalars) == 24
    assert np.array_equal(np.array([pixels for pixels, _ in scalars]), batch[0]['image'].reshape(24, 80))
    assert [label.decode() for _, label in scalars] == [f'n{n // 6:06}' for n in range(24)]


@pytest.mark.once
def test_document_form_by_default_has_16384_scalars(archive):
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
