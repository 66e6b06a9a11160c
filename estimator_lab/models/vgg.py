"""The very deep networks of Simonyan and Zisserman (2015), of 11, 13, 16 or 19 layers with weights.

Five blocks of convolutions 3x3, each followed by a max-pooling 2x2; then three dense layers, which are
convolutions as in tf-slim, or, for small images, the mean of each map. Variables have slim's names,
such as vgg_16/conv1/conv1_1/weights, so that its checkpoints restore. The network itself subtracts the
mean of ImageNet's pixels, so that it accepts images in [0, 1] like all models here.
"""

import dataclasses

from estimator_lab.base.settings import setting
from estimator_lab.core.heads.classification import classification_or_features_spec
from estimator_lab.core.heads.model import Model
from estimator_lab.core.heads.model_function import Args, model_function
from estimator_lab.core.layers.convolution import Convolution
from estimator_lab.core.layers.elementwise import ActivationParams, dropout
from estimator_lab.core.layers.imagenet import less_mean
from estimator_lab.core.layers.normalization import Update
from estimator_lab.core.model.endpoints import LOGITS, Endpoint, Layered, Layers
from estimator_lab.core.model.hparams import at_least_1, is_share, structural
from estimator_lab.core.model.params import ClassifierParams, learning_rate_hparam
from estimator_lab.core.model.weight_layouts import keras_vgg
from estimator_lab.core.step.noise import Noise
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import EstimatorSpec, Tensor, tf

# Convolutions in each block: configurations A, B, D and E of their table 1.
_BLOCKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (1, 2, 4, 8, 8)
_SCOPES = {11: 'vgg_a', 13: 'vgg_13', 16: 'vgg_16', 19: 'vgg_19'}
_SHRINK = 2 ** len(_WIDTHS)
_FC6 = 'fc6'
_FC6_SIDE = 7  # of the last maps for 224x224 pixels
_DENSE, _POOL = 'dense', 'pool'


@dataclasses.dataclass(frozen=True)
class Params(ActivationParams, ClassifierParams):
    """Parameters of the network; the defaults are the published VGG-16's."""

    depth: int = structural(16, f'layers with weights: {", ".join(map(str, _BLOCKS))}', _BLOCKS.__contains__)
    filters: int = structural(
        64,
        'filters of a convolution in the first block; 2, 4, 8 and 8 times as many in the other blocks',
        at_least_1,
    )
    head: str = structural(
        _DENSE,
        f'{_DENSE}: two dense layers before the logits; {_POOL}: the mean of each map, for small images',
        (_DENSE, _POOL).__contains__,
    )
    dense_units: int = structural(
        4096,
        f'units of each dense layer of head={_DENSE}, at least 1',
        at_least_1,
        used_if=lambda params: params.head == _DENSE,
    )
    batch_norm: bool = structural(False, 'whether the convolutions of the blocks are normalised')
    dropout_rate: float = setting(
        0.5, 'share of the inputs of the dense layers dropped in training, in [0, 1)', is_share
    )
    learning_rate: float = learning_rate_hparam(0.0001)


def check(params: Params) -> None:
    """Raises FlagError for images that are too small for five poolings, and for a head without labels."""
    height, width, _ = params.image_shape
    if min(height, width) < _SHRINK:
        raise FlagError(
            f'--image_size={min(height, width)} is too small: {len(_WIDTHS)} poolings by 2 need at least '
            f'{_SHRINK} pixels.'
        )
    if params.head == _DENSE and not params.vocabulary:
        raise FlagError(f'--hparams=head={_DENSE} needs labels: without any, give head={_POOL}.')


