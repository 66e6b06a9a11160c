import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.core.features import class_ids, example_weights, images_of, keys_of
from estimator_lab.tf1 import tf
from tests.support.graphs import evaluate as run

pytestmark = pytest.mark.both

PIXELS = np.arange(2 * 12, dtype=np.float32).reshape(2, 12)


def test_all_forms_of_features_give_the_same_images():
    expected = PIXELS.reshape(2, 3, 4, 1)
    forms = [
        lambda: {'image': tf.constant(expected), 'key': tf.constant(['a', 'b'])},
        lambda: tf.constant(PIXELS),
        lambda: tuple(tf.constant(column) for column in PIXELS.T),
    ]
    for form in forms:
        assert np.array_equal(run(lambda form=form: images_of(form(), (3, 4, 1))), expected)
    scalars = run(lambda: images_of(tuple(tf.constant(v) for v in PIXELS[0]), (3, 4, 1)))
    assert np.array_equal(scalars, expected[:1])


def test_bytes_are_scaled_and_other_integers_have_no_known_range():
    images = np.array([[0, 51, 255]], np.uint8)
    assert run(lambda: images_of(tf.constant(images), (1, 3, 1))).ravel().tolist() == [0, np.float32(0.2), 1]
    with pytest.raises(FlagError, match=r'int64 have no known range: give uint8, or floats in \[0, 1\]\.'):
        images_of(tf.constant([[0, 1, 1]], tf.int64), (1, 3, 1))


@pytest.mark.parametrize('shape', [(5, 32, 32, 1), (5, 8, 32, 1), (5, 512), (512,), (5, 16, 32)])
def test_images_of_another_size_are_not_cut_up(shape, graph):
    images = np.zeros(shape, np.float32)
    found = ', '.join(map(str, shape[1:] or shape))
    with pytest.raises(FlagError, match=rf'image_shape=\(16, 16, 1\) does not fit .* are \({found},?\): '):
        images_of(tf.constant(images), (16, 16, 1))
    unknown = (None,) * len(shape), None
    for hidden in unknown if len(shape) > 1 else unknown[:1]:
        placeholder = tf.placeholder(tf.float32, hidden)
        if hidden is None and shape == (5, 8, 32, 1):
            continue  # has as many values: without a rank, images may be flat
        taken = images_of(placeholder, (16, 16, 1))
        with tf.Session() as session:
            with pytest.raises(
                tf.errors.InvalidArgumentError, match=r'image_shape=\(16, 16, 1\) does not fit'
            ):
                session.run(taken, {placeholder: images})
            fitting = np.ones(256 if len(shape) == 1 else (2, 256) if len(shape) == 2 else (2, 16, 16))
            fitting = fitting[..., np.newaxis] if len(shape) == 4 else fitting
            assert session.run(taken, {placeholder: fitting}).shape[1:] == (16, 16, 1)


def test_labels_may_be_texts_or_ids():
    vocabulary = ('ape', 'bee', 'cat')
    assert run(lambda: class_ids(tf.constant(['cat', 'ape', 'dog']), vocabulary)).tolist() == [2, 0, -1]
    assert run(lambda: class_ids(tf.constant('bee'), vocabulary)).tolist() == [1]
    assert run(lambda: class_ids(tf.constant([2, 1], tf.int32), vocabulary)).tolist() == [2, 1]
    assert run(lambda: class_ids(tf.constant([[2], [1]]), vocabulary)).tolist() == [2, 1]
    with pytest.raises(FlagError, match=r'This model needs labels, but its input function returns none\.'):
        class_ids(None, vocabulary)


@pytest.mark.parametrize('wrong', [3, -2])
def test_ids_outside_the_vocabulary_are_refused(wrong):
    assert run(lambda: class_ids(tf.constant([2, -1, 0]), 'abc')).tolist() == [2, -1, 0]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r'of 3 labels: ids are 0 to 2, and -1 for an unk'
    ):
        run(lambda: class_ids(tf.constant([1, wrong]), 'abc'))


def test_keys():
    assert keys_of({'image': 1, 'key': 2}) == 2
    assert keys_of({'image': 1}) is None
    assert keys_of((1, 2)) is None


def test_what_stands_for_a_batch_of_bad_images_counts_nothing():
    assert run(lambda: example_weights({'weight': tf.constant([1.0, 0.0])})).tolist() == [1, 0]
    assert example_weights((1, 2)) == 1 and example_weights({'image': 1}) == 1


def test_weights_are_float32():
    weights = run(lambda: example_weights({'weight': tf.constant([2.0, 0.5], tf.float64)}))
    assert weights.dtype == 'float32' and weights.tolist() == [2, 0.5]
