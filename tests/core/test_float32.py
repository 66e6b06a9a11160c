"""What stays float32 in a session that rewrites to bfloat16."""

import numpy as np
import pytest

from estimator_lab.core.float32 import float32_matvec, float32_product, in_float32
from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import tf
from estimator_lab.training.precision import session_config
from tests.support.processor import supports_bfloat16

pytestmark = [
    pytest.mark.both,
    pytest.mark.skipif(not supports_bfloat16(), reason='the processor has no bfloat16'),
]
_RNG = np.random.default_rng(0)
_LEFT = _RNG.normal(size=(40, 64)).astype(np.float32)
_RIGHT = _RNG.normal(size=(64, 30)).astype(np.float32)


def in_bfloat16(build):
    with tf.Graph().as_default(), tf.Session(config=session_config('bfloat16')) as session:
        left, right = (tf.placeholder(tf.float32, array.shape) for array in (_LEFT, _RIGHT))
        return session.run(build(left, right), {left: _LEFT, right: _RIGHT})


def test_products():
    exact = _LEFT @ _RIGHT
    plain = in_bfloat16(lambda left, right: tf.nn.softplus(tf.matmul(left, right)) * 1.0)
    kept = in_bfloat16(lambda left, right: tf.nn.softplus(float32_product(left, right)) * 1.0)
    assert np.abs(kept - np.logaddexp(0, exact)).max() < 1e-4
    assert np.abs(plain - np.logaddexp(0, exact)).max() > 1e-3  # or there is nothing to test
    vector = in_bfloat16(lambda left, right: float32_matvec(left, right[:, 0]))
    assert np.abs(vector - exact[:, 0]).max() < 1e-4


def test_what_lies_between_products():
    """A sigmoid has 24 digits where it is kept, 8 where it is not."""

    def between(keep):
        def build(left, right):
            middle = tf.sigmoid(keep(tf.matmul(left, right)))
            return tf.identity(middle), tf.matmul(middle, right, transpose_b=True)

        return in_bfloat16(build)[0]

    def is_rounded(values):
        return not (values.view(np.uint32) & 0xFFFF).any()

    assert is_rounded(between(lambda values: values))
    assert not is_rounded(between(in_float32))


def test_coins_between_products():
    """In bfloat16, 0.9999 is 1."""

    def build(left, right):
        even = tf.sigmoid(0.0 * in_float32(tf.matmul(tf.tile(left, [100, 1]), right))) + 0.4999
        tossed = Noise(tf.constant([1, 2], tf.int64)).coins(even)
        return tossed, tf.matmul(tossed, right, transpose_b=True)

    tossed = in_bfloat16(build)[0]
    assert tossed.size == 120_000
    assert 0 < (tossed == 0).sum() < 40  # 12 +- 3.5
