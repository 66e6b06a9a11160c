"""The very deep networks of Simonyan and Zisserman (2015), of 11, 13, 16 or 19 layers with weights.

Five blocks of convolutions 3x3, each followed by a max-pooling 2x2; then three dense layers, which are
convolutions as in tf-slim, or, for small images, the mean of each map. Variables have slim's names,
such as vgg_16/conv1/conv1_1/weights, so that its checkpoints restore. The network itself subtracts the
mean of ImageNet's pixels, so that it accepts images in [0, 1] like all models here.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from operator import methodcaller
from typing import Any

from estimator_lab.base.errors import FlagError, hparam, option
from estimator_lab.core import classifier
from estimator_lab.core.abilities import HasNetwork, HasPublishedWeights
from estimator_lab.core.endpoints import LOGITS, Layers, publish_all
from estimator_lab.core.layers import ActivationParams, network_pixels
from estimator_lab.core.model import Model, arguments
from estimator_lab.core.noise import Noise, dropout
from estimator_lab.core.params import AnyOptimizer, ClassifierParams, other_default, share, structural
from estimator_lab.models.published import Convolution, less_mean
from estimator_lab.runs.weights.layouts import Layout, PublishedTensor, Shapes
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

# Convolutions in each block: configurations A, B, D and E of their table 1.
_BLOCKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (1, 2, 4, 8, 8)
_SCOPES = {11: 'vgg_a', 13: 'vgg_13', 16: 'vgg_16', 19: 'vgg_19'}
_SHRINK = 2 ** len(_WIDTHS)
_FC6_SIDE = 7  # of the last maps for 224x224 pixels
_DENSE, _POOL = 'dense', 'pool'
_KERAS_DENSE = {'fc6': 'fc1', 'fc7': 'fc2', 'fc8': 'predictions'}


@dataclasses.dataclass(frozen=True)
class Params(ActivationParams, AnyOptimizer, ClassifierParams):
    """Parameters of the network; the defaults are the published VGG-16's."""

    depth: int = structural(16, 'layers with weights', choices=tuple(_BLOCKS))
    filters: int = structural(
        64, 'filters of a convolution in the first block; 2, 4, 8 and 8 times as many in the others', lower=1
    )
    head: str = structural(
        _DENSE,
        f'{_DENSE}: two dense layers before the logits; {_POOL}: the mean of each map, for small images',
        choices=(_DENSE, _POOL),
    )
    dense_units: int = structural(
        4096,
        f'units of each dense layer of head={_DENSE}',
        lower=1,
        used_if=lambda params: params.head == _DENSE,
    )
    batch_norm: bool = structural(False, 'whether the convolutions of the blocks are normalised')
    dropout_rate: float = share(0.5, 'share of the inputs of the dense layers dropped in training')
    learning_rate: float = other_default(ClassifierParams, 'learning_rate', 0.0001)

    def check(self) -> None:
        """Raises FlagError for images that are too small for five poolings, and for a head without labels."""
        side = min(self.image_shape[:2])
        if side < _SHRINK:
            raise FlagError(
                f'{option.image_size}={side} is too small: five poolings by 2 need at least {_SHRINK} pixels.'
            )
        if self.head == _DENSE and not self.vocabulary:
            raise FlagError(f'{hparam.head}={_DENSE} needs labels: without any, give head={_POOL}.')


