import os

import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.runs import devices
from estimator_lab.runs.devices import gpu_memory, has_fast_float16, use_device
from estimator_lab.runs.memory import Network, check_training
from estimator_lab.tf1 import tf

VISIBLE, GROWTH = 'CUDA_VISIBLE_DEVICES', 'TF_FORCE_GPU_ALLOW_GROWTH'


@pytest.fixture
def environment(monkeypatch):
    """The process's environment without variables of GPUs, restored at the end."""
    for name in (VISIBLE, GROWTH):
        monkeypatch.setenv(name, '')  # so that it is restored
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def with_gpus(monkeypatch):
    monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: ['a GPU'])


def test_by_default_nothing_changes(environment):
    use_device('')
    assert VISIBLE not in os.environ
    assert GROWTH not in os.environ


def test_the_cpu_hides_all_gpus(environment):
    environment.setenv(VISIBLE, '0,1')
    use_device('cpu')
    assert os.environ[VISIBLE] == '-1'


@pytest.mark.parametrize(
    ('visible', 'device', 'found'),
    [
        (None, 'gpu:2', '2'),
        ('5,GPU-abc', 'gpu:1', 'GPU-abc'),
        ('5,7', 'gpu:2', '-1'),  # which TensorFlow reports as no GPU
        ('5,7', 'gpu', '5,7'),
    ],
)
def test_one_gpu_is_that_of_those_that_are_visible(environment, with_gpus, visible, device, found):
    if visible is not None:
        environment.setenv(VISIBLE, visible)
    use_device(device, allow_growth=True)
    assert os.environ[VISIBLE] == found
    assert os.environ[GROWTH] == 'true'


@pytest.mark.parametrize('device', ['gpu', 'gpu:0'])
def test_a_gpu_that_does_not_exist_gets_one_sentence(environment, monkeypatch, device):
    monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: [])
    with pytest.raises(FlagError, match=f'^--device={device} does not exist: TensorFlow finds no such GPU'):
        use_device(device)


@pytest.mark.parametrize('device', ['tpu', 'gpu:', 'gpu:-1', 'gpu:0,1', 'GPU', 'gpu:9999', 'cpu:0', ' '])
def test_other_words_get_one_sentence(environment, device):
    with pytest.raises(FlagError, match='is not allowed: cpu, gpu, or one of several GPUs as in gpu:0'):
        use_device(device)
    assert VISIBLE not in os.environ


def test_without_a_gpu_memory_is_that_of_the_machine(monkeypatch):
    monkeypatch.setattr(devices, 'gpus', list)
    assert gpu_memory() is None
    assert has_fast_float16()


def test_a_step_must_fit_into_the_gpu(monkeypatch):
    monkeypatch.setattr('estimator_lab.runs.memory.gpu_memory', lambda: 1_000_000)
    check_training(Network(variables=100_000, kept=1000, example=10), batch_size=8)
    with pytest.raises(FlagError, match=r'takes 2\.0 MB or more, .* but the GPU has 1\.0 MB'):
        check_training(Network(variables=1_000_000, kept=1000, example=10), batch_size=8)
