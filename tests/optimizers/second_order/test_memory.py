import numpy as np
import pytest

from estimator_lab.errors import FlagError
from estimator_lab.optimizers import LBFGSKnobs, LBFGSOptimizer
from estimator_lab.optimizers.second_order.memory import activation_bytes, available_bytes, check_memory
from estimator_lab.tf1 import tf


@pytest.fixture
def operations():
    """Of a product [batch, 50] and its ReLU."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 20])
        tf.nn.relu(tf.matmul(x, np.ones((20, 50), np.float32)))
        return [op for op in graph.get_operations() if op.type in ('MatMul', 'Relu')]


def test_activations(operations):
    assert activation_bytes(operations, 1000) == 2 * 1000 * 50 * 4


def test_too_large_a_batch_is_refused_with_its_figures(operations):
    check_memory(operations, 1000, vectors=0, available=400_000)
    with pytest.raises(FlagError) as refusal:
        check_memory(operations, 100_000, vectors=3 * 2**20, available=10 * 2**20)
    assert str(refusal.value) == (
        '--batch_size=100000 needs about 38 MB for its activations and 3 MB for the optimizer, but 10 MB are '
        'free: use a smaller batch.'
    )


def test_what_is_free_is_read_from_the_system(tmp_path):
    file = tmp_path / 'meminfo'
    file.write_text('MemTotal:  24 kB\nMemAvailable:   12 kB\n')
    assert available_bytes(file) == 12 * 1024
    assert available_bytes(tmp_path / 'none') is None


def test_an_optimizer_counts_its_vectors(monkeypatch):
    monkeypatch.setattr('estimator_lab.optimizers.second_order.memory.available_bytes', lambda: 2**30)
    with tf.Graph().as_default():
        w = tf.get_variable('w', [1000, 100])
        optimizer = LBFGSOptimizer(LBFGSKnobs(memory=10))
        optimizer.minimize(tf.reduce_sum(w**2))
        optimizer.check_memory(1)  # 48 vectors of 0.4 MB
        monkeypatch.setattr('estimator_lab.optimizers.second_order.memory.available_bytes', lambda: 2**24)
        with pytest.raises(FlagError, match='18 MB for the optimizer, but 16 MB are free'):
            optimizer.check_memory(1)
