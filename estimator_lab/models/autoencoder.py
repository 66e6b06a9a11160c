"""Autoencoders: images through a bottleneck and back, for compression, denoising and finding outliers.

The defaults are the deep autoencoder of Hinton and Salakhutdinov (2006), 784-1000-500-250-30 on MNIST, with
a mirrored decoder and a linear code. They pre-trained it as a stack of restricted Boltzmann machines, which
`pretrain_epochs` does here; by default it is trained from random weights. With a corruption, it learns the
clean image from a corrupted one (Vincent et al. 2008). The convolutional kind halves the image by strided
convolutions, and doubles it by transposed ones; dense layers may stand between them. By default it makes 256
values of a photo of 128x128.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.core.boltzmann.pretraining import (
    LayerPretraining,
    PretrainingParams,
    pretraining_phases,
)
from estimator_lab.core.boltzmann.rbm import BERNOULLI
from estimator_lab.core.display.drawing import Display, display_of, drawing_hooks
from estimator_lab.core.display.embeddings import EmbeddingsHook, labels_and_keys
from estimator_lab.core.display.summaries import filter_summary, rows_summary
from estimator_lab.core.heads.boltzmann import RbmBatch
from estimator_lab.core.heads.pretraining import pretraining_spec
from estimator_lab.core.heads.reconstruction import (
    LOSSES,
    Reconstructed,
    eval_spec,
    loss_of,
    predict_spec,
    train_spec,
)
from estimator_lab.core.heads.reconstruction_report import ReconstructionReportHook
from estimator_lab.core.layers.dense import DenseParams
from estimator_lab.core.layers.elementwise import ActivationParams, activation_hparam
from estimator_lab.core.layers.encoder_decoder import STRIDE, EncoderDecoder, Sizes
from estimator_lab.core.metrics.principal_components import FILE, principal_components
from estimator_lab.core.model import keys
from estimator_lab.core.model.endpoints import Endpoint, Endpoints, first_filters, publish
from estimator_lab.core.model.features import example_weights, images_of, keys_of
from estimator_lab.core.model.hparams import are_sizes, sizes
from estimator_lab.core.model.model import Model, Task, fixed_size
from estimator_lab.core.model.model_function import model_function
from estimator_lab.core.model.params import FINAL, Phase, TrainingParams
from estimator_lab.core.step.corruption import CORRUPTIONS, corrupt
from estimator_lab.core.step.noise import fixed_seeds, fresh_seed
from estimator_lab.errors import FlagError
from estimator_lab.settings import setting
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, SessionRunHook, Tensor, tf

_LOG = logging.getLogger('estimator_lab')
_LAYERS = {'dense': '1000-500-250-30', 'convolutional': ''}
_UNITS_SHOWN = 64
_OUTPUTS = {'sigmoid': tf.nn.sigmoid, 'linear': tf.identity}


@dataclasses.dataclass(frozen=True)
class Params(DenseParams, ActivationParams, PretrainingParams, TrainingParams):
    """Parameters of the autoencoder."""

    kind: str = setting('dense', f'one of {", ".join(_LAYERS)}', _LAYERS.__contains__, structural=True)
    layers: str = setting(
        '',
        'units of the dense layers, the last one the code, such as 1000-500-250-30, which is the default; '
        'for kind=convolutional there are none, and the code is what the convolutions leave of the image',
        are_sizes,
        structural=True,
    )
    decoder_layers: str = setting(
        '',
        "units of the decoder's dense layers between code and image; default: mirrored",
        are_sizes,
        structural=True,
    )
    filters: str = setting(
        '32-64-128-4',
        'for kind=convolutional: filters of its convolutions, each of which halves the image',
        lambda v: are_sizes(v) and v,
        structural=True,
    )
    kernel_size: int = setting(4, 'side of a filter in pixels, at least 1', lambda v: v >= 1, structural=True)
    tied: bool = setting(
        False, "whether the decoder's weights are the encoder's, transposed", lambda v: True, structural=True
    )
    activation: str = activation_hparam('elu')
    code_activation: str = activation_hparam('linear', 'the code')
    output: str = setting('sigmoid', f'of the reconstruction: {", ".join(_OUTPUTS)}', _OUTPUTS.__contains__)
    pretrain_epochs: float = setting(
        0.0, 'passes over the images for each layer, as an rbm; 0 for none', lambda v: v >= 0, structural=True
    )
    loss: str = setting('squared_error', f'one of {", ".join(LOSSES)}', LOSSES.__contains__)
    corruption: str = setting('none', f'one of {", ".join(CORRUPTIONS)}', CORRUPTIONS.__contains__)
    corruption_level: float = setting(
        0.3,
        'share of values that are corrupted, or deviation of gaussian noise, in [0, 1]',
        lambda v: 0 <= v <= 1,
    )

    @property
    def sizes(self) -> Sizes:
        """Sizes of the encoder and the decoder."""
        layers = sizes(self.layers or _LAYERS[self.kind])
        return Sizes(
            image_shape=self.image_shape,
            layers=layers,
            decoder_layers=sizes(self.decoder_layers) if self.decoder_layers else layers[-2::-1],
            filters=sizes(self.filters) if self.kind == 'convolutional' else (),
            kernel_size=self.kernel_size,
        )

    @property
    def layer_pretraining(self) -> LayerPretraining:
        """What is pre-trained in this phase."""
        return LayerPretraining(self, self.sizes.layers, linear_top=self.code_activation == 'linear')


def check(params: Params) -> None:
    """Raises FlagError for sizes that don't fit each other or the image; warns if nothing is compressed."""
    sizes = params.sizes
    height, width, channels = params.image_shape
    unit = STRIDE ** len(sizes.filters)
    for side in (height, width):
        if side % unit:
            raise FlagError(
                f'--image_size={side} does not fit --hparams=filters={params.filters}: that halves the image '
                f'{len(sizes.filters)} times, which takes a multiple of {unit} pixels.'
            )
    mirrored = tuple(sizes.layers[-2::-1])
    why = 'tied=true' if params.tied else f'pretrain_epochs={params.pretrain_epochs:g}'
    if (params.tied or params.pretrain_epochs) and tuple(sizes.decoder_layers) != mirrored:
        raise FlagError(
            f'--hparams={why} needs a decoder that mirrors the encoder: leave out decoder_layers='
            f'{params.decoder_layers}, or give {_text(mirrored)}.'
        )
    if params.pretrain_epochs:
        _check_pretraining(params)
    if params.loss == 'cross_entropy' and params.output != 'sigmoid':
        raise FlagError('--hparams=loss=cross_entropy needs output=sigmoid, since it takes probabilities.')
    if sizes.code > height * width * channels:
        _warn_of_wide_code(sizes.code, height * width * channels)


