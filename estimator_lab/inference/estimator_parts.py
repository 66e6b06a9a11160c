"""Parts for Estimators of the user's own: input functions, model functions, losses.

Importing this module does not import TensorFlow.
"""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from estimator_lab.base.errors import FlagError
from estimator_lab.data.stream import StreamSettings
from estimator_lab.models.registry import find_model

if TYPE_CHECKING:
    from estimator_lab.data.image_input import InputFunction
    from estimator_lab.models.style.model import Losses


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
    from estimator_lab.data.image_input import InputFunction

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
    default.

    Args:
      model: its name; `models()` lists them.

    Raises:
      FlagError: there is no such model; later, a parameter is unknown or not allowed.
    """
    found: Callable[..., Any] = find_model(model).model_fn
    return found


def style_losses(
    photo: np.ndarray, style_image: str = '', perceptual: str = '', style_size: int = 256
) -> Callable[[Any], 'Losses']:
    """Returns the losses of artistic style (Gatys et al. 2016) as a function of pictures in a graph.

    A perceptual network compares pictures with the photo by the maps of one layer, and with the style by the
    Gram matrices of several.

    Args:
      photo: the content, float32 [height, width, channels] in [0, 1], with 1 or 3 channels.
      style_image: path of a picture of the style; '' for a built-in pattern.
      perceptual: model_dir of a trained vgg or cnn, the perceptual network; '' for random filters.
      style_size: pixels of the style picture's shorter side, to which it is scaled: strokes are that large.

    Returns:
      A function that adds the network to the current graph. It accepts pictures, float32 [batch, height,
      width, channels], and returns their losses `content`, `style` and `variation` (the total variation),
      each float32 [batch]. The session runs `tf.local_variables_initializer()`, as the network's weights are
      local variables.

    Raises:
      FlagError: a parameter is not allowed.
      DataError: the style picture or the network can't be used.
    """
    photo = np.asarray(photo)
    if photo.ndim != 3 or photo.shape[2] not in (1, 3) or photo.dtype.kind != 'f':
        raise FlagError(
            'photo must be an array of floats in [0, 1], [height, width, 1 or 3], not '
            f'{list(photo.shape)} of {photo.dtype}.'
        )
    from estimator_lab.core.params import resolve
    from estimator_lab.models.style import model as style
    from estimator_lab.runs.style_targets import make_style_targets
    from estimator_lab.tf1 import tf

    given = {'style_image': style_image, 'perceptual': perceptual}
    params = resolve(style.Params, {'image_shape': photo.shape, **given})
    style.check(params)
    targets = make_style_targets(params, style_size)

    def losses(pictures: Any) -> 'Losses':
        content, first = tf.constant(photo[np.newaxis], tf.float32), tf.ones([1, 1])
        found: Losses = style.perceived_losses(targets.perceptual_loss, content, first)(pictures)
        return found

    return losses
