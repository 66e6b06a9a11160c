"""``ModeKeys``, ``RunConfig``, ``ModelFnOps`` and the other small classes of ``tf.contrib.learn``."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from estimator_lab.tf1 import tf

_SERVING_DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class NotFittedError(ValueError, AttributeError):
    """An Estimator without a checkpoint cannot evaluate or predict."""


class ModeKeys:
    """The modes of tf.estimator under their older names."""

    TRAIN = 'train'
    EVAL = 'eval'
    INFER = 'infer'

    @classmethod
    def validate(cls, key: str) -> None:
        """Raises ValueError if `key` is not a mode."""
        if key not in (cls.TRAIN, cls.EVAL, cls.INFER):
            raise ValueError(f'Invalid mode {key}.')


class PredictionKey:
    """Keys of the predictions of canned Estimators."""

    CLASSES = 'classes'
    PROBABILITIES = 'probabilities'
    LOGITS = 'logits'
    LOGISTIC = 'logistic'
    SCORES = 'scores'
    TOP_K = 'top_k'
    GENERIC = 'output'


class ProblemType:
    """What a model predicts."""

    UNSPECIFIED = 0
    CLASSIFICATION = 1
    LINEAR_REGRESSION = 2
    LOGISTIC_REGRESSION = 3


class InputFnOps(NamedTuple):
    """What an input function for serving returns.

    `features` are those of the model; `default_inputs` are the placeholders that they are made of, by name.
    """

    features: Any
    labels: Any
    default_inputs: Any


class ModelFnOps(NamedTuple):
    """What a model function returns; `estimator_spec` makes a tf.estimator.EstimatorSpec of it.

    `output_alternatives` are the outputs for serving: {head, or None: (ProblemType, {name: tensor})}.
    """

    mode: str
    predictions: Any = None
    loss: Any = None
    train_op: Any = None
    eval_metric_ops: Mapping[str, Any] | None = None
    output_alternatives: Mapping[Any, Any] | None = None
    training_chief_hooks: Sequence[Any] | None = None
    training_hooks: Sequence[Any] | None = None
    scaffold: Any = None

    def estimator_spec(self, default_serving_output_alternative_key: str | None = None) -> Any:
        """Returns the tf.estimator.EstimatorSpec for the same mode.

        A metric named `loss` is left out, as tf.estimator adds its own. All exported signatures are those of
        predictions.

        Args:
          default_serving_output_alternative_key: the head that serves requests that name none, if there are
            several.

        Raises:
          ValueError: if the loss, the training operation or the predictions that the mode needs are missing.
        """
        predicts = self.mode == ModeKeys.INFER
        return tf.estimator.EstimatorSpec(
            self.mode,
            predictions=_tensors(self.predictions),
            loss=None if predicts or self.loss is None else tf.convert_to_tensor(self.loss),
            train_op=self.train_op if self.mode == ModeKeys.TRAIN else None,
            eval_metric_ops=_pairs(self.eval_metric_ops or {}),
            export_outputs=self._exports(default_serving_output_alternative_key) if predicts else None,
            training_chief_hooks=self.training_chief_hooks,
            training_hooks=self.training_hooks,
            scaffold=self.scaffold,
        )

    def _exports(self, default: str | None) -> dict[str, Any]:
        heads = self.output_alternatives or {None: (ProblemType.UNSPECIFIED, self.predictions)}
        exports = {
            name or _SERVING_DEFAULT: tf.estimator.export.PredictOutput(_tensors(tensors))
            for name, (_, tensors) in heads.items()
        }
        if default is not None:
            exports.setdefault(_SERVING_DEFAULT, exports[default])
        return exports


def _tensors(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _tensors(value) for name, value in values.items()}
    return values if values is None or isinstance(values, tf.SparseTensor) else tf.convert_to_tensor(values)


def _pairs(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Returns metrics as (value, update), of which 1.15 accepts values alone."""
    return {
        name: metric if isinstance(metric, list | tuple) else (metric, tf.no_op())
        for name, metric in metrics.items()
        if name != 'loss'
    }


class RunConfig(tf.estimator.RunConfig):
    """A tf.estimator.RunConfig with the arguments of `tf.contrib.learn.RunConfig`.

    Args:
      master: must be None or ''; TF_CONFIG names the master.
      num_cores: threads of a session; 0 for the number of cores.
      log_device_placement: whether to print the device of each operation.
      gpu_memory_fraction: fraction of a GPU's memory that this process may use.
      tf_random_seed: random seed of the graph.
      session_config: a tf.ConfigProto that replaces num_cores, log_device_placement and gpu_memory_fraction.
      protocol: protocol of servers, such as 'grpc'.
      evaluation_master: must be ''.
      keep_checkpoint_every_n_hours: as in tf.estimator.RunConfig.
      **settings: other arguments of tf.estimator.RunConfig, such as model_dir and save_checkpoints_steps.

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
        session_config: Any = None,
        protocol: str | None = None,
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
            protocol=protocol,
            keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours,
            **settings,
        )

    @property
    def tf_config(self) -> Any:
        """The tf.ConfigProto of its sessions, which can be changed until an Estimator is made."""
        return self.session_config
