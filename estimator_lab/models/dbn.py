"""The document's deep belief network: layers pre-trained one by one, then 'gentle bp' through all of them.

Hinton, Osindero and Teh 2006; Hinton and Salakhutdinov 2006, whose 784-500-500-2000-10 on MNIST the defaults
are. With denoising autoencoders in the place of RBMs it is Vincent et al. 2010; with `pretrain_epochs=0` the
same network from random weights.
"""

import dataclasses

from estimator_lab.core.boltzmann.pretraining import (
    RBM,
    LayerPretraining,
    PretrainingParams,
    layer_sizes,
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
from estimator_lab.core.model.hparams import sizes
from estimator_lab.core.model.params import ClassifierParams, Phase
from estimator_lab.core.step.noise import Noise
from estimator_lab.errors import FlagError
from estimator_lab.settings import setting
from estimator_lab.tf1 import EstimatorSpec, Tensor, tf


@dataclasses.dataclass(frozen=True)
class Params(DenseParams, ClassifierParams, PretrainingParams):
    """Parameters of the network."""

    layers: str = layer_sizes('500-500-2000')
    labels_in_top: bool = setting(
        False,
        'whether the top rbm sees the label as well, so that it can dream a given class',
        lambda v: True,
        structural=True,
    )
    head_steps: float = setting(
        0.025,
        'steps of fine-tuning in which the new top layer alone learns; below 1 a share of them',
        lambda v: v >= 0,
    )
    dropout_rate: float = setting(
        0.5, 'share of hidden units dropped in fine-tuning, in [0, 1)', lambda v: 0 <= v < 1
    )
    input_dropout_rate: float = setting(
        0.2, 'share of pixels dropped in fine-tuning, in [0, 1)', lambda v: 0 <= v < 1
    )

    @property
    def steps_of_head(self) -> int:
        """How many steps of fine-tuning the new top layer learns alone."""
        share = self.head_steps < 1
        return round(self.head_steps * self.train_steps) if share else int(self.head_steps)

    @property
    def layer_pretraining(self) -> LayerPretraining:
        """What is pre-trained in this phase."""
        return LayerPretraining(
            self, sizes(self.layers), classes=self.num_classes if self.labels_in_top else 0
        )


def check(params: Params) -> None:
    """Raises FlagError for hyper-parameters that don't go together."""
    if params.labels_in_top and params.pretraining != RBM:
        raise FlagError(f'--hparams=labels_in_top=true needs pretraining={RBM}: nothing else dreams.')
    if params.visible_units != BERNOULLI and params.pretraining != RBM:
        raise FlagError(f'--hparams=visible_units={params.visible_units} needs pretraining={RBM}.')


def phases(params: Params) -> list[Phase]:
    """Returns the phases of training: one for each layer, then fine-tuning."""
    layers = len(sizes(params.layers))
    final = [f'layer_{number}/{name}' for number in range(1, layers + 1) for name in ('kernel', 'bias')]
    return pretraining_phases(params, layers, final)


def stack_of(params: Params) -> Stack | None:
    """Makes the variables of the machines up to that of `params.phase`; None where no machine was trained."""
    if params.pretraining != RBM or not params.pretrain_epochs:
        return None
    return params.layer_pretraining.stack()


class Network:
    """The feed-forward network; its layers are made once, and called as often as wanted.

    Args:
      params: sizes of the layers, dropout.
    """

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
          noise: decides which pixels and units are dropped, and is there in training only.
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
    """Brings images to mean 0 and deviation 1 where the lowest RBM had Gaussian units."""
    if params.visible_units == BERNOULLI:
        return images
    return standardised(images)[0]


def _head_first(values: Tensor, params: Params) -> Tensor:
    """Lets nothing through to the layers below, in the first steps, of what the new top layer has to learn.

    Its first gradients, from random weights, would undo what pre-training has found.
    """
    with tf.name_scope('head_first'):
        step = tf.train.get_or_create_global_step() - params.first_step
        shape = tf.shape(values)
        return tf.where(tf.fill(shape, step >= params.steps_of_head), values, tf.stop_gradient(values))


def _one_hot(labels: Tensor | None, params: Params) -> Tensor | None:
    """Returns labels as float32 [batch, classes]; all zeros for one that is not known."""
    if labels is None or not params.labels_in_top:
        return None
    return tf.one_hot(class_ids(labels, params.vocabulary), params.num_classes)


MODEL = Model('dbn', Params, model_fn, check, phases=phases, layered=fixed_size(model_fn), stack=stack_of)
