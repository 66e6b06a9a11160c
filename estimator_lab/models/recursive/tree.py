"""Recursive networks over all trees of a batch at once, and over images as quadtrees.

The nodes of a batch of trees are stored in one array, leaves first, then by level, without padding. Each turn
of a `tf.while_loop` computes one level of all trees, as one product of matrices.

The gradient is written by hand. The loop back computes only the gradients with respect to the children's
states; those with respect to the weights are computed after the loop, for all nodes in one product.
TensorFlow's own gradient would add them up turn by turn. All turns write their rows into the same memory.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from estimator_lab.models.recursive.cells import TreeCell
from estimator_lab.tf1 import Tensor, tf

ARITY = 2
"""Children of a node in a tree."""


class Forest(NamedTuple):
    """The n nodes of a batch of trees, sorted by level.

    Attributes:
      places: int32 [n], the position of each node in the flattened arrays [batch * nodes].
      trees: int32 [n], the number of the node's tree in the batch.
      leaves: int32 scalar, the number of leaves, which come first.
      children: int32 [inner, 2], the numbers of each inner node's children.
      starts: int32 [levels + 1], the first inner node of each level, counted among inner nodes, and their
        number.
      roots: int32 [batch], the number of each tree's root.
    """

    places: Tensor
    trees: Tensor
    leaves: Tensor
    children: Tensor
    starts: Tensor
    roots: Tensor

    def of_nodes(self, values: Tensor) -> Tensor:
        """Returns the values [n] of the nodes in an array [batch, nodes]."""
        return tf.gather(tf.reshape(values, [-1]), self.places)


def forest_of(left: Tensor, level: Tensor) -> Forest:
    """Sorts the nodes of a batch of binary trees by level.

    Args:
      left: int32 [batch, nodes], the left child of each node in post-order; -1 for leaves.
      level: int32 [batch, nodes], 0 for leaves, one more than the higher child for others, -1 for padding.
    """
    with tf.name_scope('forest'):
        shape = tf.shape(level)
        batch, width = shape[0], shape[1]
        levels = tf.reshape(level, [-1])
        places = tf.cast(tf.where(levels >= 0)[:, 0], tf.int32)
        places = tf.gather(places, tf.argsort(tf.gather(levels, places), stable=True))
        numbers = tf.range(tf.size(places))
        number_at = tf.scatter_nd(places[:, tf.newaxis], numbers, [batch * width])
        ends = tf.cumsum(tf.math.bincount(tf.gather(levels, places), minlength=1))
        inner = places[ends[0] :]
        lefts = inner - inner % width + tf.gather(tf.reshape(left, [-1]), inner)
        sizes = tf.reduce_sum(tf.cast(level >= 0, tf.int32), 1)
        return Forest(
            places=places,
            trees=places // width,
            leaves=ends[0],
            children=tf.stack([tf.gather(number_at, lefts), tf.gather(number_at, inner - 1)], 1),
            starts=ends - ends[0],
            roots=tf.gather(number_at, tf.range(batch) * width + sizes - 1),
        )


def tree_states(cell: TreeCell, leaves: Tensor, forest: Forest) -> Tensor:
    """Returns the states of all nodes, float32 [n, width], from those of leaves, float32 [leaves, width]."""

    @tf.custom_gradient
    def run(leaves: Tensor, *weights: Tensor) -> tuple[Tensor, Any]:
        states, linear = _upwards(cell, weights, leaves, forest)
        return states, lambda gradient: _downwards(cell, weights, states, linear, forest, gradient)

    with tf.name_scope('tree_states'):
        return run(leaves, *(tf.identity(weight) for weight in cell.weights()))


def _upwards(
    cell: TreeCell, weights: Sequence[Tensor], leaves: Tensor, forest: Forest
) -> tuple[Tensor, Tensor]:
    """Returns the states of all nodes, and the results of `linear` for inner nodes."""
    count, inner = forest.leaves, tf.shape(forest.children)[0]

    def take_level(number: Tensor, states: Tensor, linear: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, last = forest.starts[number], forest.starts[number + 1]
        below = tf.gather(states, forest.children[first:last])
        values = cell.linear(weights, below)
        rows = tf.range(first, last)
        return (
            number + 1,
            _write_rows(states, count + rows, cell.pointwise(values, below)),
            _write_rows(linear, rows, values),
        )

    states = _write_rows(_room(count + inner, cell.width), tf.range(count), leaves)
    linear = _room(inner, cell.linear_size)
    _, states, linear = tf.while_loop(
        lambda number, *_: number < tf.size(forest.starts) - 1,
        take_level,
        (0, states, linear),
        shape_invariants=_invariants(cell),
        parallel_iterations=1,
    )
    return states, linear


def _downwards(
    cell: TreeCell,
    weights: Sequence[Tensor],
    states: Tensor,
    linear: Tensor,
    forest: Forest,
    gradient: Tensor,
) -> list[Tensor]:
    """Returns the gradients by the leaves' states and by the weights, from that by all states."""
    count, zero = forest.leaves, tf.UnconnectedGradients.ZERO
    below = tf.stop_gradient(tf.gather(states, forest.children))  # handled by the loop

    def take_level(number: Tensor, by_states: Tensor, by_linear: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, last = forest.starts[number - 1], forest.starts[number]
        values, children = linear[first:last], below[first:last]
        made = cell.pointwise(values, children)
        by_values, by_children = tf.gradients(
            made, [values, children], by_states[count + first : count + last], unconnected_gradients=zero
        )
        by_children += tf.gradients(cell.linear(weights, children), children, by_values)[0]
        return (
            number - 1,
            tf.raw_ops.InplaceAdd(
                x=by_states,
                i=tf.reshape(forest.children[first:last], [-1]),
                v=tf.reshape(by_children, [-1, cell.width]),
            ),
            _write_rows(by_linear, tf.range(first, last), by_values),
        )

    _, by_states, by_linear = tf.while_loop(
        lambda number, *_: number > 0,
        take_level,
        (
            tf.size(forest.starts) - 1,
            tf.raw_ops.DeepCopy(x=tf.convert_to_tensor(gradient)),  # it may be shared
            _room(tf.shape(linear)[0], cell.linear_size),
        ),
        shape_invariants=_invariants(cell),
        parallel_iterations=1,
    )
    by_weights = tf.gradients(cell.linear(weights, below), list(weights), by_linear)
    return [by_states[:count], *by_weights]


def _room(rows: Tensor, columns: int) -> Tensor:
    """Returns zeros, float32 [rows, columns], in unshared memory that may be overwritten."""
    return tf.raw_ops.Empty(shape=tf.stack([rows, columns]), dtype=tf.float32, init=True)


def _write_rows(values: Tensor, rows: Tensor, new: Tensor) -> Tensor:
    """Overwrites rows of `values` in place; no other tensor may share its memory.

    Within a loop, `tf.tensor_scatter_nd_update` copies the whole array, which takes longer than the products.
    """
    return tf.raw_ops.InplaceUpdate(x=values, i=rows, v=new)


def _invariants(cell: TreeCell) -> tuple[Any, ...]:
    return (tf.TensorShape([]), tf.TensorShape([None, cell.width]), tf.TensorShape([None, cell.linear_size]))


def quadtree_states(
    cell: TreeCell, leaf: Callable[[Tensor], Tensor], images: Tensor, patch_size: int, margin: int
) -> Tensor:
    """Returns the states of the roots of images as quadtrees, float32 [batch, width].

    Leaves are patches; each other node has four neighbours as children: top left, top right, bottom left,
    bottom right. An image is padded with 0 on all sides to a power of two of patches.

    Args:
      cell: a cell of four children.
      leaf: patches, float32 [n, pixels] -> states, float32 [n, width].
      images: float32 [batch, height, width, channels].
      patch_size: side of a leaf's patch in pixels.
      margin: pixels around the patch that are also input to the leaf.
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
