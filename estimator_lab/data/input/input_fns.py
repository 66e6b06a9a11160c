"""Input functions: batches of examples -> tf.data, by `Dataset.from_generator`."""

import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from estimator_lab.base.errors import FlagError
from estimator_lab.base.interrupts import until_stopped
from estimator_lab.base.keys import KEY, WEIGHT
from estimator_lab.base.shares import EVERY, Slice
from estimator_lab.data.archives.order import IndexedOrder, Order
from estimator_lab.data.archives.places import ENDLESS, unpack
from estimator_lab.data.examples.kind import Arrays, Reader, Signature
from estimator_lab.data.examples.labels import UNKNOWN_ID, Vocabulary
from estimator_lab.data.examples.member import Member
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.batches import Batch, Grouping, read_batches
from estimator_lab.data.input.stream_settings import LOG, StreamSettings
from estimator_lab.tf1 import Features, Tensor, keep_freed_memory, tf

InputFn = Callable[[], Any]

_WORKERS = 'chief', 'master', 'worker'
_PREFETCHED_BATCHES = 2
# Batches that are handed to TensorFlow together: the overhead, mostly of waking threads, is as for one.
_MOST_AT_ONCE = 16
_BYTES_AT_ONCE = 4 * 2**20
_CAST_AT_ONCE = 2  # batches whose bytes become floats, which is many times faster than decoding


@dataclass(frozen=True)
class Epochs:
    """Batches of some epochs from the beginning, as for evaluation.

    Attributes:
      order: of the members.
      batch_size: members in a batch; bad examples make a batch shorter.
      count: number of epochs; batches do not divide them.
    """

    order: Order
    batch_size: int
    count: int = 1


@dataclass(frozen=True)
class Onwards:
    """Batches without an end, as for training; or, of one of several workers, up to one.

    Attributes:
      order: of the members.
      batch_size: members in a batch; bad examples make a batch shorter.
      consumed: returns how many examples were consumed: the batches start after those.
      own: this worker's part of each global batch.
      end: position where an epoch ends; each worker gets equally many batches, the last one possibly blank.
    """

    order: Order
    batch_size: int
    consumed: Callable[[], int] = lambda: 0
    own: Slice = EVERY
    end: int = ENDLESS

    @property
    def lacks_batch(self) -> bool:
        """Whether this worker has a batch less than the first one, at the end."""
        rest = 0 if self.end == ENDLESS else self.end % self.own.group
        first, ours = (len(range(number, rest, self.own.count)) for number in (0, self.own.number))
        return math.ceil(ours / self.batch_size) < math.ceil(first / self.batch_size)


def archive_input_fn(
    span: Epochs | Onwards,
    reader: Reader,
    report: InputReport,
    vocabulary: Vocabulary | None = None,
    watch: Callable[[Batch], None] | None = None,
    raises: bool = False,
) -> InputFn:
    """Returns an input function that streams batches of examples from archives.

    Args:
      span: which batches.
      reader: how members become arrays.
      report: counts bad examples, and stores the error that ended the stream.
      vocabulary: maps labels to ids, unknown ones to -1; None for no labels, as in PREDICT.
      watch: called with each batch before TensorFlow gets it. Predictions are then in step with batches, as
        one without examples is replaced by a blank example.
      raises: whether an error that ends the stream is raised at once, as the caller of a user's own Estimator
        does not know of the report. Otherwise the stream just ends, and the caller of the Estimator calls
        `report.raise_error` afterwards: raised through TensorFlow, the error would be buried in a stack
        trace, and the steps since the last checkpoint would be lost.

    Returns:
      A function of no arguments that returns a Dataset of (features, int64 [batch]), or of the features
      alone: those of `reader.features`, for images 'image' float32 [batch, height, width, channels] in [0,
        1];
      'key' string [batch]; 'weight' float32 [batch], 0 for a blank example.
    """
    # A batch that is watched, that a pipe has sent, or for which several are read waits for no others.
    own = span.own if isinstance(span, Onwards) else None
    is_alone = watch or (own and own.turns) or not span.order.is_stored
    at_once = 1 if is_alone else _batches_at_once(reader.signature, span.batch_size)
    batches = _Batches(span, reader, report, vocabulary.ids if vocabulary else {}, at_once)

    def elements() -> Iterator[tuple[Any, ...]]:
        """Yields arrays, keys, weights and class ids of equal batches until the end, or an error.

        A batch whose members are all bad is left out of an evaluation. In training it becomes one blank
        example, so that each step has the members of its own place.
        """
        keep_freed_memory()
        blank = reader.blank if own or watch else None
        for batch in report.until_error(batches):
            if watch:
                watch(batch)
            for element in _elements_of(batch, span.batch_size, blank):
                yield element if at_once > 1 else tf.nest.map_structure(lambda array: array[0], element)
        if raises:
            report.raise_error()
        if isinstance(span, Onwards) and span.lacks_batch:
            (element,) = _blank_elements(reader.blank, 1)
            yield element if at_once > 1 else tf.nest.map_structure(lambda array: array[0], element)

    return lambda: _dataset(elements, reader, labelled=vocabulary is not None, at_once=at_once)


