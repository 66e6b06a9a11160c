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
from estimator_lab.core.boltzmann.rbm import BERNOULLI
from estimator_lab.core.boltzmann.stack import Stack, standardised
from estimator_lab.core.heads.classification import classification_spec
from estimator_lab.core.heads.model import Model, fixed_size
from estimator_lab.core.heads.model_function import Args, model_function
from estimator_lab.core.heads.pretraining import pretraining_spec
from estimator_lab.core.layers.dense import DenseParams, HiddenLayers
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.core.model.features import class_ids
from estimator_lab.core.model.hparams import is_share, not_negative, sizes, some_sizes, structural
from estimator_lab.core.model.params import ClassifierParams, Phase
from estimator_lab.core.step.noise import Noise
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import EstimatorSpec, Tensor, tf


@dataclasses.dataclass(frozen=True)
class Params(DenseParams, ClassifierParams, PretrainingParams):
    """Parameters of the network."""

    layers: str = structural('500-500-2000', 'hidden units of each layer, such as 500-500-2000', some_sizes)
    labels_in_top: bool = structural(
        False, 'whether the top rbm also sees the label, so that it can sample a given class'
    )
    head_steps: float = setting(
        0.025,
        'steps of fine-tuning that train only the new top layer; below 1: share of the steps',
        not_negative,
        used_if=lambda params: params.pretrain_epochs > 0,
    )
    dropout_rate: float = setting(0.5, 'share of hidden units dropped in fine-tuning, in [0, 1)', is_share)
    input_dropout_rate: float = setting(0.2, 'share of pixels dropped in fine-tuning, in [0, 1)', is_share)

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


class Network:
    """The network; its layers are created once and can be called several times."""

    def __init__(self, params: Params) -> None:
        self._params = params
        self._hidden = HiddenLayers(
            sizes(params.layers),
            tf.sigmoid,
            params.dense_initializer(),
            params.dropout_rate,
            params.input_dropout_rate,
        )
        self._logits = tf.layers.Dense(
            params.num_classes, name='logits', kernel_initializer=params.dense_initializer()
        )

    def __call__(self, images: Tensor, noise: Noise | None = None) -> tuple[Tensor, dict[str, Endpoint]]:
        """Returns the logits, float32 [batch, num_classes], and the endpoints layer_1 ..., [batch, units].

        Args:
          images: float32 [batch, height, width, channels] in [0, 1].
          noise: random numbers for dropout in training; else None.
        """
        params = self._params
        values, endpoints = self._hidden(tf.layers.flatten(_as_pretrained(images, params)), noise)
        if noise and params.pretrain_epochs and params.steps_of_head:
            values = _head_first(values, params)
        return self._logits(values), endpoints


@model_function(Params, check)
def model_fn(args: Args[Params]) -> EstimatorSpec:
    """Pre-trains the layer that `params.phase` names, or fine-tunes the classifier if that is ''.

    See `core.heads.pretraining.pretraining_spec` and `core.heads.classification.classification_spec`.
    """
    params = args.params
    if params.phase:
        return pretraining_spec(args, params.layer_pretraining, _one_hot(args.labels, params))
    logits, endpoints = Network(params)(args.images, args.noise)
    return classification_spec(args, logits, endpoints)


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


MODEL = Model('dbn', Params, model_fn, check, phases=phases, layered=fixed_size(model_fn), stack=stack_of)
