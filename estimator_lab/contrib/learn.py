"""``RunConfig``, ``ModelFnOps``, ``MetricSpec`` and the keys of ``tf.contrib.learn``."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from estimator_lab.contrib.predictor import DEFAULT_KEY
from estimator_lab.tf1 import Nested, SessionRunHook, Tensor, tf

_LABELS = ('labels', 'label', 'targets', 'target')


class ModeKeys(tf.estimator.ModeKeys):
    """The modes of tf.estimator; INFER is the older name of PREDICT."""

    INFER = tf.estimator.ModeKeys.PREDICT


class PredictionKey:
    """Keys of the predictions of canned Estimators."""

    CLASSES = 'classes'
    PROBABILITIES = 'probabilities'
    LOGITS = 'logits'
    LOGISTIC = 'logistic'
    SCORES = 'scores'
    GENERIC = 'output'


class ProblemType:
    """What a model predicts."""

    UNSPECIFIED = 0
    CLASSIFICATION = 1
    LINEAR_REGRESSION = 2
    LOGISTIC_REGRESSION = 3


class ModelFnOps(NamedTuple):
    """What a model function returns.

    `output_alternatives` are the outputs for serving: {head, or None: (ProblemType, {name: tensor})}.
    """

    mode: str
    predictions: Any = None
    loss: Tensor = None
    train_op: Any = None
    eval_metric_ops: Mapping[Any, Any] | None = None
    output_alternatives: Mapping[Any, Any] | None = None
    training_chief_hooks: Sequence[SessionRunHook] | None = None
    training_hooks: Sequence[SessionRunHook] | None = None
    scaffold: Any = None

    def estimator_spec(self) -> Any:
        """Returns the tf.estimator.EstimatorSpec for the same mode.

        A metric named `loss` is left out, as tf.estimator adds its own. Only signatures of predictions are
        exported.
        """
        predicts = self.mode == ModeKeys.INFER
        heads = self.output_alternatives or {None: (ProblemType.UNSPECIFIED, self.predictions)}
        exports = {
            name or DEFAULT_KEY: tf.estimator.export.PredictOutput(_tensors(tensors))
            for name, (_, tensors) in heads.items()
        }
        return tf.estimator.EstimatorSpec(
            self.mode,
            predictions=_tensors(self.predictions),
            loss=None if predicts or self.loss is None else tf.convert_to_tensor(self.loss),
            train_op=self.train_op if self.mode == ModeKeys.TRAIN else None,
            eval_metric_ops=_pairs(self.eval_metric_ops or {}),
            export_outputs=exports if predicts else None,
            training_chief_hooks=self.training_chief_hooks,
            training_hooks=self.training_hooks,
            scaffold=self.scaffold,
        )


def _tensors(values: Nested) -> Nested:
    if isinstance(values, Mapping):
        return {name: _tensors(value) for name, value in values.items()}
    return values if values is None or isinstance(values, tf.SparseTensor) else tf.convert_to_tensor(values)


def _pairs(metrics: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns metrics as (value, update); 1.15 also accepts a value alone."""
    return {
        name: metric if isinstance(metric, list | tuple) else (metric, tf.no_op())
        for name, metric in metrics.items()
        if name != 'loss'
    }


class RunConfig(tf.estimator.RunConfig):
    """A tf.estimator.RunConfig with the arguments of `tf.contrib.learn.RunConfig`.

    Raises:
      ValueError: if a master is given.
    """

    def __init__(
        self,
        master: str | None = None,
        num_cores: int = 0,
        log_device_placement: bool = False,
        gpu_memory_fraction: float = 1.0,
        tf_random_seed: int | None = None,
        *,
        session_config: Any = None,
        evaluation_master: str = '',
        keep_checkpoint_every_n_hours: float = 10000,
        **settings: Any,
    ) -> None:
        if master or evaluation_master:
            raise ValueError(
                'RunConfig reads its master from TF_CONFIG: master and evaluation_master must be empty.'
            )
        if session_config is None:
            session_config = tf.ConfigProto(
                allow_soft_placement=True,
                log_device_placement=log_device_placement,
                inter_op_parallelism_threads=num_cores,
                intra_op_parallelism_threads=num_cores,
            )
            session_config.gpu_options.per_process_gpu_memory_fraction = gpu_memory_fraction
        if settings.get('save_checkpoints_steps') is not None:
            settings.setdefault('save_checkpoints_secs', None)
        super().__init__(
            tf_random_seed=tf_random_seed,
            session_config=session_config,
            keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours,
            **settings,
        )

    @property
    def tf_config(self) -> Any:
        """The tf.ConfigProto of its sessions, which can be changed until an Estimator is made."""
        return self.session_config


@dataclass(eq=False)
class MetricSpec:
    """A metric of a model's predictions, for `evaluate(metrics={name: MetricSpec(...)})`."""

    metric_fn: Callable[..., Any]
    prediction_key: str | None = None
    label_key: str | None = None
    weight_key: str | None = None

    def create_metric_ops(self, inputs: Nested, labels: Tensor, predictions: Any) -> Any:
        """Returns the metric of these features, labels and predictions, each a tensor or a mapping of them.

        Raises:
          ValueError: if there are several without a key.
          KeyError: if there is none with that key.
        """
        names = list(inspect.signature(self.metric_fn).parameters)
        label = next((name for name in names if name in _LABELS), None)
        # The metrics of tf.metrics start with the labels, those of tf.contrib.metrics with the predictions.
        prediction = next(name for name in names if name != label)
        arguments = {prediction: _chosen('prediction', predictions, self.prediction_key)}
        if label is not None:
            arguments[label] = _chosen('label', labels, self.label_key)
        if self.weight_key is not None:
            arguments['weight' if 'weight' in names else 'weights'] = inputs[self.weight_key]
        return self.metric_fn(**arguments)


def _chosen(kind: str, values: Nested, key: str | None) -> Tensor:
    if not isinstance(values, Mapping):
        return values
    if key is None and len(values) > 1:
        raise ValueError(f'MetricSpec needs a {kind}_key, as there are several: {sorted(values)}.')
    return next(iter(values.values())) if key is None else values[key]
