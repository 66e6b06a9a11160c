"""Model functions for `tf.estimator.Estimator`, written as functions of one `Args`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from estimator_lab.core.display.drawing import Display, display_of
from estimator_lab.core.model.features import class_ids, example_weights, images_of, keys_of
from estimator_lab.core.model.hparams import resolve
from estimator_lab.core.model.params import ClassifierParams, TrainingParams
from estimator_lab.core.step.mixing import Mixing, mixing_of
from estimator_lab.core.step.noise import Noise, fresh_seed
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

P = TypeVar('P', bound=TrainingParams)
ModelFn = Callable[..., EstimatorSpec]


@dataclass(frozen=True)
class Args(Generic[P]):
    """The arguments of a model function, with its parameters resolved and checked.

    Attributes:
      features: a mapping with 'image' and optionally 'key' and 'weight', or the images alone: see
        `core.model.features`. Pixels are in [0, 1].
      labels: class ids or label texts, [batch]; None in PREDICT, and for data without labels.
      mode: a `tf.estimator.ModeKeys`.
      params: the parameters.
      config: the RunConfig; None outside of a run.
    """

    features: Features
    labels: Tensor | None
    mode: Mode
    params: P
    config: RunConfig | None = None

    @property
    def training(self) -> bool:
        """Whether the mode is TRAIN."""
        return self.mode == tf.estimator.ModeKeys.TRAIN

    @property
    def evaluating(self) -> bool:
        """Whether the mode is EVAL."""
        return self.mode == tf.estimator.ModeKeys.EVAL

    @property
    def predicting(self) -> bool:
        """Whether the mode is PREDICT."""
        return self.mode == tf.estimator.ModeKeys.PREDICT

    @cached_property
    def images(self) -> Tensor:
        """The images, float32 [batch, height, width, channels] in [0, 1]; see also `mixing`."""
        images = images_of(self.features, self.params.image_shape)
        return self.mixing.blend(images) if self.mixing else images

    @cached_property
    def mixing(self) -> Mixing | None:
        """How the images of a training step are blended with each other; None if they are not."""
        params = self.params
        if not (self.training and isinstance(params, ClassifierParams) and params.mixes) or params.phase:
            return None
        ids = class_ids(self.labels, params.vocabulary)
        return mixing_of(self.features, (ids >= 0) & (ids < params.num_classes), params)

    @cached_property
    def noise(self) -> Noise | None:
        """The random numbers of a training step; None in the other modes, which are deterministic."""
        return Noise(fresh_seed(self.features)) if self.training else None

    @property
    def weights(self) -> Tensor:
        """The weight of each example in training: float32 [batch], or 1.0."""
        return example_weights(self.features)

    @property
    def keys(self) -> Tensor | None:
        """The keys of the examples, string [batch]; None if the input has none."""
        return keys_of(self.features)

    @property
    def display(self) -> Display | None:
        """Where to write summaries; None for nowhere."""
        return display_of(self.config)


def model_function(
    params_class: type[P], check: Callable[[P], None] = lambda params: None
) -> Callable[[Callable[[Args[P]], EstimatorSpec]], ModelFn]:
    """Returns a decorator that makes a model function for Estimator from a function of `Args`.

    The model function accepts (features, labels, mode, params, config). Its `params` maps names to values;
    those left out have their defaults. `params` and `config` may be omitted. It raises FlagError for an
    unknown hyper-parameter and for a value that is not allowed.

    Args:
      params_class: the model's parameter class.
      check: raises FlagError for hyper-parameters that cannot be combined.
    """

    def decorate(function: Callable[[Args[P]], EstimatorSpec]) -> ModelFn:
        def model_fn(
            features: Features,
            labels: Tensor,
            mode: Mode,
            params: Mapping[str, Any] | None = None,
            config: RunConfig | None = None,
        ) -> EstimatorSpec:
            resolved = resolve(params_class, params)
            check(resolved)
            return function(Args(features, labels, mode, resolved, config))

        model_fn.__doc__ = function.__doc__
        return model_fn

    return decorate
