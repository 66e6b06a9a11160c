"""Places that compute in float32 whatever `--precision` says."""

from estimator_lab.tf1 import Tensor, tf


def in_float32(values: Tensor) -> Tensor:
    """Returns the same float32 values; what is made of them is computed in float32 up to the next product.

    `--precision=bfloat16` has TensorFlow rewrite what lies between products to bfloat16 too. That is no gain
    where an operation is slower in it, as sigmoids are on a processor, or where 8 digits are too few. The
    rewrite does not look through bits that are taken for another type and back, which cost nothing.
    """
    return tf.bitcast(tf.bitcast(values, tf.int32), tf.float32)


def float32_product(left: Tensor, right: Tensor) -> Tensor:
    """Returns the product of two float32 matrices, computed in float32 whatever the precision.

    It is for energies, of which small differences are taken. The rewrite knows products by their operations'
    names, and not this one.
    """
    return tf.raw_ops.BatchMatMulV3(x=left, y=right, Tout=tf.float32)


def float32_matvec(matrix: Tensor, vector: Tensor) -> Tensor:
    """Returns the product of a float32 matrix [n, m] and a vector [m], float32 [n], in the same way."""
    return tf.squeeze(float32_product(matrix, tf.expand_dims(vector, 1)), axis=1)
