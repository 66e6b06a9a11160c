"""Strategies of ``tf.contrib.distribute`` with the arguments of their time, as those of tf.distribute."""

from collections.abc import Sequence
from typing import Any

from estimator_lab.tf1 import tf


def MirroredStrategy(  # noqa: N802 - a class in 1.15
    devices: Sequence[str] | None = None,
    num_gpus: int | None = None,
    num_gpus_per_worker: int | None = None,
    cross_device_ops: Any = None,
    auto_shard_dataset: bool = False,
    cross_tower_ops: Any = None,
) -> Any:
    """Returns tf.distribute.MirroredStrategy on `devices`, on so many GPUs, or on all there are.

    Raises:
      ValueError: if the devices are given in two ways.
    """
    count = num_gpus if num_gpus is not None else num_gpus_per_worker
    if devices and count is not None:
        raise ValueError('Must only specify one of `devices` and `num_gpus`.')
    if count is not None:
        devices = [f'/gpu:{index}' for index in range(count)] or ['/cpu:0']
    return tf.distribute.MirroredStrategy(devices, cross_device_ops or cross_tower_ops)


def OneDeviceStrategy(device: str) -> Any:  # noqa: N802 - a class in 1.15
    """Returns tf.distribute.OneDeviceStrategy."""
    return tf.distribute.OneDeviceStrategy(device)


def CollectiveAllReduceStrategy(num_gpus_per_worker: int = 0) -> Any:  # noqa: N802 - a class in 1.15
    """Returns MultiWorkerMirroredStrategy, which takes all GPUs of a worker."""
    return tf.distribute.experimental.MultiWorkerMirroredStrategy()