def _check_pretraining(params: Params) -> None:
    """Raises FlagError for a network that is not what a stack of pre-trained layers unrolls to."""
    wanted = {
        'kind': ('dense',),
        'activation': ('sigmoid',),
        'code_activation': ('linear', 'sigmoid'),
        'output': ('sigmoid',),
        'visible_units': (BERNOULLI,),
    }
    for name, values in wanted.items():
        if getattr(params, name) not in values:
            raise FlagError(
                f'--hparams=pretrain_epochs={params.pretrain_epochs:g} needs {name}={" or ".join(values)}, '
                f'not {getattr(params, name)}.'
            )


def phases(params: Params) -> list[Phase]:
    """Returns the phases of training: one for each pre-trained layer if any, then fine-tuning.

    The decoder takes over the visible biases: its first layer, counted from the code, those of the top one.
    """
    count = len(params.sizes.layers)
    final = [f'layer_{number}/{name}' for number in range(1, count + 1) for name in ('kernel', 'bias')]
    renames = [
        (f'decoder_{number}/bias', f'layer_{count + 1 - number}/visible_bias')
        for number in range(1, count + 1)
    ]
    return pretraining_phases(params, count, final, renames)


def prepare(params: Params, batches: Callable[[], Iterable[np.ndarray]], model_dir: Path) -> None:
    """Computes the principal components of the training images, which evaluations compare with.

    Args:
      params: the model's parameters.
      batches: gives the images once, in a random order, as uint8 [n, height, width, channels].
      model_dir: where they are kept; those that are there already stay.
    """
    if not (model_dir / FILE).exists():
        principal_components(batches(), params.sizes.code).save(model_dir / FILE)


@model_function(Params, check)
def model_fn(
    features: Features, labels: Tensor | None, mode: Mode, params: Params, config: RunConfig | None
) -> EstimatorSpec:
    """The model function, for `tf.estimator.Estimator`.

    Args:
      features: as `core.model.features.images_of` takes them; values in [0, 1].
      labels: class ids [batch] to show beside the codes, or None.
      mode: a `tf.estimator.ModeKeys`.
      params: names and values of `Params`; `phase` says which layer is pre-trained, '' is fine-tuning.
      config: the RunConfig.

    Returns:
      The EstimatorSpec of that mode: see `core.heads.reconstruction`. In PREDICT images are taken as they
      come, corrupted or not.
    """
    images = images_of(features, params.image_shape)
    if params.phase != FINAL:
        return pretraining_spec(params.layer_pretraining, RbmBatch(features, images), mode, config)
    network = Network(params)
    made, endpoints = network(images, _inputs(images, features, mode, params))
    if mode == tf.estimator.ModeKeys.PREDICT:
        publish(endpoints)
        return predict_spec(made, features)
    weights, display = example_weights(features), display_of(config)
    loss = loss_of(made, params.loss, weights)
    if mode == tf.estimator.ModeKeys.EVAL:
        hooks = _eval_hooks(made, network, features, labels, params, display) if display else []
        return eval_spec(made, loss, params, hooks)
    hooks = drawing_hooks(lambda: _pictures(made, endpoints, params), display)
    return train_spec(made, endpoints, loss, weights, params, hooks, network.scaffold())


