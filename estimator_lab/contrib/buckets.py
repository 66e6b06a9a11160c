"""``tf.contrib.training.bucket`` and ``bucket_by_sequence_length``: batches of examples of similar length.

One queue a bucket collects examples; one queue holds their batches. Both are filled by queue runners, which
`tf.train.start_queue_runners` starts.
"""

import importlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from estimator_lab.tf1 import Nested, Operation, Tensor, tf

# Of `tf.train.batch`: how it accepts dictionaries and sparse tensors.
_batching: Any = importlib.import_module('tensorflow.python.training.input')


def bucket(
    tensors: Nested,
    which_bucket: Tensor,
    batch_size: int | Tensor,
    num_buckets: int,
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Sequence[int] | None = None,
    shapes: Nested = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    keep_input: bool | Tensor = True,
    shared_name: str | None = None,
    name: str | None = None,
) -> tuple[Tensor, Nested]:
    """Returns (bucket, batch): the number of a bucket, int32 scalar, and examples that fell into it.

    Raises:
      ValueError: a list has not one item for each bucket.
    """
    sizes = list(batch_size) if isinstance(batch_size, list | tuple) else [batch_size] * num_buckets
    capacities = list(bucket_capacities or [capacity] * num_buckets)
    for what, values in (('batch_size', sizes), ('bucket_capacities', capacities)):
        if len(values) != num_buckets:
            raise ValueError(f'{what} has {len(values)} items, but there are {num_buckets} buckets.')
    rows = _batching._as_tensor_list(tensors)
    with tf.name_scope(name, 'bucket', rows):
        rows = [tf.convert_to_tensor_or_sparse_tensor(each) for each in rows]
        keep_input = _batching._validate_keep_input(keep_input, enqueue_many=False)
        rows, sparse = _batching._store_sparse_tensors(rows, False, keep_input)
        types, shapes = _batching._dtypes([rows]), _batching._shapes([rows], shapes, enqueue_many=False)
        queues = [
            _batching._which_queue(dynamic_pad)(
                room,
                types,
                shapes,
                shared_name=shared_name and f'{shared_name}_{n}',
                name=f'bucket_queue_{n}',
            )
            for n, room in enumerate(capacities)
        ]
        same = len({*map(id, sizes)}) == 1 and not allow_smaller_final_batch
        size = tf.get_static_value(tf.convert_to_tensor(sizes[0])) if same else None
        batched = [tf.TensorShape([size]).concatenate(shape) for shape in queues[0].shapes]
        top = tf.PaddingFIFOQueue(
            capacity, [tf.int32, *types], [tf.TensorShape([]), *batched], shared_name=shared_name, name='top'
        )

        def enqueue() -> Operation:
            return tf.group(
                *(
                    tf.cond(tf.equal(which_bucket, n), lambda queue=queue: queue.enqueue(rows), tf.no_op)
                    for n, queue in enumerate(queues)
                )
            )

        def batches(n: int) -> list[Any]:
            take = queues[n].dequeue_up_to if allow_smaller_final_batch else queues[n].dequeue_many
            taken = take(sizes[n])
            return [tf.constant(n), *(taken if isinstance(taken, list | tuple) else [taken])]

        _run(queues[0], [top.enqueue(batches(n)) for n in range(num_buckets)], [top])
        _run(top, [tf.cond(keep_input, enqueue, tf.no_op)] * num_threads, queues)
        tf.summary.scalar(f'fraction_of_{capacity}_full', tf.cast(top.size(), tf.float32) / capacity)
        number, *found = top.dequeue()
        found = _batching._restore_sparse_tensors(found[0] if len(found) == 1 else found, sparse)
        return number, _batching._as_original_type(tensors, found)


def _run(queue: Any, enqueues: Sequence[Any], filled: Sequence[Any]) -> None:
    """Adds a queue runner that closes the queues that it fills when its input ends."""
    close, cancel = (
        tf.group(*(each.close(cancel_pending_enqueues=now) for each in filled)) for now in (False, True)
    )
    closed = (tf.errors.OutOfRangeError, tf.errors.CancelledError)
    tf.train.add_queue_runner(tf.train.QueueRunner(queue, enqueues, close, cancel, closed))


def bucket_by_sequence_length(
    input_length: Tensor,
    tensors: Nested,
    batch_size: int | Tensor,
    bucket_boundaries: Sequence[int],
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Sequence[int] | None = None,
    shapes: Nested = None,
    *rest: Any,
    **more: Any,
) -> tuple[Tensor, Nested]:
    """Returns (lengths, batch): int32 [batch], and examples whose lengths are between two boundaries.

    For the arguments, see `bucket`. There is one bucket more than boundaries: a length that is a boundary
    belongs to the bucket above it.

    Raises:
      TypeError: the boundaries are not a list of integers.
      ValueError: there are none, or they do not increase.
    """
    if not isinstance(bucket_boundaries, list | tuple):
        raise TypeError(f'bucket_boundaries must be a list or tuple, but received: {bucket_boundaries}')
    if not bucket_boundaries:
        raise ValueError('bucket_boundaries must not be empty')
    if not all(isinstance(each, int) for each in bucket_boundaries):
        raise TypeError(f'bucket boundaries must be integers, but saw: {bucket_boundaries}')
    if any(first >= second for first, second in pairwise(bucket_boundaries)):
        raise ValueError(f'Buckets must contain sequential increasing lengths, but saw: {bucket_boundaries}')
    rows = _batching._as_tensor_list(tensors)
    length = tf.cast(input_length, tf.int32)
    which = tf.reduce_sum(tf.cast(length >= list(bucket_boundaries), tf.int32))
    shapes = None if shapes is None else [tf.TensorShape([]), *shapes]
    sizes = batch_size, len(bucket_boundaries) + 1, num_threads, capacity, bucket_capacities
    _, (lengths, *found) = bucket([length, *rows], which, *sizes, shapes, *rest, **more)
    return lengths, _batching._as_original_type(tensors, found)