class Network:
    """The network; its layers are created once and can be called several times."""

    def __init__(self, params: Params) -> None:
        scope, activation = _SCOPES[params.depth], params.activation_function()
        self._dropout_rate = params.dropout_rate
        self._blocks = [
            [
                Convolution(
                    f'{scope}/conv{block}/conv{block}_{number}',
                    params.filters * width,
                    (3, 3),
                    'SAME',
                    activation,
                    params.batch_norm,
                    trainable=f'conv{block}_{number}' not in params.frozen,
                )
                for number in range(1, count + 1)
            ]
            for block, (count, width) in enumerate(zip(_BLOCKS[params.depth], _WIDTHS, strict=True), 1)
        ]
        self._dense: dict[str, Convolution] = {}
        self._logits: Convolution | None = None
        if params.head == _DENSE:
            height, width, _ = (min(side // _SHRINK, _FC6_SIDE) for side in params.image_shape)
            for name, size in ((_FC6, (height, width)), ('fc7', (1, 1))):
                self._dense[name] = Convolution(
                    f'{scope}/{name}',
                    params.dense_units,
                    size,
                    'VALID',
                    activation,
                    trainable=name not in params.frozen,
                )
        if params.num_classes:
            name = 'fc8' if params.head == _DENSE else 'logits'
            self._logits = Convolution(f'{scope}/{name}', params.num_classes, (1, 1), 'VALID')

    def __call__(
        self, images: Tensor, noise: Noise | None = None
    ) -> tuple[Tensor | None, dict[str, Endpoint], list[Update]]:
        """Returns the logits, the endpoints, and the updates of a training step.

        Args:
          images: float32 [batch, height, width, channels] in [0, 1]; grey ones are repeated three times.
          noise: random numbers of a training step, in which units are dropped and batch normalisation uses
            the batch; None for no dropout, and normalisation with the moving averages.

        Returns:
          The logits, float32 [batch, num_classes], None without labels; for an image larger than 224x224,
          their mean over all positions (section 3.2). The endpoints are conv1_1 [batch, height,
          width, 64], ..., pool5 [batch, height / 32, width / 32, 512]; then fc6 and fc7 [batch, units], or
          global_pool [batch, 512].
        """
        updates: list[Update] = []
        endpoints = dict(self.layers(images, noise, updates))
        logits = endpoints.pop(LOGITS, None)
        return logits and logits.values, endpoints, updates

    def layers(
        self, images: Tensor, noise: Noise | None = None, updates: list[Update] | None = None
    ) -> Layers:
        """Yields the same endpoints one by one, then the logits if there are labels.

        Args:
          images: as for a call; of any size up to pool5, and for head=pool throughout.
          noise: as for a call.
          updates: a list that receives the updates of a training step.
        """
        values = less_mean(images)
        for block, convolutions in enumerate(self._blocks, 1):
            for number, convolution in enumerate(convolutions, 1):
                endpoint, changes = convolution(values, training=noise is not None)
                if updates is not None:
                    updates += changes
                yield f'conv{block}_{number}', endpoint
                values = endpoint.values
            values = tf.nn.max_pool2d(values, 2, 2, 'VALID')
            yield f'pool{block}', Endpoint(values)
        if not self._dense:
            values = tf.reduce_mean(values, axis=[1, 2], keepdims=True)
            yield 'global_pool', Endpoint(_vectors(values))
            values = dropout(values, self._dropout_rate, noise)
        for name, layer in self._dense.items():
            endpoint, _ = layer(values)
            yield name, endpoint._replace(values=_vectors(endpoint.values))
            values = dropout(endpoint.values, self._dropout_rate, noise)
        if self._logits is not None:
            yield LOGITS, Endpoint(tf.reduce_mean(self._logits(values)[0].values, axis=[1, 2]))


def layered(params: Params) -> Layered:
    """Returns the network layer by layer."""
    return Layered(Network(params).layers, _SHRINK, _FC6 if params.head == _DENSE else '')


def freezable(params: Params) -> list[str]:
    """Returns the names of the layers that --freeze accepts."""
    blocks = [
        f'conv{block}_{n}'
        for block, count in enumerate(_BLOCKS[params.depth], 1)
        for n in range(1, count + 1)
    ]
    return [*blocks, _FC6, 'fc7'] if params.head == _DENSE else blocks


def _vectors(maps: Tensor) -> Tensor:
    """Returns maps of one pixel as vectors, [batch, maps]; others unchanged."""
    return tf.squeeze(maps, [1, 2]) if maps.shape.as_list()[1:3] == [1, 1] else maps


@model_function(Params, check)
def model_fn(args: Args[Params]) -> EstimatorSpec:
    """Classifies images: see `core.heads.classification.classification_or_features_spec`.

    Features are float32 [batch, 512].
    """
    logits, endpoints, updates = Network(args.params)(args.images, args.noise)
    return classification_or_features_spec(args, logits, endpoints, updates)


MODEL = Model(
    'vgg', Params, model_fn, check, layered=layered, published_layouts=keras_vgg, freezable=freezable
)
