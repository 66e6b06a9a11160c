"""Autoencoders: images through a bottleneck and back, for compression, denoising and finding outliers.

The defaults are the deep autoencoder of Hinton and Salakhutdinov (2006), 784-1000-500-250-30 on MNIST, with
a mirrored decoder and a linear code. They pre-trained it as a stack of restricted Boltzmann machines, as
`pretrain_epochs` does; by default it is trained from random weights. With a corruption, it learns to restore
the clean image (Vincent et al. 2008). The convolutional kind halves the image with strided convolutions and
doubles it with transposed ones, with optional dense layers between them. By default its code for a photo of
128x128 pixels has 256 values.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from estimator_lab.base.errors import FlagError, hparam, option
from estimator_lab.base.settings import setting
from estimator_lab.core import keys
from estimator_lab.core.abilities import HasNetwork
from estimator_lab.core.endpoints import Endpoints, Layers, publish_all
from estimator_lab.core.layers import ActivationParams
from estimator_lab.core.model import FINAL, Args, Model, Phase, Task, arguments
from estimator_lab.core.noise import Noise, fixed_seeds, fresh_seed
from estimator_lab.core.params import (
    RAW_PIXELS,
    SIZES,
    AnyOptimizer,
    PixelParams,
    centred_pixels,
    other_default,
    sizes,
    structural,
)
from estimator_lab.models.autoencoder import head
from estimator_lab.models.autoencoder.corruption import CORRUPTIONS, corrupt
from estimator_lab.models.autoencoder.head import LOSSES, Reconstructed
from estimator_lab.models.autoencoder.networks import STRIDE, code_size, decoder, encoder, unrolled
from estimator_lab.models.boltzmann.machine import BERNOULLI
from estimator_lab.models.boltzmann.pretraining import (
    PretrainingParams,
    pretraining_head,
    pretraining_phases,
    pretraining_stack,
)
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

# With 1,500 digits of 8x8 pixels, the error is below that of principal components after 1,000 steps, but
# not after the 470 of ten epochs.
_LEAST_STEPS = 2000
_NARROW = 0.1  # range of the pixels, as in 16-bit files that use few bits
_LAYERS = {'dense': '1000-500-250-30', 'convolutional': ''}
_OF_FEW_IMAGES = '30'
_OF_OUTPUT = ('output', 'pretrain_epochs', 'loss')  # parameters that need a sigmoid, or choose the output


def _is_convolutional(params: Any) -> bool:
    return params.kind == 'convolutional'


@dataclasses.dataclass(frozen=True)
class Params(PixelParams, ActivationParams, PretrainingParams, AnyOptimizer):
    """Parameters of the autoencoder.

    Attributes:
      few_images: whether the network was chosen for fewer training images than an image has values.
    """

    pixels_from = staticmethod(centred_pixels)

    few_images: bool = False

    kind: str = structural('dense', 'layers of the network', choices=tuple(_LAYERS))
    layers: str = structural(
        '',
        'units of the dense layers, the last one the code; by default 1000-500-250-30, or 30, linear, if '
        'there are fewer images than an image has values; for kind=convolutional there are none, and the '
        'code is the output of the convolutions',
        pattern=f'({SIZES})?',
    )
    filters: str = structural(
        '32-64-128-4',
        'for kind=convolutional: filters of its convolutions, each of which halves the image',
        pattern=SIZES,
        used_if=_is_convolutional,
    )
    kernel_size: int = structural(4, 'side of a filter in pixels', lower=1, used_if=_is_convolutional)
    activation: str = other_default(ActivationParams, 'activation', 'elu')
    output: str = setting(
        'auto',
        'of the reconstruction; auto is linear with the layers of few images, and for pixels that fill less '
        'than a tenth of their range, else sigmoid',
        choices=('auto', 'sigmoid', 'linear'),
    )
    pretrain_epochs: float = other_default(PretrainingParams, 'pretrain_epochs', 0.0)
    loss: str = setting(
        'squared_error', 'how a reconstruction is compared with the image', choices=tuple(LOSSES)
    )
    corruption: str = setting(
        'none', 'how training images are damaged, to be restored', choices=tuple(CORRUPTIONS)
    )
    corruption_level: float = setting(
        0.3,
        'share of values that are corrupted, or standard deviation of gaussian noise',
        lower=0,
        upper=1,
        used_if=lambda params: params.corruption != 'none',
    )

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Units of the encoder's dense layers; () if the code is the output of the convolutions."""
        return sizes(self.layers or _LAYERS[self.kind])

    @property
    def is_linear(self) -> bool:
        """Whether its output is, which is scaled to the range of the pixels and added to the mean image."""
        return self.output == 'linear'

    def for_data(self) -> 'Params':
        """Returns a small linear network for few images, and a linear output for a narrow range of pixels."""
        given = set(self.given)
        if self.few_images and not given & {'kind', 'layers', 'corruption', *_OF_OUTPUT}:
            return dataclasses.replace(self, layers=_OF_FEW_IMAGES, output='linear')
        is_narrow = self.pixels.high - self.pixels.low < _NARROW
        output = 'linear' if is_narrow and not given & {*_OF_OUTPUT} else self.output
        pixels = self.pixels if output == 'linear' else RAW_PIXELS  # a sigmoid reproduces pixels as they are
        return dataclasses.replace(self, few_images=False, output=output, pixels=pixels)

    @property
    def filter_sizes(self) -> tuple[int, ...]:
        """Filters of the convolutions before the dense layers; () for a dense network."""
        return sizes(self.filters) if _is_convolutional(self) else ()

    def check(self) -> None:
        """Raises FlagError for sizes that do not fit each other or the image."""
        height, width, _ = self.image_shape
        halvings = len(self.filter_sizes)
        for side in (height, width):
            if side % STRIDE**halvings:
                raise FlagError(
                    f'{option.image_size}={side} does not fit {hparam.filters}={self.filters}: that halves '
                    f'the image {halvings} times, which needs a multiple of {STRIDE**halvings} pixels.'
                )
        if self.pretrain_epochs:
            _check_pretraining(self)
        if self.loss == 'cross_entropy' and self.is_linear:
            raise FlagError(
                f'{hparam.loss}=cross_entropy needs output=sigmoid, because its targets are probabilities.'
            )

    def caution(self) -> str:
        """Returns a warning of a code that is wider than the image; '' for none."""
        code, values = code_size(self), math.prod(self.image_shape)
        if code <= values:
            return ''
        return f'a code of {code} values is wider than the image of {values}: nothing is compressed.'


