"""tf.contrib.training.batch_sequences_with_states at its end; test_golden.py has its numbers."""

import pytest

from estimator_lab.contrib.state_saver import batch_sequences_with_states
from estimator_lab.tf1 import tf

LENGTHS = [5, 1, 7, 2, 4]  # of 2, 1, 3, 1 and 2 segments
STEPS = 3


@pytest.mark.parametrize('allow_small_batch', [True, False])
def test_each_sequence_is_taken_to_its_end_and_then_the_input_ends(allow_small_batch):
    """The state is the sum of the steps so far: that of a sequence of n ones is n after its last segment."""
    with tf.Graph().as_default():
        (length,) = tf.train.slice_input_producer([LENGTHS], num_epochs=1, shuffle=False)
        batch = batch_sequences_with_states(
            input_key=tf.as_string(length),
            input_sequences={'ones': tf.ones([length])},
            input_context={'length': length},
            input_length=length,
            initial_states={'sum': tf.constant(0.0)},
            num_unroll=STEPS,
            batch_size=2,
            capacity=4,
            allow_small_batch=allow_small_batch,
        )
        sums = batch.state('sum') + tf.reduce_sum(batch.sequences['ones'], 1)
        wanted = [batch.key, batch.next_key, batch.context['length'], sums, batch.save_state('sum', sums)]
        keys, totals = [], {}
        with tf.train.MonitoredSession() as session:
            while not session.should_stop():
                taken, followers, lengths, values, _ = session.run(wanted)
                keys.extend(taken)
                ended = [follower.startswith(b'STOP:') for follower in followers]
                totals |= {n: total for n, total, last in zip(lengths, values, ended, strict=True) if last}
    assert len(keys) == len(set(keys))
    assert all(total == n for n, total in totals.items())
    # Nine segments are four batches of two, and a small one, unless it was waited for before the input ended.
    assert len(keys) == 8 or (allow_small_batch and len(keys) == 9)
    assert len(totals) >= 4
