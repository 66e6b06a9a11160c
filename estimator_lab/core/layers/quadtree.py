"""Images as quadtrees: patches are leaves, and four neighbours have a node above them."""

from collections.abc import Callable

from estimator_lab.core.layers.tree_cells import TreeCell
from estimator_lab.tf1 import Tensor, tf


def quadtree_states(
    cell: TreeCell, leaf: Callable[[Tensor], Tensor], images: Tensor, patch_size: int, margin: int
) -> Tensor:
    """Returns the states of the roots, float32 [batch, width].

    Args:
      cell: of four children: top left, top right, bottom left, bottom right.
      leaf: makes states, float32 [n, width], of patches, float32 [n, pixels].
      images: float32 [batch, height, width, channels].
      patch_size: side in pixels of what a leaf is for; the image is filled up with 0 on all sides, to a power
        of two of such patches.
      margin: pixels around that which the leaf sees as well.
    """
    height, width, channels = images.shape.as_list()[1:]
    levels = (-(-max(height, width) // patch_size) - 1).bit_length()
    side = patch_size << levels
    pads = [_split(side - length, margin) for length in (height, width)]
    sight = patch_size + 2 * margin
    patches = tf.image.extract_patches(
        tf.pad(images, [[0, 0], *pads, [0, 0]]),
        sizes=[1, sight, sight, 1],
        strides=[1, patch_size, patch_size, 1],
        rates=[1, 1, 1, 1],
        padding='VALID',
    )
    states = leaf(tf.reshape(patches, [-1, sight * sight * channels]))
    for level in range(levels - 1, -1, -1):
        across = 1 << level
        quarters = tf.reshape(states, [-1, across, 2, across, 2, cell.width])
        quarters = tf.transpose(quarters, [0, 1, 3, 2, 4, 5])
        states = cell(tf.reshape(quarters, [-1, 4, cell.width]))
    return states


def _split(missing: int, margin: int) -> list[int]:
    return [missing // 2 + margin, missing - missing // 2 + margin]
