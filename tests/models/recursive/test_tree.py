"""Recursive networks against a recursion in NumPy, and their gradients against finite differences."""

import numpy as np
import pytest

from estimator_lab.models.recursive.cells import CELLS
from estimator_lab.models.recursive.tree import forest_of, quadtree_states, tree_states
from estimator_lab.tf1 import tf
from tests.support.differences import assert_gradients

UNITS = 3
# Of different heights and sizes, one of them a single leaf, padded to 8 nodes: (left, level).
TREES = [
    ([-1, -1, 0, -1, 2, -1, 4], [0, 0, 1, 0, 2, 0, 3]),
    ([-1], [0]),
    ([-1, -1, -1, 1, 0], [0, 0, 0, 1, 2]),
    ([-1, -1, 0, -1, -1, 3, 2], [0, 0, 1, 0, 0, 1, 2]),
]
LEFT, LEVEL = (
    np.array([column + [-1] * (8 - len(column)) for column in columns], np.int32)
    for columns in zip(*TREES, strict=True)
)
LEAVES = 12


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def plain(weights, children):
    kernel, bias = weights
    return np.tanh(np.concatenate(children) @ kernel + bias)


def rntn(weights, children):
    kernel, bias, tensor = weights
    x = np.concatenate(children)
    return np.tanh(np.einsum('i,ijk,j->k', x, tensor, x) + x @ kernel + bias)


def lstm(weights, children):
    """Equations 9 to 14 of Tai et al. (2015), without an input."""
    kernel, bias = weights
    h, c = (np.split(np.stack(children), 2, axis=1)[part] for part in (0, 1))
    z = np.split(np.concatenate(h) @ kernel + bias, 3 + len(children))
    cell = sigmoid(z[0]) * np.tanh(z[-1])
    cell += sum(sigmoid(forget) * below for forget, below in zip(z[2:-1], c, strict=True))
    return np.concatenate([sigmoid(z[1]) * np.tanh(cell), cell])


def child_sum_lstm(weights, children):
    """Equations 2 to 8, without an input."""
    kernel, forget, bias = weights
    biases = np.split(bias, 3 + len(children))
    h, c = (np.split(np.stack(children), 2, axis=1)[part] for part in (0, 1))
    into, out, update = np.split(h.sum(0) @ kernel, 3)
    cell = sigmoid(into + biases[0]) * np.tanh(update + biases[-1])
    for place in range(len(children)):
        cell += sigmoid(h[place] @ forget + biases[2 + place]) * c[place]
    return np.concatenate([sigmoid(out + biases[1]) * np.tanh(cell), cell])


NUMPY = {'plain': plain, 'rntn': rntn, 'lstm': lstm, 'child_sum_lstm': child_sum_lstm}


def recursed(function, weights, leaves):
    """Returns the states of all nodes, [trees][nodes]; `leaves` are in the order of the trees."""
    rest = iter(leaves)
    states = []
    for left, _ in TREES:
        nodes = []
        for place, child in enumerate(left):
            nodes.append(next(rest) if child < 0 else function(weights, [nodes[child], nodes[place - 1]]))
        states.append(nodes)
    return states


class Built:
    """The states of TREES in a graph that is fed with the leaves."""

    def __init__(self, name):
        tf.set_random_seed(5)
        self.cell = CELLS[name](UNITS, 2)
        self.forest = forest_of(tf.constant(LEFT), tf.constant(LEVEL))
        self.leaves = tf.placeholder(tf.float32, [None, self.cell.width])
        self.states = tree_states(self.cell, self.leaves, self.forest)
        rng = np.random.default_rng(2)
        self.given = rng.normal(size=(LEAVES, self.cell.width)).astype(np.float32)
        self.weights = tf.trainable_variables()
        self.start = [
            tf.assign(v, rng.normal(0, 0.5, v.shape.as_list()).astype(np.float32)) for v in self.weights
        ]


