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
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError, LabError, without_dashes
from estimator_lab.base.files import at_home
from estimator_lab.base.json_input import shown
from estimator_lab.base.progress import shown_row
from estimator_lab.base.settings import Setting, check_given, path_from, settings_from, settings_of
from estimator_lab.core import picture
from estimator_lab.core.picture import labelled_grid
from estimator_lab.core.registry import MODELS, find_model
from estimator_lab.data.demo_sets.archives import DemoPaths, demo_faces
from estimator_lab.data.input.batch_order import BatchOrder
from estimator_lab.data.input.batches import BadExample, Batch
from estimator_lab.data.input.dataset import Dataset, Example
from estimator_lab.data.input.stream import Stream
from estimator_lab.data.readers import dataset, input_fn, stream
from estimator_lab.data.sources.arrays import array_source, check_values, is_array
from estimator_lab.training.checks import prepared
from estimator_lab.training.settings import TrainSettings

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
    from estimator_lab.training.announcement import announced
    from estimator_lab.training.plan import make_plan
    from estimator_lab.training.train import train

    values: dict[str, Any] = {'model': model, 'data': data, **settings}
    if model_dir is not None:
        values['model_dir'] = _folder(model_dir)
    check_given(hparams=hparams)
    if say is not None and not callable(say):
        raise FlagError(f'say={say!r} must be a function of a line, such as print, or None.')
    chosen = _training_settings(values, hparams)

    def tell(line: str) -> None:
        if say:
            say(without_dashes(line))

    chosen = prepared(chosen, tell)
    plan = make_plan(chosen, tell)
    if plan.cluster.is_chief:
        for row in announced(plan):
            tell(shown_row(row))
    result = train(plan)
    if result.signal not in (0, signal.SIGINT):
        signal.raise_signal(result.signal)
    return dataclasses.replace(Run.open(chosen.model_dir), result=result)


def _training_settings(values: Mapping[str, Any], hparams: str | Mapping[str, Any]) -> TrainSettings:
    """Returns the settings of a training, given those of `fit` by name; see `fit` for the errors."""
    for name in values.keys() - settings_of(TrainSettings).keys():
        if name in settings_of(find_model(values['model']).params):
            raise FlagError(f'{name} is a hyper-parameter: give hparams={{{name!r}: {shown(values[name])}}}.')
    examples = {name: values[name] for name in _EXAMPLES if values.get(name) is not None}
    check_given(**examples)
    arrays = {name: array_source(data) for name, data in examples.items() if is_array(data, name)}
    if 'data' in arrays:
        _, *sides, channels = arrays['data'].images.shape
        values = {'image_size': max(sides), 'channels': channels, **values}
    chosen = settings_from(
        TrainSettings, {name: value for name, value in values.items() if name not in arrays}
    )
    given: dict[str, Any] = {'hparams': hparams, **{name: (source,) for name, source in arrays.items()}}
    return dataclasses.replace(chosen, **given)


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
    return _described(settings_of(TrainSettings))


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


def model_fn(model: str) -> Callable[..., Any]:
    """Returns the model function of one of the package's models, for `tf.estimator.Estimator`.

    It accepts (features, labels, mode, params, config). Features are those of `input_fn`, whose images may
    also be uint8; labels are class ids, int [batch], -1 for unknown, or texts of the vocabulary. `params` has
    'image_shape', (height, width, channels), which all images have; 'vocabulary', the labels in the order of
    their class ids; and hyper-parameters by name, with defaults for those left out. `train_steps` is the
    number of steps that the learning-rate schedule spans, 10,000 by default. With `curves=True`, `evaluate`
    also returns curves of precision and recall, as summaries.

    Args:
      model: its name; `models()` lists them.

    Raises:
      FlagError: there is no such model; later, a parameter is unknown or not allowed, or images have another
        shape.
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
