"""What TensorFlow hides of a full disk is told."""

import itertools
import os

import pytest

from estimator_lab.tf1 import tf
from tests.full_disk import files_up_to


@pytest.fixture
def saved(tmp_path):
    """A session with a variable of 400 kB, what saves it, and where."""
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable('v', [100_000])
        session.run(variable.initializer)
        yield session, tf.train.Saver(), str(tmp_path / 'model.ckpt')


def test_a_checkpoint_that_may_not_grow_is_no_end_of_the_data(saved):
    session, saver, path = saved
    saver.save(session, path, 1)
    with files_up_to(100_000), pytest.raises(tf.errors.ResourceExhaustedError, match='File too large'):
        saver.save(session, path, 2)
    assert tf.train.latest_checkpoint(os.path.dirname(path)) == f'{path}-1'  # noqa: PTH120
    assert saver.save(session, path, 2) == f'{path}-2'


def summary(size):
    return tf.Summary(value=[tf.Summary.Value(tag='x' * size, simple_value=1)])


def test_events_that_are_lost_are_an_error(tmp_path, capfd):
    with tf.Graph().as_default():
        writer = tf.summary.FileWriter(str(tmp_path))
        for step in range(5):
            writer.add_summary(summary(3000), step)
        writer.flush()
        with files_up_to(20_000), pytest.raises(tf.errors.ResourceExhaustedError) as caught:
            for step in range(5, 50):
                writer.add_summary(summary(3000), step)
                writer.flush()
    assert str(tmp_path) in str(caught.value.message) and '; ' in str(caught.value.message)
    assert capfd.readouterr().err == ''
    (path,) = tmp_path.iterdir()
    events = tf.train.summary_iterator(str(path))
    steps = [event.step for event in itertools.islice(events, 6) if event.HasField('summary')]
    assert steps == list(range(5))  # those before are there


def test_events_that_are_written_are_none(tmp_path):
    with tf.Graph().as_default() as graph, tf.summary.FileWriter(str(tmp_path), graph) as writer:
        for step in range(3):
            writer.add_summary(summary(3000), step)
            writer.flush()
    (path,) = tmp_path.iterdir()
    found = [event.step for event in tf.train.summary_iterator(str(path)) if event.HasField('summary')]
    assert found == [0, 1, 2]
