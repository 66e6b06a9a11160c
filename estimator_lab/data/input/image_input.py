"""Input functions for Estimators of the user's own, over archives and folders of images."""

from typing import Any, cast

from estimator_lab.base.errors import FlagError
from estimator_lab.data.examples.labels import Vocabulary
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.input.input_fns import archive_input_fn
from estimator_lab.data.input.stream_settings import StreamSettings


class InputFunction:
    """An input function for `tf.estimator.Estimator`; made by `estimator_lab.api.input_fn`.

    Each call returns a new Dataset, which begins at the first epoch.

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

    def __call__(self) -> Any:
        """Returns a Dataset of (features, class ids), as `estimator_lab.api.input_fn` describes them."""
        settings, data = self._settings, self._data
        return archive_input_fn(
            settings.order_of(data),
            cast(ImageReader, settings.reader()),
            settings.batch_size or 1,
            settings.report_on(data, raises=True),
            self._vocabulary,
            consumed=(lambda: 0) if settings.epochs is None else None,
            epochs=settings.epochs or 1,
        )()
