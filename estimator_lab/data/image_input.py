"""Input functions for Estimators of the user's own, over archives and folders of images."""

import itertools
import logging
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.data.archives import Archives
from estimator_lab.data.bad_examples import BadExamples, InputReport
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.input_fns import archive_input_fn
from estimator_lab.data.labels import Vocabulary
from estimator_lab.data.member import Member
from estimator_lab.data.order import ONLY_WORKER, Order, Part, WorkerShard
from estimator_lab.data.stream import StreamSettings

T = TypeVar('T')

_LOG = logging.getLogger('estimator_lab')


class InputFunction:
    """An input function for `tf.estimator.Estimator`; made by `estimator_lab.api.input_fn`.

    Each call returns a new Dataset, which begins at the first epoch.

    Attributes:
      labels: the vocabulary, label texts in the order of their class ids; () without labels.
      size: number of examples in an epoch; None if unknown, as for a pipe.
    """

    def __init__(self, settings: StreamSettings, labelled: bool = True) -> None:
        self._settings = settings
        whole = settings.open()
        self._archives = whole.restricted_to(Part(*settings.split))
        self.size: int | None = self._archives.total
        if self.size == 0:
            raise DataError(f'split={settings.split} leaves no image of {", ".join(whole.paths)}.')
        self._vocabulary = _vocabulary(settings, whole) if labelled else None
        self.labels: tuple[str, ...] = self._vocabulary.labels if self._vocabulary else ()

    def __call__(self) -> Any:
        """Returns a Dataset of (features, class ids), as `estimator_lab.api.input_fn` describes them."""
        settings, archives = self._settings, self._archives
        order = archives.order(settings.shuffle_buffer if settings.shuffle else 1, settings.seed)
        resume = None
        if settings.epochs is None:
            resume = _from_the_beginning
        elif settings.epochs > 1:
            order = _Epochs(order, settings.epochs)
        bad = BadExamples(archives.kind, settings.max_bad_fraction, archives.total)
        report = _RaisedReport(archives.kind, _LOG.warning, archives.total or 0, bad)
        reader = cast(ImageReader, settings.reader())
        batch_size = settings.batch_size or 1
        return archive_input_fn(order, reader, batch_size, report, self._vocabulary, resume)()


class _Epochs:
    """Several epochs of an order as one, which batches do not divide."""

    def __init__(self, order: Order, count: int) -> None:
        self._order, self._count = order, count

    def epoch(self, number: int) -> Iterator[Member]:
        """Yields the members of all epochs."""
        numbers = range(number * self._count, (number + 1) * self._count)
        return itertools.chain.from_iterable(map(self._order.epoch, numbers))

    def onwards(self, consumed: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """Yields a worker's members endlessly; see `Order.onwards`."""
        return self._order.onwards(consumed, shard)


class _RaisedReport(InputReport):
    """A report whose error is raised at once: the caller of Estimator cannot ask for it afterwards."""

    def until_error(self, batches: Iterable[T]) -> Iterator[T]:
        """Yields `batches`, and raises their error, which TensorFlow passes on."""
        yield from batches


def _vocabulary(settings: StreamSettings, archives: Archives) -> Vocabulary:
    labels = archives.labels if settings.vocabulary is None else settings.vocabulary
    if not labels:
        raise FlagError(
            f'The labels of {", ".join(archives.paths)} are unknown: give vocabulary, or labelled=False.'
        )
    return Vocabulary(labels)


def _from_the_beginning() -> int:
    return 0
