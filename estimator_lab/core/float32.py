"""Computation in float32 under `--precision=bfloat16`."""

from estimator_lab.tf1 import Tensor, tf


def in_float32(values: Tensor) -> Tensor:
    """Returns the same values; operations on them run in float32, up to the next matrix product.

    With `--precision=bfloat16` TensorFlow also rewrites the operations between products. Some of them, such
    as sigmoids, are slower in bfloat16 on a CPU; others need more than its 8 bits. The rewrite stops at a
    bitcast, which costs nothing.
    """
    return tf.bitcast(tf.bitcast(values, tf.int32), tf.float32)


def float32_product(left: Tensor, right: Tensor) -> Tensor:
    """Returns the product of two float32 matrices, always computed in float32.

    For energies, whose small differences matter. The rewrite finds products by operation type, and does not
    know this one.
    """
    return tf.raw_ops.BatchMatMulV3(x=left, y=right, Tout=tf.float32)


def float32_matvec(matrix: Tensor, vector: Tensor) -> Tensor:
    """Returns the product of a matrix [n, m] and a vector [m], float32 [n], computed in float32."""
    return tf.squeeze(float32_product(matrix, tf.expand_dims(vector, 1)), axis=1)
