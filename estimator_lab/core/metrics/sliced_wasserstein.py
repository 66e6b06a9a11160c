"""How far two sets of images are from each other, without a classifier: sliced Wasserstein distances of the
patches of their Laplacian pyramids (Karras et al. 2018, section 5).
"""

from collections.abc import Sequence

from estimator_lab.tf1 import Tensor, tf

_PATCH = 7
_ACROSS = 6  # patches in a row, or a few more
_DIRECTIONS = 128
_SMALLEST = 8  # pixels of the coarsest level's sides
_SEED = (1, 2)


def sliced_wasserstein(images: Tensor, others: Tensor) -> Tensor:
    """Returns the distance of two sets of images, a float32 scalar: 0 for the same ones, in any order.

    It is the mean over the levels of the pyramid: each patch is projected in 128 random directions, always
    the same ones; along each the sorted values of one set are compared with those of the other. A unit is the
    standard deviation of the level's values in `images`. Sets of other sizes have other distances: compare
    equal ones.

    Args:
      images: float32 [n, height, width, channels], the real ones.
      others: of the same shape.
    """
    distances = [
        _distance(level, other)
        for level, other in zip(laplacian_pyramid(images), laplacian_pyramid(others), strict=True)
    ]
    return tf.reduce_mean(tf.stack(distances))


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Returns what each size of images adds to the next smaller one, the finest first, the smallest as it is.

    Args:
      images: float32 [n, height, width, channels]. Sides are halved and rounded up, down to 8 pixels.
    """
    levels = []
    while min(images.shape.as_list()[1:3]) >= 2 * _SMALLEST:
        smaller = tf.nn.avg_pool(images, 2, 2, 'SAME')
        levels.append(images - tf.image.resize_bilinear(smaller, images.shape.as_list()[1:3]))
        images = smaller
    return [*levels, images]


def patches(images: Tensor) -> Tensor:
    """Returns patches of 7x7 pixels on a regular grid of at least 6x6, float32 [patches, values].

    Args:
      images: float32 [n, height, width, channels].
    """
    sides = images.shape.as_list()[1:3]
    sizes = [min(_PATCH, side) for side in sides]
    strides = [max((side - size) // (_ACROSS - 1), 1) for side, size in zip(sides, sizes, strict=True)]
    found = tf.image.extract_image_patches(images, _four(sizes), _four(strides), _four((1, 1)), 'VALID')
    return tf.reshape(found, [-1, found.shape.as_list()[3]])


def _four(two: Sequence[int]) -> list[int]:
    return [1, *two, 1]


def _distance(level: Tensor, other: Tensor) -> Tensor:
    size = patches(level).shape.as_list()[1]
    directions = tf.nn.l2_normalize(tf.random.stateless_normal([size, _DIRECTIONS], _SEED), axis=0)
    mean, variance = tf.nn.moments(level, axes=[0, 1, 2, 3])
    unit = tf.maximum(tf.sqrt(variance), 1e-6)
    sorted_values = [
        tf.sort(tf.transpose(tf.matmul(patches((one - mean) / unit), directions)), axis=1)
        for one in (level, other)
    ]
    return tf.reduce_mean(tf.abs(sorted_values[0] - sorted_values[1]))
