"""``tf.contrib.training.batch_sequences_with_states``: long sequences in segments that hand their state on.

A barrier holds the segments by key. A segment is complete, and can be taken, when its states are there: those
of a first segment at once, those of another when `save_state` of the segment before it has run.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from estimator_lab.tf1 import tf

_Tensors = Mapping[str, Any]
_FIELDS = ('sequence', 'sequence_count', 'next_key', 'length', 'total_length')


class NextQueuedSequenceBatch:
    """A batch of segments.

    Attributes:
      key: of the segments, '00000_of_00002:key'; string [batch].
      next_key: of the segments that follow, or 'STOP:key'.
      sequence: the numbers of the segments in their sequences, and `sequence_count`, the number of each
        sequence's segments; int32 [batch].
      length: of the segments, at most `num_unroll`, and `total_length`, of their sequences; int32 [batch].
      insertion_index: increases with each sequence that is read; int64 [batch].
      batch_size: int32 scalar.
      context: {name: [batch, ...]}.
      sequences: {name: [batch, num_unroll, ...]}.
    """

    def __init__(self, barrier: Any, running: Any, names: list[str], taken: Any) -> None:
        self._barrier = barrier
        self._names = names
        self.insertion_index, self.key, values = taken
        fields = dict(zip(names, values, strict=True))
        self.sequence, self.sequence_count, self.next_key, self.length, self.total_length = (
            fields[name] for name in _FIELDS
        )
        self.batch_size = tf.size(self.length)
        self.context, self.sequences, states = (
            {name.partition(':')[2]: value for name, value in fields.items() if name.startswith(f'{kind}:')}
            for kind in ('context', 'sequence', 'state')
        )
        self._goes_on = tf.less(self.sequence + 1, self.sequence_count)
        ended = tf.reduce_sum(tf.cast(tf.logical_not(self._goes_on), tf.int32))
        with tf.control_dependencies([running.dequeue_many(ended)]):
            self._states = {name: tf.identity(value) for name, value in states.items()}

    def state(self, state_name: str) -> Any:
        """Returns the states before these segments, [batch, ...].

        Raises:
          KeyError: there is no such state.
        """
        return self._states[state_name]

    def save_state(self, state_name: str, value: Any, name: str | None = None) -> Any:
        """Returns the operation that hands the states after these segments on; each batch must run it.

        Raises:
          KeyError: there is no such state.
        """
        if state_name not in self._states:
            raise KeyError(f'state was not declared: {state_name}')
        with tf.name_scope(name, 'InputQueueingStateSaver_SaveState', [value]):
            kept = tf.ensure_shape(value, self._states[state_name].shape)
            return self._barrier.insert_many(
                self._names.index(f'state:{state_name}'),
                tf.boolean_mask(self.next_key, self._goes_on),
                tf.boolean_mask(kept, self._goes_on),
            )


def batch_sequences_with_states(
    input_key: Any,
    input_sequences: _Tensors,
    input_context: _Tensors,
    input_length: Any,
    initial_states: _Tensors,
    num_unroll: int,
    batch_size: Any,
    num_threads: int = 3,
    capacity: int = 1000,
    allow_small_batch: bool = True,
    pad: bool = True,
    make_keys_unique: bool = False,
    make_keys_unique_seed: int | None = None,
    name: str | None = None,
) -> NextQueuedSequenceBatch:
    """Splits each sequence into segments of `num_unroll` steps, and returns a batch of segments.

    Sequences are [length, ...], padded to a multiple of `num_unroll` unless `pad` is false. States, and the
    context, which each segment repeats, have no batch axis. Keys of sequences that are read at a time differ.
    At the end of the input, segments that do not fill a batch come as a small one if that is allowed and was
    not asked for before the end was known.

    Raises:
      TypeError: for sparse tensors: use tf.sparse.to_dense.
      ValueError: there is no state, or no sequence, or the capacity is below the size of a batch.
    """
    if not initial_states or not input_sequences:
        raise ValueError('initial_states and input_sequences may not be empty.')
    if not tf.is_tensor(batch_size) and capacity < batch_size:
        raise ValueError(f'capacity {capacity} needs to be >= batch_size {batch_size}')
    given = [*input_sequences.values(), *input_context.values()]
    if any(isinstance(each, tf.SparseTensor) for each in given):
        raise TypeError('Sparse tensors are not supported: use tf.sparse.to_dense.')
    with tf.name_scope(name, 'batch_sequences_with_states', given):
        sequences = {key: tf.convert_to_tensor(value) for key, value in sorted(input_sequences.items())}
        context = {key: tf.convert_to_tensor(value) for key, value in sorted(input_context.items())}
        states = {key: tf.convert_to_tensor(value) for key, value in sorted(initial_states.items())}
        length = tf.shape(next(iter(sequences.values())))[0]
        same = [tf.assert_equal(tf.shape(value)[0], length) for value in sequences.values()]
        if not pad:
            same.append(tf.assert_equal(length % num_unroll, 0, message='Consider setting pad=True.'))
        with tf.control_dependencies(same):
            padded = tf.identity(length + -length % num_unroll)
        total = length if input_length is None else tf.cast(input_length, tf.int32)
        with tf.control_dependencies([tf.assert_less_equal(total, padded)]):
            total = tf.identity(total)
        if make_keys_unique:
            number = tf.random_uniform((), 0, 100_000_000, tf.int32, make_keys_unique_seed)
            input_key = tf.strings.join([input_key, tf.as_string(number)])
        count = padded // num_unroll
        number = tf.range(count)
        texts = [tf.as_string(each, width=5, fill='0') for each in (number, count)]
        keys = tf.strings.join([texts[0], '_of_', texts[1], ':', input_key])
        columns = {
            'sequence': number,
            'sequence_count': tf.fill([count], count),
            'next_key': tf.concat([keys[1:], [tf.strings.join(['STOP:', input_key])]], 0),
            'length': tf.clip_by_value(total - num_unroll * number, 0, num_unroll),
            'total_length': tf.fill([count], total),
            **{
                f'context:{key}': tf.broadcast_to(value, tf.concat([[count], tf.shape(value)], 0))
                for key, value in context.items()
            },
            **{
                f'sequence:{key}': _segments(value, padded - length, num_unroll)
                for key, value in sequences.items()
            },
            **{f'state:{key}': value[tf.newaxis] for key, value in states.items()},
        }
        data_flow: Any = importlib.import_module('tensorflow.python.ops.data_flow_ops')
        shapes = [column.shape[1:] for column in columns.values()]
        barrier = data_flow.Barrier([column.dtype for column in columns.values()], shapes)
        running = tf.FIFOQueue(capacity, [tf.int32], [[]])  # one item for each sequence with segments
        names = [*columns]
        inserts = [
            barrier.insert_many(names.index(each), keys, column)
            for each, column in columns.items()
            if not each.startswith('state:')
        ]
        # All segments of a sequence get one place in the order, by the insertion of their numbers.
        with tf.control_dependencies([inserts[0], running.enqueue([0])]):
            inserts += [
                barrier.insert_many(names.index(f'state:{key}'), keys[:1], columns[f'state:{key}'])
                for key in states
            ]
        close = tf.group(barrier.close(), running.close())
        # Nothing waits for the barrier; to close it again, as for a cancellation, may never return.
        cancel = running.close(cancel_pending_enqueues=True)
        closed = (tf.errors.OutOfRangeError, tf.errors.CancelledError)
        runner = tf.train.QueueRunner(running, [tf.group(*inserts)] * num_threads, close, cancel, closed)
        tf.train.add_queue_runner(runner)
        ready = tf.cast(barrier.ready_size(), tf.float32)
        tf.summary.scalar(f'queue/{barrier.name}/ready_segment_batches_', ready)
        taken = barrier.take_many(batch_size, allow_small_batch)
        return NextQueuedSequenceBatch(barrier, running, names, taken)


def _segments(value: Any, missing: Any, num_unroll: int) -> Any:
    """Returns [count, num_unroll, ...] of [length, ...] and zeros, or empty text."""
    inner = value.shape.as_list()[1:]
    return tf.reshape(tf.pad(value, [[0, missing], *[[0, 0] for _ in inner]]), [-1, num_unroll, *inner])
