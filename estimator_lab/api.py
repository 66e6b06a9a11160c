"""The public Python API: train models, use them, and read archives. Importing it does not import TensorFlow.

`fit` and `load` are the commands as functions. `input_fn` and `model_fn` are parts for Estimators of your
own, and `stream` reads archives for any framework.

Examples:
    >>> from estimator_lab import api
    >>> print(api.models()['cnn'])
    the notes' convolutional network, for classification
"""

import dataclasses
import importlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError, LabError, without_dashes
from estimator_lab.base.files import at_home
from estimator_lab.base.json_input import shown
from estimator_lab.base.settings import Setting, check_given, path_from, settings_from, settings_of
from estimator_lab.core import picture
from estimator_lab.core.picture import labelled_grid
from estimator_lab.core.registry import MODELS, find_model
from estimator_lab.data.demo_sets.archives import DemoPaths, demo_faces
from estimator_lab.data.input.batch_order import BatchOrder
from estimator_lab.data.input.batches import BadExample, Batch
from estimator_lab.data.input.dataset import Dataset, DatasetSettings, Example
from estimator_lab.data.input.stream import Stream
from estimator_lab.data.input.stream_settings import StreamSettings
from estimator_lab.data.sources.arrays import array_source, check_values, is_array
from estimator_lab.training.checks import prepared
from estimator_lab.training.settings import Settings

if TYPE_CHECKING:
    from estimator_lab.data.input.input_fns import InputFunction
    from estimator_lab.inference.evaluation import Evaluation
    from estimator_lab.inference.inspection import Inspection
    from estimator_lab.inference.report.page import Report
    from estimator_lab.inference.run import Run
    from estimator_lab.inference.samples import Samples

__all__ = [
    'BadExample',
    'Batch',
    'BatchOrder',
    'DataError',
    'Dataset',
    'DemoPaths',
    'Evaluation',
    'Example',
    'FlagError',
    'InputFunction',
    'Inspection',
    'LabError',
    'Report',
    'Run',
    'Samples',
    'Stream',
    'as_picture',
    'dataset',
    'demo_faces',
    'fit',
    'hparams',
    'input_fn',
    'labelled_grid',
    'load',
    'model_fn',
    'models',
    'settings',
    'stream',
]

_RESULTS = {
    'Evaluation': 'inference.evaluation',
    'InputFunction': 'data.input.input_fns',
    'Inspection': 'inference.inspection',
    'Report': 'inference.report.page',
    'Run': 'inference.run',
    'Samples': 'inference.samples',
}
"""The classes of results, which import TensorFlow, and their modules."""

_EXAMPLES = 'data', 'eval_data', 'pretrain_data'


def fit(
    model: str = 'cnn',
    data: Any = None,
    *,
    model_dir: str | os.PathLike[str] | None = None,
    hparams: str | Mapping[str, Any] = MappingProxyType({}),
    say: Callable[[str], None] | None = print,
    **settings: Any,
) -> 'Run':
    """Trains a model, as `python -m estimator_lab.train` does; goes on where an earlier training stopped.

    Ctrl-C ends it after a checkpoint: `result.interrupted` of what it returns tells. SIGTERM and SIGHUP end
    it likewise, and then the program, unless it handles them.

    Examples:
        ```python
        run = api.fit('cnn', 'train.tar', eval_data='test.tar', model_dir='runs/faces', epochs=4)
        run.metrics['accuracy']
        run = api.fit('mlp', (x, y), eval_data=(x_test, y_test), model_dir='runs/digits')
        ```

    Args:
      model: its name; `models()` lists them.
      data: archives, folders or files of trees; an array of images, [n, height, width, 1 or 3], uint8 or
        floats in [0, 1]; or a pair of such images and their labels, n class ids or texts, which become the
        sorted labels of the model. None for the built-in faces. `eval_data` accepts the same. `image_size`
        and `channels` of arrays are those of the images by default.
      model_dir: folder of checkpoints and TensorBoard files; None for runs/MODEL.
      hparams: hyper-parameters by name; `hparams(model)` lists them.
      say: called with each line that tells how far the training is; None to train in silence.
      **settings: further flags of the command; `settings()` lists them.

    Raises:
      FlagError: a setting is not allowed, or does not suit the data.
      DataError: the data can't be read or trained on; what was learned before has been saved.
      LabError: TensorFlow fails, in one sentence.
    """
    from estimator_lab.inference.run import Run
    from estimator_lab.training.plan import make_plan
    from estimator_lab.training.train import train

    values: dict[str, Any] = {'model': model, 'data': data, **settings}
    if model_dir is not None:
        values['model_dir'] = _folder(model_dir)
    check_given(hparams=hparams)
    if say is not None and not callable(say):
        raise FlagError(f'say={say!r} must be a function of a line, such as print, or None.')
    for name in settings.keys() - settings_of(Settings).keys():
        if name in settings_of(find_model(model).params):
            raise FlagError(
                f'{name} is a hyper-parameter: give hparams={{{name!r}: {shown(settings[name])}}}.'
            )
    examples = {name: values[name] for name in _EXAMPLES if values.get(name) is not None}
    check_given(**examples)
    arrays = {name: array_source(data) for name, data in examples.items() if is_array(data, name)}
    if 'data' in arrays:
        _, *sides, channels = arrays['data'].images.shape
        values = {'image_size': max(sides), 'channels': channels, **values}
    chosen = settings_from(Settings, {name: value for name, value in values.items() if name not in arrays})
    given: dict[str, Any] = {'hparams': hparams, **{name: (source,) for name, source in arrays.items()}}
    chosen = dataclasses.replace(chosen, **given)

    def tell(line: str) -> None:
        if say:
            say(without_dashes(line))

    chosen = prepared(chosen, tell)
    result = train(make_plan(chosen, tell))
    if result.verdict:
        tell(result.verdict)
    if result.signal not in (0, signal.SIGINT):
        signal.raise_signal(result.signal)
    return dataclasses.replace(Run.open(chosen.model_dir), result=result)