@dataclass(frozen=True)
class _Batches:
    """The batches of an input function, in groups of up to `at_once`."""

    span: Epochs | Onwards
    reader: Reader
    report: InputReport
    class_ids: Mapping[str, int]
    at_once: int

    def __iter__(self) -> Iterator[Batch]:
        span = self.span
        if isinstance(span, Epochs):
            members = itertools.chain.from_iterable(map(span.order.epoch, range(span.count)))
            return until_stopped(self._read(members, whole_only=False))
        if isinstance(span.order, IndexedOrder) and span.own.count == 1 and self.reader.keeps_all:
            return until_stopped(self._from_memory(span.order, span.consumed()))
        batches = self._read(span.order.onwards(span.consumed(), span.own, span.end))
        # After a signal, the chief ends a synchronous step only if the other workers take part in it.
        return batches if span.own.number and not span.own.turns else until_stopped(batches)

    def _read(self, members: Iterable[Member], whole_only: bool = True) -> Iterator[Batch]:
        grouping = Grouping(self.at_once, whole_only)
        return read_batches(members, self.span.batch_size, self.reader, self.report, self.class_ids, grouping)

    def _from_memory(self, order: IndexedOrder, start: int) -> Iterator[Batch]:
        """Yields the batches of the order from position `start` on.

        They are read as usual up to the end of the first whole epoch. If no example was bad, they are then in
        memory, and are taken from there without looking at members, in half of the time.
        """
        size, batch_size = max(len(order.stored), 1), self.span.batch_size
        end = (math.ceil(start / size) + 1) * size
        first = math.ceil((end - start) / batch_size) * batch_size
        yield from self._read(itertools.islice(order.onwards(start), first))
        members = list(order.stored.members(np.arange(size)))
        examples = self.reader.in_memory(members)
        if examples is None:
            yield from self._read(order.onwards(start + first))
            return
        keys, labels = [member.key for member in members], [member.label for member in members]
        ids = np.array([self.class_ids.get(label, UNKNOWN_ID) for label in labels], np.int64)
        groups = order.places.batches(start + first, own=Slice(group=batch_size * self.at_once))
        for group in itertools.chain.from_iterable(groups):
            _, numbers = unpack(group, size)
            chosen = numbers.tolist()
            self.report.count(len(chosen))
            arrays = self.reader.collate([examples[n] for n in chosen])
            yield Batch(
                arrays,
                [labels[number] for number in chosen],
                [keys[number] for number in chosen],
                ids[numbers],
            )


class InputFunction:
    """An input function for `tf.estimator.Estimator`; made by `estimator_lab.api.input_fn`.

    Each call returns a new Dataset, which begins at the first epoch. An Estimator with a strategy for several
    workers gives each its `input_context`: together they read each image once an epoch.

    Attributes:
      labels: the vocabulary, label texts in the order of their class ids; () without labels.
      size: number of examples in an epoch; None if unknown, as for a pipe.
    """

    def __init__(self, settings: StreamSettings, labelled: bool = True) -> None:
        self._settings = settings
        self._data = settings.open()
        self.size: int | None = self._data.total
        labels = settings.vocabulary_of(self._data)
        if labelled and not labels:
            names = ', '.join(self._data.paths)
            raise FlagError(f'The labels of {names} are unknown: give vocabulary, or labelled=False.')
        self._vocabulary = Vocabulary(labels) if labelled else None
        self.labels: tuple[str, ...] = labels if labelled else ()

    def __call__(self, input_context: Any = None) -> Any:
        """Returns a Dataset of (features, class ids), as `estimator_lab.api.input_fn` describes them.

        Args:
          input_context: the `tf.distribute.InputContext` of one of several workers, by which they divide each
            global batch; `batch_size` is that of a replica. None for all images.

        Raises:
          FlagError: several workers would divide a pipe.
        """
        settings, data, epochs = self._settings, self._data, self._settings.epochs
        workers = 1 if input_context is None else input_context.num_input_pipelines
        if input_context is None and _workers_in_cluster() > 1:
            LOG.warning(
                'api.input_fn: each of the workers in TF_CONFIG reads all images in the same order. An '
                'Estimator with a strategy divides them, by the input_context of its input function.'
            )
        order, batch_size = settings.order_of(data, workers), settings.batch_size or 1
        span: Epochs | Onwards = Onwards(order, batch_size)
        if workers > 1:
            if data.total is None:
                raise FlagError(f'{", ".join(data.paths)} can be read only once, and not by several workers.')
            group = batch_size * max(input_context.num_replicas_in_sync, workers)
            own = Slice(input_context.input_pipeline_id, workers, group)
            end = ENDLESS if epochs is None else epochs * data.total
            span = Onwards(order, batch_size, own=own, end=end)
        elif epochs is not None:
            span = Epochs(order, batch_size, epochs)
        reader, report = settings.reader(), settings.report_on(data.kind, data.total)
        return archive_input_fn(span, cast(ImageReader, reader), report, self._vocabulary, raises=True)()


