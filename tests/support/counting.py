"""A training loop that only counts its steps, for tests of hooks."""

from estimator_lab.tf1 import tf


def run_steps(hooks, steps=None):
    """Runs the loop; returns the last global step."""
    with tf.Graph().as_default():
        step = tf.train.create_global_step()
        tf.add_to_collection(tf.GraphKeys.LOSSES, tf.constant(0.25))
        count = tf.assign_add(step, 1)
        stop = [tf.train.StopAtStepHook(steps)] if steps else []
        with tf.train.MonitoredSession(hooks=[*hooks, *stop]) as session:
            while not session.should_stop():
                last = session.run(count)
        return last
