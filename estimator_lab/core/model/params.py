"""Parameters that models have in common, and the phases in which a model is trained."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from estimator_lab.base.settings import setting
from estimator_lab.core.model.hparams import is_positive, is_share, not_negative
from estimator_lab.optimizers import (
    OPTIMIZERS,
    SCHEDULES,
    SECOND_ORDER,
    WITH_MOMENTUM,
    SecondOrderParams,
)

FINAL = ''
"""Name of the last phase, whose folder is model_dir itself."""

_LARGEST_BETA = 100


@dataclass(frozen=True)
class Phase:
    """A phase of a training run, with its own Estimator.

    Examples:
        >>> Phase().name == FINAL
        True
        >>> Phase('pretraining', epochs=5).epochs
        5

    The global step continues from phase to phase, so that TensorBoard shows all of them on one time axis.

    Attributes:
      name: value of `params.phase` for the model function, and the phase's folder within model_dir.
      epochs: passes over its data; 0 for the last phase, whose length the user sets.
      inherits: names of the variables that start with their values of the preceding phase.
      renames: (name, name in the preceding phase) of inherited variables with another name there.
      least_steps: fewest steps of the last phase, if the user does not set its length. Small data is then
        read more often.
    """

    name: str = FINAL
    epochs: float = 0.0
    inherits: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    least_steps: int = 0


def _is_first_order(params: Any) -> bool:
    return params.optimizer not in SECOND_ORDER


def learning_rate_hparam(default: float) -> Any:
    """Returns the hyper-parameter of the learning rate, with its default."""
    return setting(default, 'initial learning rate, above 0', is_positive, used_if=_is_first_order)


def warmup_hparam(default: int) -> Any:
    """Returns the hyper-parameter of a learning-rate warm-up, with its default."""
    text = (
        'steps in which the learning rate rises to that of its schedule, at most a tenth of all; 0 for none'
    )
    return setting(default, text, not_negative, used_if=_is_first_order)


def has_adam(params: Any) -> bool:
    """Returns whether the optimizer is adam."""
    return bool(params.optimizer == 'adam')


def warmup_inputs_hparam(default: int) -> Any:
    """Returns the hyper-parameter that prolongs adam's warm-up for units with many inputs."""
    text = (
        'for adam: inputs of a unit above which its warm-up is longer than warmup_steps, in proportion to '
        'them; 0 for the same warm-up everywhere'
    )
    return setting(
        default, text, not_negative, used_if=lambda params: has_adam(params) and params.warmup_steps > 0
    )


@dataclasses.dataclass(frozen=True)
class OptimizerParams:
    """The optimizer and its learning rate."""

    optimizer: str = setting('adam', f'one of {", ".join(OPTIMIZERS)}', OPTIMIZERS.__contains__)
    learning_rate: float = learning_rate_hparam(0.001)
    learning_rate_schedule: str = setting(
        'cosine',
        f'one of {", ".join(SCHEDULES)}',
        SCHEDULES.__contains__,
        used_if=_is_first_order,
    )
    warmup_steps: int = warmup_hparam(0)
    warmup_inputs: int = warmup_inputs_hparam(0)
    momentum: float = setting(
        0.9,
        'for momentum, nesterov and rmsprop, in [0, 1)',
        is_share,
        used_if=lambda params: params.optimizer in WITH_MOMENTUM,
    )


@dataclasses.dataclass(frozen=True)
class DataParams:
    """Parameters that the data and the run decide.

    Attributes:
      image_shape: (height, width, channels) of the input, in pixels.
      vocabulary: label texts in the order of their class ids.
      train_steps: steps of the training run, which the learning-rate schedule spans.
      first_step: the global step at which the schedule begins; above 0 after another phase.
      phase: name of the training phase; '' is the last, and the only one of most models.
      model_dir: the folder with what a model computed before training; '' for none.
      accumulate: how many batches make up one update of the weights.
      loss_scaling: whether the loss is scaled, as gradients in float16 require.
      frozen: names of the layers that keep their weights in training.
    """

    image_shape: tuple[int, int, int] = (128, 128, 1)
    vocabulary: tuple[str, ...] = tuple('0123456789')
    train_steps: int = 10_000
    first_step: int = 0
    phase: str = FINAL
    model_dir: str = ''
    accumulate: int = 1
    loss_scaling: bool = False
    frozen: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class TrainingParams(SecondOrderParams, OptimizerParams, DataParams):
    """Parameters of every model; those of the data come first, then the optimizer's."""

    @property
    def is_second_order(self) -> bool:
        """Whether the optimizer evaluates the loss several times in a step."""
        return self.optimizer in SECOND_ORDER

    @property
    def smallest_batch(self) -> int:
        """Smallest number of examples in a batch, and in the training data."""
        return 1


def clipping(default: float) -> Any:
    """Returns the hyper-parameter of gradient clipping, with its default."""
    text = 'length to which the gradient of a first-order optimizer is cut back, 0 for none'
    return setting(default, text, not_negative, used_if=_is_first_order)


@dataclasses.dataclass(frozen=True)
class LabelledParams(TrainingParams):
    """Parameters of every model that has classes."""

    clip_norm: float = clipping(0.0)

    @property
    def num_classes(self) -> int:
        """Number of labels in the vocabulary."""
        return len(self.vocabulary)


def _is_beta(value: float) -> bool:
    return 0 <= value <= _LARGEST_BETA


@dataclasses.dataclass(frozen=True)
class ClassifierParams(LabelledParams):
    """Parameters of every classifier.

    Examples:
        >>> ClassifierParams(vocabulary=('cat', 'dog')).num_classes
        2
        >>> ClassifierParams().optimizer, ClassifierParams().mixes
        ('adam', False)

    Attributes:
      class_weights: weight of each class in the training loss, in the order of the vocabulary; () for 1.
    """

    class_weights: tuple[float, ...] = ()

    label_smoothing: float = setting(
        0.0, 'share of the target that is spread over all classes in training, in [0, 1)', is_share
    )
    mixup: float = setting(
        0.0, 'alpha of the Beta distribution by which pairs of images are blended, 0 for none', _is_beta
    )
    cutmix: float = setting(0.0, "alpha of the same for a box of the partner's image, 0 for none", _is_beta)

    @property
    def mixes(self) -> bool:
        """Whether pairs of training images are blended."""
        return self.mixup > 0 or self.cutmix > 0