@pytest.mark.parametrize('network', sorted(CELLS))
def test_states_match_a_recursion(network, session):
    built = Built(network)
    session.run(built.start)
    order = session.run(built.forest)
    # Leaves lie in the order of trees, as all of them are of level 0.
    states = session.run(built.states, {built.leaves: built.given})
    weights = session.run(built.cell.weights())
    wanted = recursed(NUMPY[network], weights, built.given)
    flat = {8 * tree + node: state for tree, nodes in enumerate(wanted) for node, state in enumerate(nodes)}
    assert sorted(order.places.tolist()) == sorted(flat)
    for place, state in zip(order.places.tolist(), states, strict=True):
        assert np.allclose(state, flat[place], atol=1e-5)
    assert order.leaves == LEAVES and np.all(np.diff(LEVEL.ravel()[order.places]) >= 0)
    for root, nodes in zip(order.roots.tolist(), wanted, strict=True):
        assert np.allclose(states[root], nodes[-1], atol=1e-5)
    assert order.trees.tolist() == (order.places // 8).tolist()


@pytest.mark.parametrize('name', sorted(CELLS))
def test_gradients_match_finite_differences(name, session):
    """Of a random projection of all states, by the leaves and by each weight."""
    built = Built(name)
    projection = np.random.default_rng(3).normal(size=(20, built.cell.width)).astype(np.float32)
    loss = tf.reduce_sum(built.states * projection)
    session.run(built.start)
    assert_gradients(session, loss, [built.leaves, *built.weights], {built.leaves: built.given})


def test_trees_of_single_leaves_need_no_loop(session):
    cell = CELLS['lstm'](UNITS, 2)
    forest = forest_of(tf.constant([[-1, -1], [-1, -1]]), tf.constant([[0, -1], [0, -1]]))
    leaves = tf.ones([2, cell.width])
    states = tree_states(cell, leaves, forest)
    by_leaves, *by_weights = tf.gradients(states, [leaves, *tf.trainable_variables()])
    session.run(tf.global_variables_initializer())
    assert np.all(session.run(states) == 1) and np.all(session.run(by_leaves) == 1)
    assert all(not gradient.any() for gradient in session.run(by_weights))


def test_a_deep_tree_needs_no_recursion(session):
    depth = 3000
    left = np.full((1, 2 * depth + 1), -1, np.int32)
    left[0, 2::2] = np.maximum(np.arange(0, 2 * depth, 2), 0)
    level = np.zeros_like(left)
    level[0, 2::2] = np.arange(1, depth + 1)
    cell = CELLS['plain'](2, 2)
    forest = forest_of(tf.constant(left), tf.constant(level))
    states = tree_states(cell, tf.ones([depth + 1, 2]), forest)
    gradient = tf.gradients(tf.gather(states, forest.roots), tf.trainable_variables())[0]
    session.run(tf.global_variables_initializer())
    assert np.isfinite(session.run([gradient])).all()


@pytest.mark.parametrize(
    ('name', 'height', 'width', 'patch', 'margin'),
    [
        ('child_sum_lstm', 8, 8, 4, 0),
        ('lstm', 7, 5, 2, 1),
        ('plain', 8, 8, 2, 1),
        ('plain', 3, 3, 4, 1),
        ('rntn', 3, 4, 2, 0),
    ],
)
def test_quadtrees_match_a_recursion(name, height, width, patch, margin, session):
    images = np.random.default_rng(4).random((2, height, width, 3)).astype(np.float32)
    cell = CELLS[name](UNITS, 4)
    states = quadtree_states(cell, cell.leaf, tf.constant(images), patch, margin)
    given = tf.placeholder(tf.float32, [1, (patch + 2 * margin) ** 2 * 3])
    leaf, _ = cell.leaf(given), cell.weights()
    session.run(tf.global_variables_initializer())
    found, weights = session.run([states, cell.weights()])

    def state_of(square):
        """Recurses through a square of the image, its margin around it."""
        side = square.shape[0] - 2 * margin
        if side == patch:
            return session.run(leaf, {given: square.reshape(1, -1)})[0]
        half = side // 2
        parts = [
            square[top : top + half + 2 * margin, start : start + half + 2 * margin]
            for top in (0, half)
            for start in (0, half)
        ]
        return NUMPY[name](weights, [state_of(part) for part in parts])

    side = patch
    while side < max(height, width):
        side *= 2
    top, start = (side - height) // 2 + margin, (side - width) // 2 + margin
    for image, state in zip(images, found, strict=True):
        square = np.zeros((side + 2 * margin, side + 2 * margin, 3), np.float32)
        square[top : top + height, start : start + width] = image
        assert np.allclose(state_of(square), state, atol=1e-5)


@pytest.mark.parametrize('name', ['lstm', 'child_sum_lstm'])
def test_only_forget_gates_start_open(name, session):
    """The bias has the input gate, the output gate, a forget gate for each child, and the update."""
    bias = CELLS[name](2, 3).weights()[-1]
    session.run(tf.global_variables_initializer())
    assert session.run(bias).reshape(6, 2).tolist() == [[0, 0], [0, 0], [1, 1], [1, 1], [1, 1], [0, 0]]


def test_the_leaf_of_an_lstm(session):
    """Equations 9 and 11 to 14 of Tai et al. (2015), without children."""
    cell, x = CELLS['lstm'](UNITS, 2), np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
    states = cell.leaf(tf.constant(x))
    session.run(tf.global_variables_initializer())
    found, *weights = session.run([states, *tf.trainable_variables()])
    kernel = next(value for value in weights if value.ndim == 2)
    into, out, update = np.split(x @ kernel, 3, axis=1)
    c = sigmoid(into) * np.tanh(update)
    assert np.allclose(found, np.concatenate([sigmoid(out) * np.tanh(c), c], 1), atol=1e-6)
