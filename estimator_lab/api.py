"""The public Python API. Importing it does not import TensorFlow."""

import os
from collections.abc import Sequence
from pathlib import Path

from estimator_lab.data.streaming.settings import StreamSettings, paths_of
from estimator_lab.data.streaming.stream import Batch, Example, Stream

__all__ = ['Batch', 'Example', 'Stream', 'stream']


def stream(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    image_shape: tuple[int, int, int] | None = None,
    decode: str = 'exact',
    batch_size: int | None = None,
    shuffle: bool = True,
    seed: int = 1,
    epochs: int | None = 1,
    split: tuple[float, float] = (0.0, 1.0),
    rank: int = 0,
    world_size: int = 1,
    shuffle_buffer: int = 10_000,
    augment: str = '',
    labels: str | os.PathLike[str] | None = None,
    vocabulary: Sequence[str] | None = None,
    max_bad_fraction: float = 0.01,
    use_damaged: bool = False,
) -> Stream:
    """Returns an iterator of the examples of archives and folders, for any framework.

    The order depends on the archives, the seed and the epoch alone. Each epoch has each example once, over
    all processes. `Stream.state_dict` and `Stream.load_state_dict` save and restore the position exactly,
    also for another number of processes; docs/stream.md shows how.

    Args:
      paths: of archives and folders; globs, and '-' for standard input.
      image_shape: (height, width, channels) in pixels to which images are scaled, with 1 channel for grey or
        3 for RGB; None yields the encoded bytes.
      decode: 'exact' for the pixels of --decode=exact; 'fast' scales JPEGs while they are decoded, in a
        fraction of the time, to slightly different pixels.
      batch_size: examples of this process in each batch; None yields examples one by one.
      shuffle: whether each epoch has another order: of all examples, or within `shuffle_buffer` examples if
        an archive is compressed. False keeps the stored order.
      seed: of the order and of the augmentation.
      epochs: passes over the data, counted from the very first example; None for no end.
      split: range of [0, 1] of the hashes of the examples' names: (0, 0.9) and (0.9, 1) are the parts of
        `--split=0.9,0.1`.
      rank: number of this process, from 0.
      world_size: number of processes that share the data. All read the same archives.
      shuffle_buffer: encoded examples held for shuffling compressed archives.
      augment: random changes to the pixels, as --augment.
      labels: table with a name and a label in each line; None for folders and files next to the examples.
      vocabulary: labels in the order of their class ids, such as `labels` of the stream of training; None for
        those that occur, sorted.
      max_bad_fraction: share of examples that may be bad; others are skipped with a warning.
      use_damaged: whether a damaged archive is used up to the damage, with a warning.

    Returns:
      A `Stream` of `Example`, or of `Batch` if `batch_size` is given.

    Raises:
      FlagError: an argument is not allowed.
      DataError: an archive can't be read, or has no examples.
    """
    return Stream(
        StreamSettings(
            paths=paths_of(paths),
            image_shape=image_shape,
            decode=decode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            epochs=epochs,
            split=split,
            rank=rank,
            world_size=world_size,
            shuffle_buffer=shuffle_buffer,
            augment=augment,
            labels=Path(labels) if labels else None,
            vocabulary=None if vocabulary is None else tuple(vocabulary),
            max_bad_fraction=max_bad_fraction,
            use_damaged=use_damaged,
        )
    )