def _check_pretraining(params: Params) -> None:
    """Raises FlagError for a network that pre-trained machines cannot initialise."""
    wanted = {
        'kind': ('dense',),
        'activation': ('sigmoid',),
        'output': ('auto', 'sigmoid'),
        'visible_units': (BERNOULLI,),
    }
    for name, values in wanted.items():
        if getattr(params, name) not in values:
            raise FlagError(
                f'{hparam.pretrain_epochs}={params.pretrain_epochs:g} needs {name}={" or ".join(values)}, '
                f'not {getattr(params, name)}.'
            )


def network(images: Tensor, params: Params, noise: Noise | None = None) -> Layers:
    """Yields the encoder's layers, then the decoder's; images have the size of training."""
    code, layers = encoder(images, params)
    yield from layers.items()
    _, layers = decoder(code, params)
    yield from layers.items()


def model_fn(
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> EstimatorSpec:
    """Pre-trains the layer that `params.phase` names, or trains the whole network if that is ''.

    See `models.boltzmann.head` and `models.autoencoder.head`. PREDICT does not corrupt the images. After
    pre-training, the decoder starts as the mirror of the encoder.
    """
    args = arguments(Params, features, labels, mode, params, config)
    if args.params.phase != FINAL:
        stack = pretraining_stack(args.params, args.params.layer_sizes, linear_top=True)
        machine = pretraining_head(args, stack, len(stack.machines) == len(args.params.layer_sizes))
        if mode == tf.estimator.ModeKeys.PREDICT:
            return machine.predict_spec()
        if mode == tf.estimator.ModeKeys.EVAL:
            return machine.eval_spec()
        return machine.train_spec()
    made, layers = _reconstructed(args)
    if mode == tf.estimator.ModeKeys.PREDICT:
        publish_all(layers.items())
        return head.predict_spec(args, made)
    loss = head.loss(args, made)
    if mode == tf.estimator.ModeKeys.EVAL:
        return head.eval_spec(args, made, loss)
    spec = head.train_spec(args, made, layers, loss)
    if not args.params.pretrain_epochs:
        return spec
    mirrored = unrolled(args.params)
    scaffold = tf.train.Scaffold(init_fn=lambda scaffold, session: session.run(mirrored))
    return spec._replace(scaffold=scaffold)


def _reconstructed(args: Args[Params]) -> tuple[Reconstructed, Endpoints]:
    """Returns the images and what the network makes of them, and its layers by name."""
    params, inputs = args.params, _inputs(args)
    code, encoding = encoder(inputs, params)
    logits, decoding = decoder(code, params)
    output = tf.identity if params.is_linear else tf.nn.sigmoid
    made = Reconstructed(args.images, inputs, code, logits, output(logits, name='output'))
    return made, {**encoding, **decoding}


def _inputs(args: Args[Params]) -> Tensor:
    """Returns the images, corrupted in TRAIN and EVAL."""
    params = args.params
    if args.predicting or params.corruption == 'none':
        return args.images
    features = args.features
    seeds = fresh_seed(features) if args.training else fixed_seeds(features, tf.shape(args.images)[0])
    return corrupt(args.images, params.corruption, params.corruption_level, seeds)


class Autoencoder(Model[Params], HasNetwork):
    """The notes' deep autoencoder."""

    name = 'autoencoder'
    params = Params
    model_fn = staticmethod(model_fn)
    network = staticmethod(network)

    def task(self, params: Params) -> Task:
        """Returns what is learned: reconstructions."""
        return Task(keys.SQUARED_ERROR, higher_is_better=False, labelled=False)

    def phases(self, params: Params) -> list[Phase]:
        """Returns the phases of training: one per pre-trained layer, then fine-tuning.

        The decoder inherits the visible biases; its first layer inherits them from the top machine.
        """
        count = len(params.layer_sizes)
        renames = [
            (f'decoder_{number}/bias', f'layer_{count + 1 - number}/visible_bias')
            for number in range(1, count + 1)
        ]
        return pretraining_phases(params, count, renames, _LEAST_STEPS)


MODEL = Autoencoder()
