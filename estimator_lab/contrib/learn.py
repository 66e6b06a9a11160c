"""``ModeKeys`` and ``RunConfig`` of ``tf.contrib.learn``."""

from typing import Any

from estimator_lab.tf1 import tf


class ModeKeys:
    """The modes, which are those of tf.estimator by other names."""

    TRAIN = 'train'
    EVAL = 'eval'
    INFER = 'infer'

    @classmethod
    def validate(cls, key: str) -> None:
        """Raises ValueError on another word."""
        if key not in (cls.TRAIN, cls.EVAL, cls.INFER):
            raise ValueError(f'Invalid mode {key}.')


class RunConfig(tf.estimator.RunConfig):
    """A tf.estimator.RunConfig with the arguments of `tf.contrib.learn`'s.

    Args:
      master: must be None or '': TF_CONFIG says it.
      num_cores: threads of a session; 0 is as many as there are cores.
      log_device_placement: whether to print where each operation runs.
      gpu_memory_fraction: of a GPU's memory, for this process.
      session_config: takes the place of the last three.
      protocol: of servers, such as 'grpc'.
      evaluation_master: must be ''.
      **settings: of tf.estimator.RunConfig: model_dir, tf_random_seed, save_checkpoints_steps and so on.

    Raises:
      ValueError: on a master.
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
            raise ValueError('RunConfig takes its master from TF_CONFIG here, not as an argument.')
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
