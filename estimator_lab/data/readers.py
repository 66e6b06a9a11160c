"""Examples of archives for any program: by number, as a stream, and by an input function for Estimators."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from estimator_lab.base.errors import FlagError
from estimator_lab.data.input.dataset import Dataset, DatasetSettings, Example
from estimator_lab.data.input.stream import Stream
from estimator_lab.data.input.stream_settings import StreamSettings

if TYPE_CHECKING:
    from estimator_lab.data.input.input_fns import InputFunction


def dataset(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    transform: Callable[[Example], Any] | None = None,
    **settings: Any,
) -> Dataset:
    """Returns the examples of archives and folders by number, for any framework.

    They have random access in uncompressed archives and folders, also remote ones. `Dataset.order` returns a
    sampler, which shuffles them, divides them among processes, and goes on exactly after a restart.

    Examples:
        ```python
        faces = api.dataset('faces.tar', image_shape=(128, 128, 3))
        image, label, key, class_id = faces[12]
        order = faces.order(batch_size=32, epochs=10)
        loader = DataLoader(faces, batch_sampler=order, num_workers=4, collate_fn=faces.collate)
        ```

    Args:
      paths: of archives and folders, as of `stream`.
      transform: called with each `Example` where it is read, such as in a worker process, but not with a
        `BadExample`.
      **settings: of the data set, by name: those of `stream` but for the order and `shuffle_buffer`, and

        - fields: suffixes of the members that together are one example, such as ('jpg', 'txt', 'json'):
          members of a sample share their path up to the first dot of the name. `data` is then a dict by
          suffix: pixels, if `image_shape` is given; a text; an object of JSON; or bytes of anything else. A
          sample that lacks one, or has it twice, is a bad example.
        - seed: of the augmentation, and the default of orders.

    Returns:
      A `Dataset` of `Example`, or of what `transform` returns.

    Raises:
      FlagError: an argument is not allowed.
      DataError: an archive can't be read, has no examples, or is compressed.
    """
    return Dataset(DatasetSettings.of(paths, **settings), transform)


def stream(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], **settings: Any) -> Stream:
    """Returns an iterator of the examples of archives and folders, for any framework.

    The order depends on the archives, the seed and the epoch alone. Each epoch has each example once, over
    all processes. `Stream.state_dict` and `Stream.load_state_dict` save and restore the position exactly,
    also for another number of processes; docs/data.md shows how.

    Args:
      paths: of archives and folders; globs, and '-' for standard input. A pattern that is not the name of a
        file may be several, separated by commas.
      **settings: of the stream, by name:

        - image_shape: (height, width, channels) in pixels to which images are scaled, with 1 channel for grey
          or 3 for RGB; None, the default, yields the encoded bytes.
        - decode: as --decode: 'exact', or 'fast', whose pixels are TensorFlow's, and which loads it.
        - background: on which transparent images are placed: 'black', the default, or 'white'.
        - batch_size: examples of this process in each batch; None, the default, yields examples one by one.
        - shuffle: whether each epoch has another order: of all examples, or within `shuffle_buffer` examples
          if an archive is compressed. False keeps the stored order; True by default.
        - seed: of the order and of the augmentation; 1 by default.
        - epochs: passes over the data in one iteration, 1 by default; `iter` goes on with the next ones. None
          for no end.
        - split: range of [0, 1] of the hashes of the examples' names: (0, 0.9) and (0.9, 1) are the parts of
          `--split=0.9,0.1`.
        - only: which examples are used: labels or keys, in a list or the lines of a file; or a function of a
          key and a label. None for all.
        - weights: shares of archives or labels in every part of the order, such as {'a.tar': 0.7, 'b.tar':
          0.3}, for data with random access. Each of them has epochs of its own. None for each example once an
          epoch.
        - rank, world_size: number of this process, from 0, and of processes that share the data. All read the
          same archives.
        - shuffle_buffer: encoded examples held for shuffling compressed archives; 10,000 by default.
        - shuffle_blocks: size of the blocks in which archives are shuffled and read, such as '8M', the
          default for URLs; '0' shuffles single examples. docs/archives.md says what that means.
        - cache: how much of remote archives is kept on this machine's disk: '20G'; '4G' by default, '0'
          for none.
        - augment: random changes to the pixels, as --augment.
        - labels: table with a name and a label in each line; None for folders and files next to the examples.
        - vocabulary: labels in the order of their class ids, such as `labels` of the stream of training; None
          for those that occur, sorted.
        - max_bad_fraction: share of examples that may be bad, 0.01 by default; fewer than ten always may.
          They are skipped with a warning.
        - use_damaged: whether a damaged archive is used up to the damage, with a warning.

    Returns:
      A `Stream` of `Example`, or of `Batch` if `batch_size` is given.

    Raises:
      FlagError: an argument is not allowed.
      DataError: an archive can't be read, or has no examples.
    """
    return Stream(StreamSettings.of(paths, **settings))


def input_fn(
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    image_shape: tuple[int, int, int] = (128, 128, 1),
    batch_size: int = 32,
    *,
    shuffle: bool = False,
    labelled: bool = True,
    **settings: Any,
) -> 'InputFunction':
    """Returns an input function for `tf.estimator.Estimator`, which streams images from archives and folders.

    Images are decoded in threads while the model trains. Only the images of a few batches are in memory.

    Examples:
        ```python
        train = api.input_fn('train.tar', (64, 64, 3), shuffle=True, epochs=None)
        test = api.input_fn('test.tar', (64, 64, 3), vocabulary=train.labels)
        params = {'image_shape': (64, 64, 3), 'vocabulary': train.labels}
        estimator = tf.estimator.Estimator(api.model_fn('cnn'), 'runs/mine', params=params)
        estimator.train(train, steps=1000).evaluate(test)
        ```

    Args:
      data: paths of archives and folders; globs, and '-' for standard input.
      image_shape: (height, width, channels) in pixels to which images are scaled, with 1 channel for grey or
        3 for RGB.
      batch_size: images in a batch, of each replica of a strategy; bad images make a batch shorter.
      shuffle: whether each epoch has another order; see `stream`.
      labelled: whether the Dataset has class ids; False for a model without labels.
      **settings: further settings of `stream`, such as epochs=None for no end, as in training by steps; all
        but rank and world_size.

    Returns:
      A function of an optional `input_context`, which an Estimator gives to each worker of a strategy for its
      share of the images, with the attributes `labels` and `size`. It returns a Dataset of (features,
      class ids), or of the features alone. The features are 'image', float32 [batch, height, width, channels]
      in [0, 1]; 'key', string [batch]; and 'weight', float32 [batch], which is 0 for the blank image that
      stands for a batch of bad images only. Class ids are int64 [batch], -1 for a label that is not in the
      vocabulary.

    Raises:
      FlagError: an argument is not allowed, or the labels are unknown.
      DataError: an archive can't be read, or has no images. Later, a `tf.errors.OpError` has that message.
    """
    if batch_size is None:  # which would make a stream yield single examples
        raise FlagError('batch_size=None must be a whole number.')
    from estimator_lab.data.input.input_fns import InputFunction

    for name in ('rank', 'world_size'):
        if name in settings:
            raise FlagError(f'{name} is for `stream`: an Estimator divides the data, by its input_context.')
    read = StreamSettings.of(data, image_shape, batch_size=batch_size, shuffle=shuffle, **settings)
    return InputFunction(read, labelled)