def network(images: Tensor, params: Params, noise: Noise | None = None) -> Layers:
    """Yields the layers by name, then the logits, if there are labels: see `core.abilities.HasNetwork`.

    They are conv1_1 [batch, height, width, 64], ..., pool5 [batch, height / 32, width / 32, 512]; then fc6
    and fc7 [batch, units], or global_pool [batch, 512]. For an image larger than 224x224, the logits are
    their mean over all positions (section 3.2). Images have any size up to pool5, and for head=pool
    throughout; grey ones are repeated three times.
    """
    scope, activation = _SCOPES[params.depth], params.activation_function
    x = less_mean(network_pixels(images, params))
    for block, (count, width) in enumerate(zip(_BLOCKS[params.depth], _WIDTHS, strict=True), 1):
        for number in range(1, count + 1):
            name = f'conv{block}_{number}'
            layer = Convolution(activation, noise, params.batch_norm, name not in params.frozen)
            x = layer(x, f'{scope}/conv{block}/{name}', params.filters * width, (3, 3))
            yield name, x
        x = tf.nn.max_pool2d(x, 2, 2, 'VALID')
        yield f'pool{block}', x
    if params.head == _POOL:
        x = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
        yield 'global_pool', _vectors(x)
        x = dropout(x, params.dropout_rate, noise)
    elif None in (sides := x.shape.as_list()[1:3]):
        raise ValueError('fc6 needs images of a known size.')
    else:
        size = [min(side, _FC6_SIDE) for side in sides]
    for name in ('fc6', 'fc7') if params.head == _DENSE else ():
        layer = Convolution(activation, trainable=name not in params.frozen)
        x = layer(x, f'{scope}/{name}', params.dense_units, size, padding='VALID')
        yield name, _vectors(x)
        x, size = dropout(x, params.dropout_rate, noise), [1, 1]
    if params.num_classes:
        last = 'fc8' if params.head == _DENSE else 'logits'
        x = Convolution()(x, f'{scope}/{last}', params.num_classes, (1, 1), padding='VALID')
        yield LOGITS, tf.reduce_mean(x, axis=[1, 2])


def _vectors(maps: Tensor) -> Tensor:
    """Returns maps of one pixel as vectors, [batch, maps]; others unchanged."""
    return tf.squeeze(maps, [1, 2]) if maps.shape.as_list()[1:3] == [1, 1] else maps


def freezable(params: Params) -> list[str]:
    """Returns the names of the layers that --freeze accepts."""
    blocks = [f'conv{b}_{n}' for b, count in enumerate(_BLOCKS[params.depth], 1) for n in range(1, count + 1)]
    return [*blocks, 'fc6', 'fc7'] if params.head == _DENSE else blocks


def keras_layout(variables: Shapes) -> list[Layout]:
    """Returns the layout of Keras' files of a VGG: block1_conv1/block1_conv1/kernel:0, fc1, predictions.

    Keras' input is blue, green, red, and the input of its fc1 is a vector.
    """
    sources = {}
    for name, shape in variables.items():
        match = re.fullmatch(r'\w+?/(?:conv(\d)/conv\d_(\d)|(fc\d))/(weights|biases)', name)
        if not match:
            continue
        block, number, dense, part = match.groups()
        layer = _KERAS_DENSE[dense] if dense else f'block{block}_conv{number}'
        tensor = 'kernel' if part == 'weights' else 'bias'
        names = re.compile(rf'(?:(?!optimizer)[^/]+/)*{layer}/(?:{layer}/)?{tensor}(?::0)?')
        if dense and part == 'weights':
            of_file = (math.prod(shape[:3]), shape[3])
            sources[name] = PublishedTensor(names, of_file, methodcaller('reshape', shape))
        elif (block, number, part) == ('1', '1', 'weights'):
            sources[name] = PublishedTensor(names, tuple(shape), lambda values: values[:, :, ::-1])
        else:
            sources[name] = PublishedTensor(names, tuple(shape))
    return [Layout('the names of Keras', sources, re.compile(r'(?:(?!optimizer)[^/]+/)*block\d+_conv\d+/.*'))]


def model_fn(
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> EstimatorSpec:
    """Classifies images, or returns features [batch, 512]: see `core.classifier`."""
    args = arguments(Params, features, labels, mode, params, config)
    layers = publish_all(network(args.images, args.params, args.noise))
    if mode == tf.estimator.ModeKeys.PREDICT:
        return classifier.predict_spec(args, layers)
    loss = classifier.loss(args, layers)
    if mode == tf.estimator.ModeKeys.EVAL:
        return classifier.eval_spec(args, layers, loss)
    return classifier.train_spec(args, layers, loss)


class Vgg(Model[Params], HasNetwork, HasPublishedWeights):
    """VGG-11 to VGG-19."""

    name = 'vgg'
    params = Params
    model_fn = staticmethod(model_fn)
    network = staticmethod(network)
    published_layouts = staticmethod(keras_layout)
    freezable = staticmethod(freezable)


MODEL = Vgg()
