"""The document's deep belief network: layers pre-trained one by one, then 'gentle bp' through all of them.

Hinton, Osindero and Teh 2006; Hinton and Salakhutdinov 2006, whose 784-500-500-2000-10 on MNIST the defaults
are. With denoising autoencoders in the place of RBMs it is Vincent et al. 2010; with `pretrain_epochs=0` the
same network from random weights.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from estimator_lab.core.boltzmann.head import RbmBatch
from estimator_lab.core.boltzmann.pretraining import (
    RBM,
    LayerPretraining,
    PretrainingParams,
    layer_sizes,
    pretraining_phases,
    pretraining_spec,
)
from estimator_lab.core.boltzmann.rbm import BERNOULLI
from estimator_lab.core.boltzmann.stack import Stack, standardised
from estimator_lab.core.display.summaries import filter_summary, histogram_summary, weight_histograms
from estimator_lab.core.features import class_ids, images_of
from estimator_lab.core.heads.classification import ClassifierParams, eval_spec, predict_spec, train_spec
from estimator_lab.core.hparams import hparam, resolve, sizes
from estimator_lab.core.phases import Phase
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import tf

_FIELDS = 64
_DROPOUT_SEED = 1


@dataclasses.dataclass(frozen=True)
class Params(ClassifierParams, PretrainingParams):
    """Parameters of the network."""

    layers: str = layer_sizes('500-500-2000')
    labels_in_top: bool = hparam(
        False,
        'whether the top rbm sees the label as well, so that it can dream a given class',
        lambda v: True,
        structural=True,
    )
    head_steps: int = hparam(
        600, 'steps of fine-tuning in which the new top layer alone learns, 0 or more', lambda v: v >= 0
    )
    dropout_rate: float = hparam(
        0.5, 'share of hidden units dropped in fine-tuning, in [0, 1)', lambda v: 0 <= v < 1
    )
    input_dropout_rate: float = hparam(
        0.2, 'share of pixels dropped in fine-tuning, in [0, 1)', lambda v: 0 <= v < 1
    )

    @property
    def task(self) -> LayerPretraining:
        """What is pre-trained."""
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


def model_fn(
    features: Any, labels: Any, mode: str, params: Mapping[str, Any] | None = None, config: Any = None
) -> Any:
    """The model function, for `tf.estimator.Estimator`.

    Args:
      features: as `core.features.images_of` takes them; values in [0, 1].
      labels: class ids or label texts, [batch]; None in PREDICT.
      mode: a `tf.estimator.ModeKeys`.
      params: names and values of `Params`; `phase` says which layer is pre-trained, '' is fine-tuning.
      config: the RunConfig; without it, training writes no pictures.

    Returns:
      The EstimatorSpec of that mode: a classifier's, or in pre-training that of the layer.

    Raises:
      FlagError: for an unknown parameter, or a value that is not allowed.
    """
    settings = resolve(Params, params)
    check(settings)
    images = images_of(features, settings.image_shape)
    if settings.phase:
        batch = RbmBatch(features, images, _one_hot(labels, settings))
        return pretraining_spec(settings.task, batch, mode, config)
    hidden, logits = network(images, settings, training=mode == tf.estimator.ModeKeys.TRAIN)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return predict_spec(logits, features, settings)
    if mode == tf.estimator.ModeKeys.EVAL:
        return eval_spec(logits, labels, settings, features, hidden[-1], config)
    _summarise(hidden, settings)
    return train_spec(logits, labels, settings, images, config)


def stack_of(params: Params) -> Stack:
    """Makes the variables of the machines up to that of `params.phase`."""
    return params.task.stack()


def can_dream(params: Params) -> bool:
    """Returns whether `dream` can run it."""
    return params.pretraining == RBM


def network(images: Any, params: Params, training: bool) -> tuple[list[Any], Any]:
    """Builds the feed-forward network.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      params: sizes of the layers, dropout.
      training: whether units are dropped.

    Returns:
      (what each layer gives, float32 [batch, units]; logits float32 [batch, num_classes]).
    """
    values = tf.layers.flatten(_as_pretrained(images, params))
    values = _dropped(values, params.input_dropout_rate, 0, training)
    hidden = []
    for number, units in enumerate(sizes(params.layers), 1):
        layer = tf.layers.Dense(
            units, tf.sigmoid, name=f'layer_{number}', kernel_initializer=tf.glorot_uniform_initializer()
        )
        hidden.append(layer(values))
        values = _dropped(hidden[-1], params.dropout_rate, number, training)
    if training and params.pretrain_epochs and params.head_steps:
        values = _head_first(values, params)
    initial = tf.glorot_uniform_initializer()
    return hidden, tf.layers.dense(values, params.num_classes, name='logits', kernel_initializer=initial)


def _as_pretrained(images: Any, params: Params) -> Any:
    """Brings images to mean 0 and deviation 1 where the lowest RBM had Gaussian units."""
    if params.visible_units == BERNOULLI:
        return images
    return standardised(images)[0]


def _head_first(values: Any, params: Params) -> Any:
    """Lets nothing through to the layers below, in the first steps, of what the new top layer has to learn.

    Its first gradients, from random weights, would undo what pre-training has found.
    """
    step = tf.train.get_or_create_global_step() - params.first_step
    shape = tf.shape(values)
    return tf.where(tf.fill(shape, step >= params.head_steps), values, tf.stop_gradient(values))


def _dropped(values: Any, rate: float, number: int, training: bool) -> Any:
    if not rate:
        return values
    return tf.layers.dropout(values, rate, seed=_DROPOUT_SEED + number, training=training)


def _one_hot(labels: Any, params: Params) -> Any:
    """Returns labels as float32 [batch, classes]; all zeros for one that is not known."""
    if labels is None or not params.labels_in_top:
        return None
    return tf.one_hot(class_ids(labels, params.vocabulary), params.num_classes)


def _summarise(hidden: list[Any], params: Params) -> None:
    weight_histograms()
    for number, values in enumerate(hidden, 1):
        histogram_summary(f'activations/layer_{number}', values)
    shown = min(_FIELDS, sizes(params.layers)[0])
    fields = tf.reshape(tf.trainable_variables()[0][:, :shown], [*params.image_shape, shown])
    filter_summary('images/receptive_fields', fields)