class Network:
    """Encoder, decoder and what becomes of its output; the layers are made once, and called again.

    Args:
      params: sizes of the layers.
    """

    def __init__(self, params: Params) -> None:
        self._params = params
        self._layers = EncoderDecoder(
            params.sizes,
            params.activation_function(),
            params.activation_function(params.code_activation),
            params.tied,
            params.dense_initializer(),
        )

    def __call__(self, images: Tensor, inputs: Tensor) -> tuple[Reconstructed, dict[str, Endpoint]]:
        """Returns what it makes of a batch, and the endpoints: those of `EncoderDecoder`.

        Args:
          images: float32 [batch, height, width, channels] in [0, 1], the targets.
          inputs: of the same shape, what is encoded.
        """
        code, encoding = self._layers.encode(inputs)
        logits, decoding = self._layers.decode(code)
        values = _OUTPUTS[self._params.output](logits)
        return Reconstructed(images, inputs, code, logits, values), {**encoding, **decoding}

    def decode(self, code: Tensor) -> Tensor:
        """Returns the images of codes float32 [batch, code]: float32 [batch, height, width, channels]."""
        return _OUTPUTS[self._params.output](self._layers.decode(code)[0])

    def scaffold(self) -> Any:
        """Returns what starts training behind pre-training: the decoder is made the mirror of the encoder.

        None, Estimator's own, without pre-training.
        """
        if not self._params.pretrain_epochs:
            return None
        unroll = self._layers.unrolled()
        return tf.train.Scaffold(init_fn=lambda scaffold, session: session.run(unroll))


def _inputs(images: Tensor, features: Features, mode: Mode, params: Params) -> Tensor:
    """Returns the images, corrupted as the mode wants them."""
    if mode == tf.estimator.ModeKeys.PREDICT or params.corruption == 'none':
        return images
    training = mode == tf.estimator.ModeKeys.TRAIN
    seeds = fresh_seed(features) if training else fixed_seeds(features, tf.shape(images)[0])
    return corrupt(images, params.corruption, params.corruption_level, seeds)


def _eval_hooks(
    made: Reconstructed,
    network: Network,
    features: Features,
    labels: Tensor | None,
    params: Params,
    display: Display,
) -> list[SessionRunHook]:
    """Returns the hooks that show the reconstructions, and the codes in the Embedding Projector."""
    report = ReconstructionReportHook(
        made, network.decode, keys_of(features), labels, params.vocabulary, display.evaluation_folder
    )
    columns = {
        **labels_and_keys(features, labels, params.vocabulary),
        keys.ERROR: (made.error, '{:.4g}'.format),
    }
    return [report, EmbeddingsHook(made.code, made.images, columns, str(display.folder), keys.CODE)]


def _pictures(made: Reconstructed, endpoints: Endpoints, params: Params) -> list[Tensor]:
    """Returns summaries of what training makes of some images, and of what its first layer looks for."""
    shown = [made.images, made.inputs, made.reconstruction]
    if params.corruption == 'none':
        del shown[1]
    filters = first_filters(endpoints, params.image_shape)
    return [
        rows_summary('reconstruction', shown),
        *(filter_summary(name, kernel[..., :_UNITS_SHOWN]) for name, kernel in filters.items()),
    ]


def _text(sizes: Iterable[int]) -> str:
    return '-'.join(map(str, sizes)) or 'none'


@functools.cache
def _warn_of_wide_code(code: int, values: int) -> None:
    """Says it once, however many graphs are built."""
    _LOG.warning('a code of %d values is wider than the image of %d: nothing is compressed.', code, values)


MODEL = Model(
    'autoencoder',
    Params,
    model_fn,
    check,
    task=lambda params: Task(keys.SQUARED_ERROR, higher_is_better=False, labelled=False),
    phases=phases,
    prepare=prepare,
    layered=fixed_size(model_fn),
)
