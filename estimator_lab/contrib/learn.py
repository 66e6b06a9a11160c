"""``ModeKeys`` and ``RunConfig`` of ``tf.contrib.learn``."""

from typing import Any

from estimator_lab.tf1 import tf


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
