"""The datasets of tf.contrib.data, whose transformations were methods in TensorFlow 1.2 to 1.4."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

pytestmark = [pytest.mark.both, pytest.mark.usefixtures('graph')]


def all_of(dataset):
    """Returns the elements, read as programs of that time do."""
    assert isinstance(dataset, tf.data.Dataset) and isinstance(dataset, tf.contrib.data.Dataset)
    element, found = dataset.make_one_shot_iterator().get_next(), []
    with tf.Session() as session:
        while True:
            try:
                found.append(session.run(element))
            except tf.errors.OutOfRangeError:
                return found


def double(x):
    return 2 * x


def test_map_with_threads_and_a_buffer_in_a_chain():
    made = tf.contrib.data.Dataset.range(5).map(double, num_threads=2, output_buffer_size=3)
    made = made.skip(1).map(double, output_buffer_size=1).batch(3).repeat(2).map(double, num_threads=1)
    assert [batch.tolist() for batch in all_of(made)] == [[8, 16, 24], [32]] * 2


def test_files_and_zip(tmp_path):
    data, path = tf.contrib.data, tmp_path / 'lines'
    path.write_text('a\nb\n')
    lines = data.TextLineDataset(str(path)).map(lambda line: line + '!', num_threads=1)
    both = data.Dataset.zip((lines, data.Dataset.from_tensor_slices([1, 2]))).concatenate(
        data.Dataset.from_tensors(('c', 3))
    )
    assert all_of(both) == [(b'a!', 1), (b'b!', 2), (b'c', 3)]


def test_transformations_that_are_methods():
    dataset = tf.contrib.data.Dataset
    inverse = dataset.from_tensor_slices([1.0, 0.0, 4.0]).map(lambda x: tf.check_numerics(1 / x, 'no'))
    assert all_of(inverse.ignore_errors()) == [1, 0.25]
    rows = dataset.range(3).map(lambda n: tf.fill([n], n)).dense_to_sparse_batch(3, [4])
    (sparse,) = all_of(rows)
    assert sparse.dense_shape.tolist() == [3, 4] and sparse.values.tolist() == [1, 2, 2]
    windows = dataset.range(6).group_by_window(lambda n: n % 2, lambda key, window: window.batch(2), 2)
    assert [batch.tolist() for batch in all_of(windows)] == [[0, 2], [1, 3], [4], [5]]
    assert all_of(dataset.from_tensors([7, 8]).unbatch().enumerate()) == [(0, 7), (1, 8)]


@pytest.mark.slow
def test_rejection_resample():
    numbers = tf.contrib.data.Dataset.range(4000)
    balanced = numbers.rejection_resample(
        lambda n: tf.cast(n % 4 < 1, tf.int32), [0.5, 0.5], [0.75, 0.25], seed=1
    )
    kinds = np.array([kind for kind, _ in all_of(balanced)])
    assert abs(kinds.mean() - 0.5) < 0.05  # about 2,000 of them: a standard error of 0.011


def test_functions_that_apply():
    data = tf.contrib.data
    pairs = data.Dataset.range(5).apply(data.batch_and_drop_remainder(2))
    assert [batch.tolist() for batch in all_of(pairs)] == [[0, 1], [2, 3]]
    padded = data.Dataset.range(3).map(lambda n: tf.fill([n], n))
    batches = padded.apply(data.padded_batch_and_drop_remainder(2, [None]))
    assert [batch.tolist() for batch in all_of(batches)] == [[[0], [1]]]
    several = data.Dataset.range(3).apply(
        data.sloppy_interleave(lambda n: tf.data.Dataset.from_tensors(n).repeat(2), cycle_length=2)
    )
    assert sorted(all_of(several)) == [0, 0, 1, 1, 2, 2]
    assert all_of(data.Dataset.range(2).apply(data.prefetch_to_device('/cpu:0'))) == [0, 1]
