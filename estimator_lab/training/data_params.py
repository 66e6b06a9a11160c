"""How the examples of a run become arrays, and what the data decides about its model."""

from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.data.images.kind import ImageShape
from estimator_lab.data.kind import Kind, Reader, ReaderOptions
from estimator_lab.data.order.archives import distinct_examples
from estimator_lab.runs.record import Record
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.settings import Settings

Say = Callable[[str], None]


def image_shape(settings: Settings) -> ImageShape:
    """Returns the shape to which images are scaled."""
    return ImageShape(settings.image_size, settings.image_size, settings.channels)


def data_params(kind: Kind, settings: Settings, inputs: Inputs, previous: Record | None) -> dict[str, Any]:
    """Returns the parameters that the data decides, by name.

    Args:
      kind: of the examples.
      settings: of the run.
      inputs: what it trains on.
      previous: the record of model_dir; None for a new one.

    Raises:
      FlagError: they can't be found with these settings.
      DataError: the data, or what model_dir holds of it, can't be read.
    """
    train = inputs.train
    if previous is not None and previous.kind == kind.name:
        of_kind = kind.restore(settings.model_dir)
    else:
        of_kind = kind.data_params(settings, lambda: train.order().epoch(0), train.total)
    return {'image_shape': tuple(image_shape(settings)), 'vocabulary': inputs.labels, **of_kind}


def make_reader(
    kind: Kind, settings: Settings, params: dict[str, Any], inputs: Inputs, several: Sequence[Inputs]
) -> Reader:
    """Returns how the examples of a run become arrays.

    Args:
      kind: of the examples.
      settings: of the run.
      params: as `data_params` gives them.
      inputs: what the last phase trains on.
      several: what all phases train and evaluate on.
    """
    options = ReaderOptions(
        image_shape=image_shape(settings),
        decode=settings.decode,
        augment=settings.augment,
        seed=settings.seed,
        cache_megabytes=settings.decoded_cache,
        examples=distinct_examples(archives for inputs_ in several for archives in inputs_.archives),
        tokens=params.get('tokens', ()),
        vocabulary=inputs.vocabulary,
    )
    return kind.reader(options)
