"""The notes' deep belief network: layers pre-trained one by one, then 'gentle bp' through all of them.

Hinton, Osindero and Teh 2006; the defaults are the 784-500-500-2000-10 of Hinton and Salakhutdinov 2006 on
MNIST. With denoising autoencoders instead of RBMs it is the network of Vincent et al. 2010; with
`pretrain_epochs=0` it is trained from random weights.
"""

import dataclasses

from estimator_lab.base.settings import setting
from estimator_lab.core.boltzmann.pretraining import (
    RBM,
    LayerPretraining,
    PretrainingParams,
    pretraining_phases,
)
from estimator_lab.core.boltzmann.pretraining_head import pretraining_spec
from estimator_lab.core.boltzmann.rbm import BERNOULLI
from estimator_lab.core.boltzmann.stack import Stack, standardised
from estimator_lab.core.classifier import classification_spec
from estimator_lab.core.endpoints import LOGITS, Layers
from estimator_lab.core.features import class_ids
from estimator_lab.core.layers import class_logits, hidden_layers
from estimator_lab.core.model import Args, Model, Phase, model_function
from estimator_lab.core.noise import Noise, dropout
from estimator_lab.core.params import SIZES, AnyOptimizer, ClassifierParams, sizes, structural
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import EstimatorSpec, Tensor, tf


@dataclasses.dataclass(frozen=True)
class Params(AnyOptimizer, ClassifierParams, PretrainingParams):
    """Parameters of the network."""

    layers: str = structural(
        '500-500-2000', 'hidden units of each layer, such as 500-500-2000', pattern=SIZES
    )
    labels_in_top: bool = structural(
        False, 'whether the top rbm also sees the label, so that it can sample a given class'
    )
    head_steps: float = setting(
        0.025,
        'steps of fine-tuning that train only the new top layer; below 1: share of the steps',
        lower=0,
        used_if=lambda params: params.pretrain_epochs > 0,
    )
    dropout_rate: float = setting(0.5, 'share of hidden units dropped in fine-tuning', lower=0, below=1)
    input_dropout_rate: float = setting(0.2, 'share of pixels dropped in fine-tuning', lower=0, below=1)

    @property
    def steps_of_head(self) -> int:
        """Number of fine-tuning steps that train only the new top layer."""
        share = self.head_steps < 1
        return round(self.head_steps * self.train_steps) if share else int(self.head_steps)

    @property
    def layer_pretraining(self) -> LayerPretraining:
        """The pre-training of the stack."""
        return LayerPretraining(
            self, sizes(self.layers), classes=self.num_classes if self.labels_in_top else 0
        )


def check(params: Params) -> None:
    """Raises FlagError for hyper-parameters that cannot be combined."""
    if params.labels_in_top and params.pretraining != RBM:
        raise FlagError(f'--hparams=labels_in_top=true needs pretraining={RBM}: only an rbm can be sampled.')
    if params.visible_units != BERNOULLI and params.pretraining != RBM:
        raise FlagError(f'--hparams=visible_units={params.visible_units} needs pretraining={RBM}.')


def phases(params: Params) -> list[Phase]:
    """Returns the phases of training: one per layer, then fine-tuning."""
    layers = len(sizes(params.layers))
    final = [f'layer_{number}/{name}' for number in range(1, layers + 1) for name in ('kernel', 'bias')]
    return pretraining_phases(params, layers, final)


def stack_of(params: Params) -> Stack | None:
    """Creates the variables of the machines up to that of `params.phase`; None if no machine is trained."""
    if params.pretraining != RBM or not params.pretrain_epochs:
        return None
    return params.layer_pretraining.stack()


def network(images: Tensor, params: Params, noise: Noise | None = None) -> Layers:
    """Yields layer_1 and so on, float32 [batch, units], then the logits.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      params: of the network.
      noise: draws what is dropped in training; None drops nothing.
    """
    pixels = tf.layers.flatten(_as_pretrained(images, params))
    pixels = dropout(pixels, params.input_dropout_rate, noise)
    hidden = yield from hidden_layers(pixels, sizes(params.layers), tf.sigmoid, noise, params.dropout_rate)
    if noise and params.pretrain_epochs and params.steps_of_head:
        hidden = _head_first(hidden, params)
    yield LOGITS, class_logits(hidden, params)


@model_function(Params, check)
def model_fn(args: Args[Params]) -> EstimatorSpec:
    """Pre-trains the layer that `params.phase` names, or fine-tunes the classifier if that is ''.

    See `core.boltzmann.pretraining_head.pretraining_spec` and `core.classifier.classification_spec`.
    """
    params = args.params
    if params.phase:
        return pretraining_spec(args, params.layer_pretraining, _one_hot(args.labels, params))
    return classification_spec(args, network(args.images, params, args.noise))


def _as_pretrained(images: Tensor, params: Params) -> Tensor:
    """Normalises images as in pre-training, if the lowest RBM has Gaussian units."""
    if params.visible_units == BERNOULLI:
        return images
    return standardised(images)[0]


def _head_first(values: Tensor, params: Params) -> Tensor:
    """Stops the gradient to the pre-trained layers during the first steps.

    The first gradients of the new top layer, which starts from random weights, would undo pre-training.
    """
    with tf.name_scope('head_first'):
        step = tf.train.get_or_create_global_step() - params.first_step
        shape = tf.shape(values)
        return tf.where(tf.fill(shape, step >= params.steps_of_head), values, tf.stop_gradient(values))


def _one_hot(labels: Tensor | None, params: Params) -> Tensor | None:
    """Returns labels as float32 [batch, classes]; all zeros for an unknown label."""
    if labels is None or not params.labels_in_top:
        return None
    return tf.one_hot(class_ids(labels, params.vocabulary), params.num_classes)


MODEL = Model('dbn', Params, model_fn, check, phases=phases, network=network, stack=stack_of)
