"""Inputs of the Estimators of ``tf.contrib.learn``: arrays, files of records by queues, and serving."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from estimator_lab.contrib.columns import real_valued_column
from estimator_lab.tf1 import Features, Tensor, tf

# As in 1.15, these shuffle unless the program says otherwise.
numpy_input_fn = functools.partial(tf.estimator.inputs.numpy_input_fn, shuffle=True)
pandas_input_fn = functools.partial(tf.estimator.inputs.pandas_input_fn, shuffle=True)


class InputFnOps(NamedTuple):
    """What an input function for serving returns.

    `features` are the model's; `default_inputs` are the placeholders that they are made of, by name.
    """

    features: Features
    labels: Tensor
    default_inputs: Any


def array_input_fn(x: Any, y: Any, batch_size: int | None, is_training: bool) -> Callable[[], Any]:
    """Returns an input function for arrays [examples, ...], or mappings of them.

    Raises:
      ValueError: if there is no `x`.
    """
    if x is None:
        raise ValueError('Give either x or input_fn.')
    features = x if isinstance(x, Mapping) else np.asarray(x)
    labels = y if y is None or isinstance(y, Mapping) else np.asarray(y)
    length = len(next(iter(features.values())) if isinstance(features, Mapping) else features)
    made = tf.estimator.inputs.numpy_input_fn(
        features,
        labels,
        batch_size or length,
        num_epochs=None if is_training else 1,
        shuffle=is_training and batch_size is not None,  # else a batch would not have each example once
    )
    return cast(Callable[[], Any], made)


def infer_real_valued_columns_from_input(x: Any) -> list[Any]:
    """Returns a numeric column for each of the arrays [examples, n] or [examples]."""
    arrays = x if isinstance(x, Mapping) else {'': np.asarray(x)}
    return [
        real_valued_column(name, 1 if array.ndim == 1 else array.shape[1]) for name, array in arrays.items()
    ]


def build_parsing_serving_input_fn(
    feature_spec: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], InputFnOps]:
    """Returns a function for serving that parses tf.train.Example, named `examples`."""

    def input_fn() -> InputFnOps:
        examples = tf.placeholder(tf.string, [default_batch_size], 'input_example_tensor')
        return InputFnOps(tf.parse_example(examples, feature_spec), None, {'examples': examples})

    return input_fn


def read_keyed_batch_examples(
    file_pattern: str | Sequence[str],
    batch_size: int,
    reader: Callable[[], Any],
    randomize_input: bool = True,
    num_epochs: int | None = None,
    queue_capacity: int = 10000,
    num_threads: int = 1,
    read_batch_size: int = 1,
    parse_fn: Callable[[Tensor], Tensor] | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> tuple[Any, Any]:
    """Returns the next batch of records of files by queues: keys, text [batch], and records.

    Records are text [batch], or what `parse_fn` makes of one (of `read_batch_size`, if that is more than 1).
    Queue runners must be started, and with `num_epochs` local variables initialized; an Estimator does both.

    Raises:
      ValueError: if no file matches, or the batch is not smaller than the queue.
    """
    patterns = [file_pattern] if isinstance(file_pattern, str) else file_pattern
    files = [file for pattern in patterns for file in sorted(tf.gfile.Glob(pattern))]
    if not files:
        raise ValueError(f'No files match {file_pattern}.')
    if not 0 < batch_size < queue_capacity:
        raise ValueError(f'Invalid batch_size {batch_size}, with queue_capacity {queue_capacity}.')
    several = read_batch_size > 1
    settings = {'enqueue_many': several, 'allow_smaller_final_batch': num_epochs is not None}
    with tf.name_scope(name, 'read_batch_examples'):
        queue = tf.train.string_input_producer(files, num_epochs, randomize_input, seed)
        examples = []
        for _ in range(num_threads):
            read = reader()
            keys, records = read.read_up_to(queue, read_batch_size) if several else read.read(queue)
            examples.append((keys, parse_fn(records) if parse_fn else records))
        flat = [tf.nest.flatten(each) for each in examples]
        if randomize_input:
            least = max(queue_capacity - 3 * batch_size, batch_size)
            batch = tf.train.shuffle_batch_join(flat, batch_size, queue_capacity, least, seed, **settings)
        else:
            batch = tf.train.batch_join(flat, batch_size, queue_capacity, **settings)
        return cast(tuple[Any, Any], tf.nest.pack_sequence_as(examples[0], batch))


def read_batch_examples(*args: Any, **settings: Any) -> Any:
    """Returns the records of `read_keyed_batch_examples`."""
    return read_keyed_batch_examples(*args, **settings)[1]


def read_keyed_batch_features(
    file_pattern: str | Sequence[str],
    batch_size: int,
    features: Mapping[str, Any],
    reader: Any,
    *args: Any,
    **more: Any,
) -> tuple[Any, Any]:
    """Returns keys and parsed features {name: tensor} of the next batch of tf.train.Examples.

    1.15 puts them in a second queue, whose settings have no effect.
    """
    more['num_threads'] = more.pop('reader_num_threads', 1)
    more['read_batch_size'] = more.pop('read_batch_size', None) or batch_size
    kept = {key: more[key] for key in more if key not in ('feature_queue_capacity', 'num_enqueue_threads')}
    keys, records = read_keyed_batch_examples(file_pattern, batch_size, reader, *args, **kept)
    return keys, tf.parse_example(records, features)


def read_batch_features(*args: Any, **settings: Any) -> Any:
    """Returns the features of `read_keyed_batch_features`."""
    return read_keyed_batch_features(*args, **settings)[1]


def read_batch_record_features(
    file_pattern: Any, batch_size: int, features: Mapping[str, Any], *args: Any, **more: Any
) -> Any:
    """Returns the features of `read_keyed_batch_features` for TFRecord files."""
    return read_batch_features(file_pattern, batch_size, features, tf.TFRecordReader, *args, **more)
