"""What TensorFlow's own classes accepted or did in TensorFlow 1."""

import logging

import numpy as np
import pytest

from estimator_lab.tf1 import tf


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
