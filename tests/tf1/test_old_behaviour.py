"""What TensorFlow's own classes accepted or did in TensorFlow 1."""

import logging
import subprocess
import sys

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from estimator_lab.tf1.old_behaviour import first_worker_as_chief

pytestmark = pytest.mark.both


@pytest.mark.parametrize('size', [True, np.bool_(True), 1.0, np.float32(1)])
def test_truth_values_and_whole_floats_are_dimensions(size, graph):
    variable = tf.get_variable('w', shape=[2, size])
    assert variable.shape.as_list() == [2, 1]
    assert tf.placeholder(tf.float32, [None, size]).shape.as_list() == [None, 1]
    assert tf.io.FixedLenFeature([size], tf.float32)
    for other in (1.5, float('nan'), 'x', [1]):
        with pytest.raises((TypeError, ValueError)):
            tf.get_variable('v', shape=[2, other])


@pytest.mark.parametrize(
    ('steps', 'warns'),
    [((1, 2, 3), False), ((1, 2, 2, 3, 3, 4), False), ((1, 2, 2, 2), True), ((None, 0, 0, 0), True)],
)
def test_the_step_stands_still_only_if_it_is_equal_three_times(steps, warns, caplog):
    hook = tf.train.StepCounterHook(every_n_steps=1000)
    hook._timer.should_trigger_for_step = lambda step: False
    tf.get_logger().propagate = True
    with caplog.at_level(logging.WARNING, logger='tensorflow'):
        for step in steps:
            if step is not None:
                hook.after_run(None, tf.train.SessionRunValues(step, None, None))
    assert ('has not been increased' in caplog.text) == warns


WORKERS = {'worker': ['a:1', 'b:1'], 'ps': ['c:1']}
CHIEF_AND_WORKER = {'chief': ['a:1'], 'worker': ['b:1'], 'ps': ['c:1']}


@pytest.mark.parametrize(
    ('cluster', 'task', 'cluster_then', 'task_then'),
    [
        (WORKERS, ('worker', 0), CHIEF_AND_WORKER, ('chief', 0)),
        (WORKERS, ('worker', 1), CHIEF_AND_WORKER, ('worker', 0)),
        (WORKERS, ('ps', 0), CHIEF_AND_WORKER, ('ps', 0)),
        ({'worker': ['a:1']}, ('worker', 0), {'chief': ['a:1']}, ('chief', 0)),
        (CHIEF_AND_WORKER, ('worker', 0), CHIEF_AND_WORKER, ('worker', 0)),
        (
            {'master': ['m:1'], 'worker': ['a:1']},
            ('worker', 0),
            {'master': ['m:1'], 'worker': ['a:1']},
            ('worker', 0),
        ),
        ({'ps': ['c:1']}, ('ps', 0), {'ps': ['c:1']}, ('ps', 0)),
    ],
)
def test_the_first_worker_is_the_chief_of_a_cluster_without_one(cluster, task, cluster_then, task_then):
    """As tf.distribute reads it."""
    config = {'cluster': cluster, 'task': dict(zip(('type', 'index'), task, strict=True)), 'more': 1}
    then = {'cluster': cluster_then, 'task': dict(zip(('type', 'index'), task_then, strict=True)), 'more': 1}
    assert first_worker_as_chief(config) == then
    assert first_worker_as_chief({'cluster': cluster}) == {'cluster': cluster}


def test_arrays_are_queued_as_they_are():
    from tensorflow_estimator.python.estimator.inputs.queues import feeding_functions

    with tf.Graph().as_default():
        queue = feeding_functions._enqueue_data(np.arange(6.0).reshape(3, 2), 9, enqueue_size=3, num_epochs=1)
        rows = queue.dequeue_up_to(9)
        with tf.train.MonitoredSession() as session:
            assert session.run(rows)[1].tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.slow
def test_the_logger_of_tensorflow_has_its_old_name():
    assert tf.logging._logger is logging.getLogger('tensorflow')
    with pytest.raises(AttributeError, match="no attribute '_loger'"):
        _ = tf.logging._loger


def test_a_program_may_define_flags_that_absl_logging_has():
    program = """
from estimator_lab.tf1 import tf

tf.app.flags.DEFINE_string('log_dir', './logs', '')
tf.flags.DEFINE_integer('v', 3, '')
tf.flags.FLAGS(['program', '--v=5'])
print(tf.flags.FLAGS.log_dir, tf.flags.FLAGS.v)
tf.flags.DEFINE_string('own', '', '')
try:
    tf.flags.DEFINE_string('own', '', '')
except Exception as error:
    print(type(error).__name__)
"""
    assert subprocess.check_output([sys.executable, '-c', program], text=True).split() == [
        './logs',
        '5',
        'DuplicateFlagError',
    ]
