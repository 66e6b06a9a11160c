"""The devices on which TensorFlow computes: --device, and how large and capable the GPUs are."""

import os
import re
from typing import Any

from estimator_lab.base.errors import FlagError
from estimator_lab.tf1 import tf

CPU = 'cpu'
_DEVICE = re.compile(r'cpu|gpu|gpu:(\d{1,3})')
_VISIBLE, _GROWTH = 'CUDA_VISIBLE_DEVICES', 'TF_FORCE_GPU_ALLOW_GROWTH'
_NO_GPU = '-1'


def use_device(device: str, allow_growth: bool = False) -> None:
    """Makes this process compute on a device; call it before TensorFlow looks for GPUs.

    CUDA's and TensorFlow's environment variables are set, because they apply to every session and strategy
    of the process. A GPU that is not chosen is never opened, so none of its memory is taken.

    Args:
      device: 'cpu'; 'gpu' for all GPUs; 'gpu:N' for one of them; '' for TensorFlow's choice.
      allow_growth: whether to take GPU memory as it is needed rather than all at once.

    Raises:
      FlagError: it is another word, or the device does not exist.
    """
    found = _DEVICE.fullmatch(device)
    if device and not found:
        raise FlagError(f'--device={device} is not allowed: cpu, gpu, or one of several GPUs as in gpu:0.')
    if allow_growth:
        os.environ[_GROWTH] = 'true'
    if device == CPU:
        os.environ[_VISIBLE] = _NO_GPU
    elif found:
        if found[1]:
            os.environ[_VISIBLE] = _visible(int(found[1]))
        _check_exists(device)


def _visible(number: int) -> str:
    """Returns the value of CUDA_VISIBLE_DEVICES for one of the GPUs that are visible now."""
    before = os.environ.get(_VISIBLE)
    if before is None:
        return str(number)
    listed = before.split(',')
    return listed[number] if number < len(listed) else _NO_GPU


def _check_exists(device: str) -> None:
    if gpus():
        return
    if tf.test.is_built_with_cuda():
        why = 'nvidia-smi lists the GPUs of this machine, and CUDA comes with the extra cuda of estimator_lab'
    else:
        why = 'it was built without CUDA'
    raise FlagError(f'--device={device} does not exist: TensorFlow finds no such GPU ({why}).')


def gpus() -> list[Any]:
    """Returns TensorFlow's physical GPUs, without opening them."""
    return list(tf.config.list_physical_devices('GPU'))


def has_fast_float16() -> bool:
    """Returns whether all GPUs compute float16 at full speed, without which TensorFlow keeps float32."""
    details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus())
    return all(one.get('compute_capability', (0, 0)) >= (7, 0) for one in details)


def gpu_memory() -> int | None:
    """Returns the bytes that TensorFlow may use on the smallest GPU; None without a GPU. Opens the GPUs."""
    if not gpus():
        return None
    with tf.Session(graph=tf.Graph()) as session:
        devices = session.list_devices()
    return min((one.memory_limit_bytes for one in devices if one.device_type == 'GPU'), default=None)
