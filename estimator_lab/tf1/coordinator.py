"""The glue between Estimator and TensorFlow's distribute coordinator, which TensorFlow 2.16 deleted.

Loaded as ``tensorflow.python.distribute.estimator_training``, the name ``tensorflow_estimator`` imports.
The coordinator itself (``distribute_coordinator.py``) is still in TensorFlow. Behaviour, messages of errors
included, follows TensorFlow 2.15, but a client that drives a cluster, `remote_cluster`, is not supported.
"""

import copy
from collections.abc import Callable
from typing import Any

from tensorflow.python.distribute import distribute_coordinator as coordinator
from tensorflow.python.distribute import distribute_coordinator_context as coordinator_context
from tensorflow.python.platform import tf_logging as logging
from tensorflow.python.training import server_lib

CHIEF = coordinator._TaskType.CHIEF
EVALUATOR = coordinator._TaskType.EVALUATOR
PS = coordinator._TaskType.PS
WORKER = coordinator._TaskType.WORKER

_MODE = coordinator.CoordinatorMode.INDEPENDENT_WORKER


def init_run_config(config: Any, tf_config: dict[str, Any]) -> None:
    """Completes a RunConfig that has a distribution strategy; decides whether the coordinator is used.

    Args:
      config: the RunConfig under construction.
      tf_config: the parsed TF_CONFIG environment variable; {} if it is not set.

    Raises:
      ValueError: if a strategy is given in two places.
      NotImplementedError: if `experimental_distribute` has a `remote_cluster`.
    """
    for kind in ('train_distribute', 'eval_distribute'):
        _take_experimental(config, kind)
    cluster = server_lib.ClusterSpec(tf_config.get('cluster', {}))
    config._init_distributed_setting_from_environment_var({})

    if getattr(config._experimental_distribute, 'remote_cluster', None):
        raise NotImplementedError(
            'experimental_distribute.remote_cluster is not supported: start the program in each process of '
            'the cluster, with TF_CONFIG.'
        )
    if cluster and 'master' not in cluster.jobs and config._train_distribute:
        # Each process gets its role from the coordinator, so only the cluster is set here.
        config._cluster_spec = cluster
        config._distribute_coordinator_mode = _MODE
    else:
        config._distribute_coordinator_mode = None
        config._init_distributed_setting_from_environment_var(tf_config)
        config._maybe_overwrite_session_config_for_distributed_training()
    logging.info('RunConfig: distribute coordinator mode %s', config._distribute_coordinator_mode)


def _take_experimental(config: Any, kind: str) -> None:
    """Moves the strategy `kind` from `experimental_distribute` to its own field of the config."""
    strategy = getattr(config._experimental_distribute, kind, None)
    if not strategy:
        return
    if getattr(config, f'_{kind}'):
        raise ValueError(f'Either `{kind}` or`experimental_distribute.{kind}` can be set.')
    setattr(config, f'_{kind}', strategy)


def should_run_distribute_coordinator(config: Any) -> bool:
    """Returns whether the coordinator, rather than Estimator itself, starts the work."""
    return getattr(config, '_distribute_coordinator_mode', None) == _MODE


def train_and_evaluate(
    estimator: Any, train_spec: Any, eval_spec: Any, executor_cls: Callable[..., Any]
) -> None:
    """Runs `tf.estimator.train_and_evaluate` in this process's role."""

    def train(strategy: Any) -> None:
        local = _copy_for_role(estimator, strategy, 'train')
        local.train(
            input_fn=train_spec.input_fn,
            max_steps=train_spec.max_steps,
            hooks=list(train_spec.hooks),
            saving_listeners=train_spec.saving_listeners,
        )

    def evaluate(strategy: Any) -> None:
        local = _copy_for_role(estimator, strategy, 'eval')
        executor_cls(local, train_spec, eval_spec)._start_continuous_evaluation()

    config = estimator.config
    coordinator.run_distribute_coordinator(
        train,
        config.train_distribute,
        evaluate,
        config.eval_distribute,
        mode=_MODE,
        session_config=config.session_config,
    )


def estimator_train(*unused: Any) -> None:
    """Rejects `Estimator.train` and `evaluate` in a cluster with a strategy; Estimator calls it.

    Raises:
      ValueError: always.
    """
    raise ValueError(
        '`Estimator.train` and `Estimator.evaluate` are not supported with a strategy in a cluster: call '
        'tf.estimator.train_and_evaluate.'
    )


estimator_evaluate = estimator_train


def _copy_for_role(estimator: Any, strategy: Any, kind: str) -> Any:
    """Returns a copy of the Estimator with its role in the cluster."""
    local = copy.deepcopy(estimator)
    config = local._config
    setattr(config, f'_{kind}_distribute', strategy)
    setattr(local, f'_{kind}_distribution', strategy)
    _take_role(config, coordinator_context.get_current_worker_context())
    # Else its own `train` or `evaluate` would start the coordinator again.
    config._distribute_coordinator_mode = None
    return local


def _take_role(config: Any, context: Any) -> None:
    """Writes the role that the coordinator assigned to this worker into its RunConfig."""
    config._service = None
    config._cluster_spec = context.cluster_spec
    config._task_type = context.task_type
    config._task_id = context.task_id
    config._master = config._evaluation_master = context.master_target
    config._is_chief = context.is_chief
    config._num_ps_replicas = 0
    if not context.cluster_spec:
        config._num_worker_replicas = 1
        config._global_id_in_cluster = 0
    elif context.task_type == EVALUATOR:
        # The evaluator must neither wait for the other tasks nor count them.
        config._cluster_spec = server_lib.ClusterSpec({})
        config._num_worker_replicas = 0
        config._global_id_in_cluster = None
    else:
        tasks = context.cluster_spec.as_dict()
        config._num_ps_replicas = len(tasks.get(PS, []))
        config._num_worker_replicas = len(tasks.get(WORKER, [])) + len(tasks.get(CHIEF, []))
        config._global_id_in_cluster = _global_id(context)


def _global_id(context: Any) -> int:
    """Returns this task's number in the whole cluster: the chief first, parameter servers last."""
    if not context.task_type:
        return 0
    jobs = context.cluster_spec.jobs
    order = sorted(jobs, key=lambda job: (job != CHIEF, job == PS, job))
    before = order[: order.index(context.task_type)]
    return context.task_id + sum(len(context.cluster_spec.job_tasks(job)) for job in before)
