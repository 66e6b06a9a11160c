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


def test_labels_may_be_texts_or_ids():
    vocabulary = ('ape', 'bee', 'cat')
    assert run(lambda: class_ids(tf.constant(['cat', 'ape', 'dog']), vocabulary)).tolist() == [2, 0, -1]
    assert run(lambda: class_ids(tf.constant('bee'), vocabulary)).tolist() == [1]
    assert run(lambda: class_ids(tf.constant([2, 1], tf.int32), vocabulary)).tolist() == [2, 1]
    assert run(lambda: class_ids(tf.constant([[2], [1]]), vocabulary)).tolist() == [2, 1]
    with pytest.raises(FlagError, match=r'This model needs labels, but its input function returns none\.'):
        class_ids(None, vocabulary)


def test_keys():
    assert keys_of({'image': 1, 'key': 2}) == 2
    assert keys_of({'image': 1}) is None
    assert keys_of((1, 2)) is None


def test_what_stands_for_a_batch_of_bad_images_counts_nothing():
    assert run(lambda: example_weights({'weight': tf.constant([1.0, 0.0])})).tolist() == [1, 0]
    assert example_weights((1, 2)) == 1 and example_weights({'image': 1}) == 1
