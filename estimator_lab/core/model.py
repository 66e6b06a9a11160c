"""What every model is: its parameters, its model function for Estimator, its phases and what it learns."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from estimator_lab.core import keys
from estimator_lab.core.features import class_ids, example_weights, images_of, keys_of
from estimator_lab.core.noise import Noise, fresh_seed
from estimator_lab.core.params import TrainingParams, resolve
from estimator_lab.core.summaries import picture_hooks
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, SessionRunHook, Tensor, tf

P = TypeVar('P', bound=TrainingParams)
P_co = TypeVar('P_co', bound=TrainingParams, covariant=True)

LEAST_STEPS = 500
"""Fewest steps of a classifier, unless the user sets its length. Ten epochs of 200 digits of MNIST are 70,
after which cnn recognises 0.71 of unseen ones; after 500, it recognises 0.82."""

FINAL = ''
"""Name of the last phase, whose folder is model_dir itself."""

EVALUATION = 'eval'
"""The folder of evaluations within an Estimator's model_dir."""

_EVALUATOR = 'evaluator'


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
      least_steps: fewest steps of the phase, if the user does not set its length. Small data is then read
        more often.
    """

    name: str = FINAL
    epochs: float = 0.0
    inherits: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    least_steps: int = 0


@dataclass(frozen=True)
class Task:
    """What a model learns with given hyper-parameters.

    Examples:
        >>> Task().primary_metric, Task().labelled
        ('accuracy', True)

    Attributes:
      primary_metric: the evaluation metric by which runs are compared.
      higher_is_better: whether larger values of that metric are better.
      labelled: whether every training example needs a label; other models use labels only where they exist.
    """

    primary_metric: str = keys.ACCURACY
    higher_is_better: bool = True
    labelled: bool = True


class Model(ABC, Generic[P]):
    """A model: what the package does with each of them; what only some can do is in `core.abilities`.

    Attributes:
      name: value of --model.
      params: dataclass of the hyper-parameters and of what the data decides.
      least_steps: see `Phase`, for a model of one phase.
    """

    name: ClassVar[str]
    params: type[P]
    least_steps: ClassVar[int] = LEAST_STEPS

    @staticmethod
    @abstractmethod
    def model_fn(
        features: Features,
        labels: Tensor | None,
        mode: Mode,
        params: Mapping[str, Any] | None = None,
        config: RunConfig | None = None,
    ) -> EstimatorSpec:
        """The model function, for `tf.estimator.Estimator`. In PREDICT it publishes its endpoints.

        The predictions of PREDICT and EVAL have classes and probabilities, or the error of each example.
        """

    def task(self, params: P) -> Task:
        """Returns what it learns with these parameters."""
        return Task()

    def phases(self, params: P) -> list[Phase]:
        """Returns the phases of training, the last one called FINAL."""
        return [Phase(least_steps=self.least_steps)]


AnyModel = Model[Any]
"""A model whose parameter class is known at run time only."""


class Targets(NamedTuple):
    """The labels of a batch.

    Attributes:
      ids: class ids, int64 [batch]; 0 for an unknown label.
      weights: weights of the examples, float32 [batch]; 0 for an unknown label.
    """

    ids: Tensor
    weights: Tensor

    @property
    def known(self) -> Tensor:
        """The class ids, int64 [batch]; -1 for an unknown label, and for an example of weight 0."""
        return tf.where(self.weights > 0, self.ids, -tf.ones_like(self.ids))


@dataclass(frozen=True)
class Args(Generic[P_co]):
    """The arguments of a model function, with its parameters resolved and checked.

    Attributes:
      features: a mapping with 'image' and optionally 'key' and 'weight', or the images alone: see
        `core.features`. Pixels are in [0, 1].
      labels: class ids or label texts, [batch]; None in PREDICT, and for data without labels.
      mode: a `tf.estimator.ModeKeys`.
      params: the parameters.
      config: the RunConfig; None outside of a run.
    """

    features: Features
    labels: Tensor | None
    mode: Mode
    params: P_co
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
        """The images, float32 [batch, height, width, channels] in [0, 1]."""
        return images_of(self.features, self.params.image_shape)

    @cached_property
    def noise(self) -> Noise | None:
        """The random numbers of a training step; None in the other modes, which are deterministic."""
        if not self.training:
            return None
        always = isinstance(self.weights, int | float) or tf.distribute.has_strategy()
        with tf.name_scope('active'):
            active = True if always else tf.reduce_any(self.weights > 0)
        return Noise(fresh_seed(self.features), active)

    @cached_property
    def class_ids(self) -> Tensor:
        """The class ids of the labels, int64 [batch]; -1 for an unknown label."""
        return class_ids(self.labels, self.params.vocabulary)

    @cached_property
    def targets(self) -> Targets:
        """The labels of a classifier's batch, in TRAIN or EVAL."""
        ids = self.class_ids
        known = ids >= 0
        return Targets(tf.where(known, ids, tf.zeros_like(ids)), tf.cast(known, tf.float32) * self.weights)

    @property
    def weights(self) -> Tensor:
        """The weight of each example: float32 [batch], or 1.0."""
        return example_weights(self.features)

    @property
    def keys(self) -> Tensor | None:
        """The keys of the examples, string [batch]; None if the input has none."""
        return keys_of(self.features)

    @property
    def folder(self) -> Path | None:
        """The run's folder of event files; None for a run that writes no summaries.

        That is one with save_summary_steps None or 0, and in a cluster any task but chief and evaluator.
        """
        config = self.config
        if config is None or not config.model_dir or not config.save_summary_steps:
            return None
        if not config.is_chief and config.task_type != _EVALUATOR:
            return None
        return Path(config.model_dir)

    @property
    def evaluation_folder(self) -> Path | None:
        """The folder where Estimator writes the metrics of evaluations; None as for `folder`."""
        return self.folder / EVALUATION if self.folder else None

    def picture_hooks(self) -> list[SessionRunHook]:
        """Returns the hook that writes the pictures of TRAIN that are in the graph by now."""
        steps = self.config.save_summary_steps if self.config else 0
        return picture_hooks(self.folder, steps, self.params.train_steps)


def arguments(
    params_class: type[P],
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None,
    config: RunConfig | None,
) -> Args[P]:
    """Returns the arguments of a model function, with its parameters resolved and checked.

    Args:
      params_class: the model's parameter class, which checks its values.
      features: as Estimator hands them over; see `Args`, also for the next two.
      labels: or None.
      mode: a `tf.estimator.ModeKeys`.
      params: values by name; others have their defaults. None for all defaults.
      config: the RunConfig; None outside of a run.

    Raises:
      FlagError: a hyper-parameter is unknown, its value is not allowed, or it does not fit the others.
    """
    resolved = resolve(params_class, params)
    resolved.check()
    return Args(features, labels, mode, resolved, config)


def prediction_spec(
    predictions: Mapping[str, Any], features: Features, only_exported: Mapping[str, Any] | None = None
) -> EstimatorSpec:
    """Returns the EstimatorSpec for PREDICT.

    Args:
      predictions: tensors by name, with one row per example.
      features: the model function's features; keys in them become the prediction `key`, which an export
        leaves out: its callers know which images they sent.
      only_exported: further tensors of an export.
    """
    exported = {**predictions, **(only_exported or {})}
    example_keys = keys_of(features)
    predicted = dict(predictions) if example_keys is None else {**predictions, keys.KEY: example_keys}
    return tf.estimator.EstimatorSpec(
        tf.estimator.ModeKeys.PREDICT,
        predictions=predicted,
        export_outputs={'serving_default': tf.estimator.export.PredictOutput(exported)},
    )
