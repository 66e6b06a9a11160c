"""How the examples of a run become arrays, and what the data decides about its model."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from estimator_lab.console.progress import Progress
from estimator_lab.data.decoded_cache import cache_for
from estimator_lab.data.images.augment import parse_augmentation
from estimator_lab.data.images.decoders import DECODERS
from estimator_lab.data.images.kind import ImageReader
from estimator_lab.data.images.shape import ImageShape
from estimator_lab.data.kind import Kind, Reader
from estimator_lab.data.order.archives import Archives, distinct_examples
from estimator_lab.data.trees.kind import TREES, TreeReader
from estimator_lab.data.trees.parse import tokens_of
from estimator_lab.data.trees.tokens import FILE, Tokens, frequent_tokens, read_tokens
from estimator_lab.errors import FlagError
from estimator_lab.runs.record import Record
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.settings import Settings

Say = Callable[[str], None]


def image_shape(settings: Settings) -> ImageShape:
    """Returns the shape to which images are scaled."""
    return ImageShape(settings.image_size, settings.image_size, settings.channels)


def data_params(kind: Kind, settings: Settings, inputs: Inputs, previous: Record | None) -> dict[str, Any]:
    """Returns the parameters that the data decides, by name.

    Trees are read once, to see which tokens they have, unless model_dir or --tokens says it.

    Args:
      kind: of the examples.
      settings: of the run.
      inputs: what it trains on.
      previous: what model_dir says of itself; None for a new one.

    Raises:
      FlagError: the tokens can't be counted.
      DataError: the trees, or a file of tokens, can't be read.
    """
    params = {'image_shape': tuple(image_shape(settings)), 'vocabulary': inputs.labels}
    if kind is TREES:
        params['tokens'] = _tokens(settings, inputs.train, previous).texts
    return params


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
    if kind is TREES:
        return TreeReader(Tokens(params['tokens']), inputs.vocabulary)
    shape = image_shape(settings)
    archives = [one for found in several for one in found.archives]
    cache = cache_for(distinct_examples(archives), math.prod(shape), settings.decoded_cache)
    augmentation = parse_augmentation(settings.augment, settings.seed)
    return ImageReader(shape, DECODERS[settings.decode], augmentation, cache)


def _tokens(settings: Settings, train: Archives, previous: Record | None) -> Tokens:
    if previous is not None and previous.kind == TREES.name:
        return read_tokens(settings.model_dir / FILE)
    if settings.tokens:
        return read_tokens(settings.tokens, '--tokens')
    if train.total is None:
        raise FlagError(
            f'--data={",".join(settings.data)} passes by only once, so that its tokens cannot be counted '
            'before: give --tokens, a text file of one token a line.'
        )
    return frequent_tokens(_tokens_of_trees(train), settings.max_tokens)


def _tokens_of_trees(train: Archives) -> Iterator[list[str]]:
    progress = Progress('Counting tokens')
    try:
        for number, scheduled in enumerate(train.order().epoch(0)):
            progress(f'{number:,} trees', number / (train.total or 1))
            yield tokens_of(scheduled.read().data)
    finally:
        progress.close()
