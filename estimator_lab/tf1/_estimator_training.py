"""The glue between Estimator and TensorFlow's distribute coordinator, which TensorFlow 2.16 deleted.

Loaded as ``tensorflow.python.distribute.estimator_training``, the name ``tensorflow_estimator`` imports.
The coordinator itself (``distribute_coordinator.py``) is still in TensorFlow. Behaviour, messages of errors
included, follows TensorFlow 2.15.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

from tensorflow.python.distribute import distribute_coordinator as coordinator
from tensorflow.python.distribute import distribute_coordinator_context as coordinator_context
from tensorflow.python.distribute import multi_worker_util
from tensorflow.python.platform import tf_logging as logging
from tensorflow.python.training import server_lib

CHIEF = coordinator._TaskType.CHIEF
EVALUATOR = coordinator._TaskType.EVALUATOR
PS = coordinator._TaskType.PS
WORKER = coordinator._TaskType.WORKER

_MODES = (
    coordinator.CoordinatorMode.STANDALONE_CLIENT,
    coordinator.CoordinatorMode.INDEPENDENT_WORKER,
)


def init_run_config(config: Any, tf_config: dict[str, Any]) -> None:
    """Completes a RunConfig that has a distribution strategy; decides whether the coordinator is used.

    Args:
      config: the RunConfig under construction.
      tf_config: the parsed TF_CONFIG environment variable; {} if it is not set.

    Raises:
      ValueError: if a strategy, or the cluster, is given in two places.
    """
    for kind in ('train_distribute', 'eval_distribute'):
        _take_experimental(config, kind)
    cluster = server_lib.ClusterSpec(tf_config.get('cluster', {}))
    config._init_distributed_setting_from_environment_var({})

    experimental = config._experimental_distribute
    if config._train_distribute and experimental and experimental.remote_cluster:
        if cluster:
            raise ValueError(
                'Cannot set both "cluster_spec" of TF_CONFIG and `experimental_distribute.remote_cluster`'
            )
        config._cluster_spec = experimental.remote_cluster
        config._distribute_coordinator_mode = coordinator.CoordinatorMode.STANDALONE_CLIENT
    elif cluster and 'master' not in cluster.jobs and config._train_distribute:
        # Each process gets its role from the coordinator, so only the cluster is set here.
        config._cluster_spec = cluster
        config._distribute_coordinator_mode = coordinator.CoordinatorMode.INDEPENDENT_WORKER
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
    mode = getattr(config, '_distribute_coordinator_mode', None)
    if mode is None:
        return False
    if mode not in _MODES:
        logging.warning('Unexpected distribute_coordinator_mode: %r', mode)
        return False
    if not config.cluster_spec:
        logging.warning(
            'Running `train_and_evaluate` locally, ignoring `experimental_distribute_coordinator_mode`.'
        )
        return False
    return True


def train_and_evaluate(
    estimator: Any, train_spec: Any, eval_spec: Any, executor_cls: Callable[..., Any]
) -> None:
    """Runs `tf.estimator.train_and_evaluate` in this process's role, or in all roles of a remote cluster.

    Args:
      estimator: the Estimator; each role works on a copy.
      train_spec: the TrainSpec.
      eval_spec: the EvalSpec.
      executor_cls: Estimator's class for continuous evaluation.

    Raises:
      ValueError: if the Estimator's config has no coordinator mode.
    """
    mode = estimator.config._distribute_coordinator_mode
    if not mode:
        raise ValueError('Distribute coordinator mode is not specified in `RunConfig`.')
    standalone = mode == coordinator.CoordinatorMode.STANDALONE_CLIENT

    def train(strategy: Any) -> None:
        local, context = _copy_for_role(estimator, strategy, 'train')
        # If one process runs all roles in threads, each worker would print every line, and a hook's tensor
        # is in one graph only.
        hooks = list(train_spec.hooks) if context.is_chief or not standalone else []
        local.train(input_fn=train_spec.input_fn, max_steps=train_spec.max_steps, hooks=hooks)

    def evaluate(strategy: Any) -> None:
        local, _ = _copy_for_role(estimator, strategy, 'eval')
        executor_cls(local, train_spec, eval_spec)._start_continuous_evaluation()

    config = estimator.config
    coordinator.run_distribute_coordinator(
        train,
        config.train_distribute,
        evaluate,
        config.eval_distribute,
        mode=mode,
        # An independent worker's cluster comes from TF_CONFIG.
        cluster_spec=config.cluster_spec if standalone else None,
        session_config=config.session_config,
    )


def estimator_train(estimator: Any, train_distributed_fn: Callable[..., Any], hooks: Sequence[Any]) -> Any:
    """Runs `Estimator.train` on a remote cluster; returns the results that the coordinator collects.

    Args:
      estimator: the Estimator; each worker trains a copy.
      train_distributed_fn: called as (estimator, strategy, hooks).
      hooks: hooks of the chief.

    Raises:
      ValueError: if the mode is not STANDALONE_CLIENT, the cluster has an evaluator, or the strategy has
        a graph for each worker.
    """

    def train(local: Any, strategy: Any, hooks: Sequence[Any]) -> Any:
        train_distributed_fn(local, strategy, hooks)
        return local

    return _run_standalone(estimator, 'train', train, hooks)


def estimator_evaluate(
    estimator: Any, evaluate_distributed_fn: Callable[..., Any], hooks: Sequence[Any]
) -> Any:
    """Runs `Estimator.evaluate` on a remote cluster, as `estimator_train` does for training."""
    return _run_standalone(estimator, 'eval', evaluate_distributed_fn, hooks)


def _run_standalone(estimator: Any, kind: str, work: Callable[..., Any], hooks: Sequence[Any]) -> Any:
    call, object_name = {'train': ('train', 'estimator'), 'eval': ('evaluate', 'Estimator')}[kind]
    config = estimator._config
    strategy = getattr(config, f'_{kind}_distribute')
    cluster = multi_worker_util.normalize_cluster_spec(config.cluster_spec)
    if EVALUATOR in cluster.jobs:
        raise ValueError("'evaluator' job is not supported if you don't use `train_and_evaluate`")
    if config._distribute_coordinator_mode != coordinator.CoordinatorMode.STANDALONE_CLIENT:
        called = f'`{object_name}.{call}`'  # 2.15 spells it in both ways
        raise ValueError(f'Only `STANDALONE_CLIENT` mode is supported when you call {called}')
    if strategy.extended.experimental_between_graph:
        raise ValueError(
            f'`Estimator.{call}` API is not supported for {type(strategy).__name__} with '
            '`STANDALONE_CLIENT` mode.'
        )

    def work_in_role(strategy: Any) -> Any:
        local, context = _copy_for_role(estimator, strategy, kind, coordinated=True)
        return work(local, strategy, hooks if context.is_chief else [])

    return coordinator.run_distribute_coordinator(
        work_in_role,
        strategy,
        mode=config._distribute_coordinator_mode,
        cluster_spec=cluster,
        session_config=config.session_config,
    )


def _copy_for_role(estimator: Any, strategy: Any, kind: str, coordinated: bool = False) -> tuple[Any, Any]:
    """Returns a copy of the Estimator with its role in the cluster, and the worker's context.

    Args:
      estimator: the Estimator as the user built it.
      strategy: the strategy that the coordinator set up for this role.
      kind: 'train' or 'eval'.
      coordinated: whether the copy stays in coordinator mode. It must not if its own `train` or `evaluate`
        is called, which would start the coordinator again.
    """
    local = copy.deepcopy(estimator)
    config = local._config
    context = coordinator_context.get_current_worker_context()
    setattr(config, f'_{kind}_distribute', strategy)
    setattr(local, f'_{kind}_distribution', strategy)
    _take_role(config, context)
    if not coordinated:
        config._distribute_coordinator_mode = None
    return local, context


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