def load(model_dir: str | os.PathLike[str]) -> 'Run':
    """Returns the run of a folder in which a model was trained.

    Raises:
      DataError: there is no trained model, or it can't be read.
      FlagError: `model_dir` is not a path.
    """
    from estimator_lab.inference.run import Run

    return Run.open(_folder(model_dir))


def _folder(model_dir: Any) -> Path:
    return Path(at_home(str(path_from('model_dir', model_dir))))


def models() -> dict[str, str]:
    """Returns all models by name: what they are.

    Examples:
        >>> from estimator_lab import api
        >>> 'autoencoder' in api.models()
        True
    """
    return {name: entry.summary for name, entry in MODELS.items()}


def settings() -> dict[str, str]:
    """Returns the settings of `fit` by name: their defaults, and what they mean.

    Examples:
        >>> from estimator_lab import api
        >>> api.settings()['image_size']
        '128: side in pixels to which images are scaled'
    """
    return _described(settings_of(Settings))


def hparams(model: str) -> dict[str, str]:
    """Returns the hyper-parameters of a model by name: their defaults, and what they mean.

    Examples:
        >>> from estimator_lab import api
        >>> api.hparams('cnn')['filters']
        '32: filters in each convolution'
        >>> api.hparams('nonsense')
        Traceback (most recent call last):
        estimator_lab.base.errors.FlagError: model=nonsense is unknown; known are: ...

    Raises:
      FlagError: there is no such model.
    """
    return _described(settings_of(find_model(model).params))


def _described(declared: Mapping[str, Setting]) -> dict[str, str]:
    return {name: f'{setting.default!r}: {setting.help}' for name, setting in declared.items()}


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
        - rank, world_size: number of this process, from 0, and of processes that share the data. All read the
          same archives.
        - shuffle_buffer: encoded examples held for shuffling compressed archives; 10,000 by default.
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
      batch_size: images in a batch; bad images make a batch shorter.
      shuffle: whether each epoch has another order; see `stream`.
      labelled: whether the Dataset has class ids; False for a model without labels.
      **settings: further settings of `stream`, such as epochs=None for no end, as in training by steps; all
        but rank and world_size.

    Returns:
      A function of no arguments with the attributes `labels` and `size`. It returns a Dataset of (features,
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
            raise FlagError(f'{name} is for `stream`: an Estimator divides the data by itself.')
    read = StreamSettings.of(data, image_shape, batch_size=batch_size, shuffle=shuffle, **settings)
    return InputFunction(read, labelled)


def model_fn(model: str) -> Callable[..., Any]:
    """Returns the model function of one of the package's models, for `tf.estimator.Estimator`.

    It accepts (features, labels, mode, params, config). Features are those of `input_fn`; labels are class
    ids, int [batch], or texts of the vocabulary. `params` has 'image_shape', (height, width, channels);
    'vocabulary', the labels in the order of their class ids; and hyper-parameters by name, with defaults for
    those left out. `train_steps` is the number of steps that the learning-rate schedule spans, 10,000 by
    default. With `curves=True`, `evaluate` also returns curves of precision and recall, as summaries.

    Args:
      model: its name; `models()` lists them.

    Raises:
      FlagError: there is no such model; later, a parameter is unknown or not allowed.
    """
    function: Callable[..., Any] = find_model(model).model_fn
    return function


def as_picture(image: np.ndarray) -> Image.Image:
    """Returns an image as a picture: grey for one channel, RGB for three.

    It is [height, width, 1 or 3], uint8 or floats in [0, 1]; raises FlagError for anything else.
    """
    made = picture.as_picture(image)  # checks its shape
    check_values(image)
    return made


def __getattr__(name: str) -> Any:
    """Loads a class of results when it is asked for."""
    if name not in _RESULTS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'estimator_lab.{_RESULTS[name]}'), name)