def _workers_in_cluster() -> int:
    """Returns how many workers TF_CONFIG names, if this process is one of them; else 0."""
    try:
        given = json.loads(os.environ.get('TF_CONFIG') or '{}')
        is_worker = given['task']['type'] in _WORKERS
        return is_worker * sum(len(tasks) for job, tasks in given['cluster'].items() if job in _WORKERS)
    except (ValueError, TypeError, LookupError, AttributeError):
        return 0  # RunConfig says what is wrong


def placeholders(reader: Reader) -> dict[str, Tensor]:
    """Returns placeholders for the arrays of a reader."""
    return {
        name: tf.placeholder(tf.as_dtype(array.type), [None, *array.shape])
        for name, array in reader.signature.items()
    }


def placeholder_features(reader: Reader) -> Features:
    """Returns placeholders for features, for a network that is built without data."""
    return reader.features(placeholders(reader))


def _batches_at_once(signature: Mapping[str, Signature], batch_size: int) -> int:
    """Returns how many batches are handed to TensorFlow together; one if their sizes vary."""
    if any(None in array.shape for array in signature.values()):
        return 1
    example = sum(
        math.prod(filter(None, array.shape)) * np.dtype(array.type).itemsize for array in signature.values()
    )
    return min(max(_BYTES_AT_ONCE // (example * batch_size), 1), _MOST_AT_ONCE)


def _elements_of(
    group: Batch, batch_size: int, blank: Callable[[], Arrays] | None
) -> Iterator[tuple[Any, ...]]:
    """Yields arrays, keys, weights and class ids of equal batches; `blank` for one without examples.

    All arrays are new: TensorFlow may take them as they are, and write later results into their memory.
    """
    keys = np.array([key.encode('utf-8', 'surrogateescape') for key in group.keys], object)
    for rows, count in _equal_batches(group, batch_size):
        if rows.start < rows.stop:
            arrays = {name: _divided(array[rows], count) for name, array in group.data.items()}
            weights = np.ones(rows.stop - rows.start, np.float32)
            yield (
                arrays,
                *(_divided(column, count) for column in (keys[rows], weights, group.class_ids[rows])),
            )
        elif blank:
            yield from _blank_elements(blank, count)


def _blank_elements(blank: Callable[[], Arrays], count: int) -> Iterator[tuple[Any, ...]]:
    """Yields `count` batches of one blank example."""
    for _ in range(count):
        arrays = {name: array[np.newaxis] for name, array in blank().items()}
        key, no_weight = np.array([[b'']], object), np.zeros([1, 1], np.float32)
        yield arrays, key, no_weight, np.full([1, 1], UNKNOWN_ID, np.int64)


def _equal_batches(group: Batch, batch_size: int) -> Iterator[tuple[slice, int]]:
    """Yields the rows of consecutive batches of one size in a group of batches, and how many they are."""
    members = len(group.keys) + len(group.bad)
    sizes = [min(batch_size, members - first) for first in range(0, members, batch_size)]
    for bad in group.bad:
        sizes[bad.place // batch_size] -= 1
    start = 0
    for size, equal in itertools.groupby(sizes):
        count = len(list(equal))
        yield slice(start, start := start + size * count), count


def _divided(array: np.ndarray, count: int) -> np.ndarray:
    """Returns the rows of `count` batches as [count, rows of a batch, ...]."""
    return array.reshape(count, len(array) // count, *array.shape[1:])


def _dataset(elements: Callable[[], Iterator[Any]], reader: Reader, labelled: bool, at_once: int) -> Any:
    """Returns a Dataset of batches; several equal ones are handed to TensorFlow as one array.

    Large batches go alone, without a dimension that would have to be taken off again: of 32 colour images of
    224x224 pixels, that takes a twentieth of the time.
    """

    def batches(*columns: Any) -> Any:
        return tf.data.Dataset.from_tensor_slices(columns)  # without a copy

    def example(arrays: Any, keys: Tensor, weights: Tensor, labels: Tensor) -> Any:
        features: Features = {**reader.features(arrays), KEY: keys, WEIGHT: weights}
        return (features, labels) if labelled else features

    types = {name: tf.as_dtype(array.type) for name, array in reader.signature.items()}
    rows = [None, None] if at_once > 1 else [None]
    shapes = {name: [*rows, *array.shape] for name, array in reader.signature.items()}
    with tf.name_scope('input'):
        dataset = tf.data.Dataset.from_generator(
            elements, (types, tf.string, tf.float32, tf.int64), (shapes, rows, rows, rows)
        )
        as_it_is = tf.autograph.experimental.do_not_convert
        if at_once > 1:
            dataset = dataset.flat_map(as_it_is(batches))
        # Prefetched last, so that a training step finds floats.
        dataset = dataset.map(as_it_is(example), num_parallel_calls=_CAST_AT_ONCE).prefetch(
            _PREFETCHED_BATCHES
        )
        # TensorFlow's tuner sleeps, each time twice as long, up to a minute. A session that closes, or an
        # iterator that is initialised again, sometimes fails to wake it, and waits.
        options = tf.data.Options()
        options.autotune.enabled = False
        return dataset.with_options(options)
