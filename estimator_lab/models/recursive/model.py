"""The networks and the model function.

The plain network (Socher et al. 2011), the tensor network RNTN (Socher et al. 2013), and the child-sum and
N-ary TreeLSTM (Tai et al. 2015), on trees of tokens. An image becomes a quadtree: its patches are the
leaves, and four neighbours share a parent, up to the root.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.base.errors import FlagError, hparam
from estimator_lab.base.keys import LEFT, LEVEL, NODE_LABEL, TOKEN
from estimator_lab.core import classifier, keys
from estimator_lab.core.abilities import Inspects
from estimator_lab.core.endpoints import LOGITS, Layers, probabilities_of, publish, publish_all
from estimator_lab.core.features import class_ids, example_weights, has_images
from estimator_lab.core.layers import class_logits, dense, network_pixels
from estimator_lab.core.metrics import count
from estimator_lab.core.model import Args, Model, arguments
from estimator_lab.core.noise import Noise, dropout
from estimator_lab.core.params import ClassifierParams, other_default, share, structural
from estimator_lab.models.recursive.cells import CELLS
from estimator_lab.models.recursive.pictures import TreesHook, tree_picture
from estimator_lab.models.recursive.tree import ARITY, Forest, forest_of, quadtree_states, tree_states
from estimator_lab.tf1 import EstimatorSpec, Features, Metric, Mode, RunConfig, Tensor, tf

NODE_LOGITS = 'node_logits'
"""The endpoint of all nodes, float32 [batch, nodes, num_classes]; 0 after the roots."""

_MARGIN = 2  # pixels around the patch of a quadtree leaf that it also sees
EMBEDDING_RANGE = 0.1  # initial vectors of tokens are uniform within plus and minus this
# With 1,437 digits of 8x8 pixels, the accuracy is 0.96 after the 450 of ten epochs, and 0.97 after 1,000.
_LEAST_STEPS = 1500
_FEW_TOKENS = 256  # no more than a batch has leaves
_LARGEST_TENSOR = 2**28  # values
QUADTREE_ARITY = 4
SENTIMENTS = ('0', '1', '2', '3', '4')
"""The labels of the Stanford Sentiment Treebank, from very negative to very positive."""
_NEUTRAL = 2


@dataclasses.dataclass(frozen=True)
class Params(ClassifierParams):
    """Parameters of the network.

    Attributes:
      tokens: texts of the tokens 1, 2, ...; 0 is the unknown token. Empty for images.
    """

    tokens: tuple[str, ...] = ()

    cell: str = structural('lstm', 'kind of the nodes', choices=tuple(CELLS))
    units: int = structural(128, 'size of the state of a node', lower=1)
    embedding_units: int = structural(128, 'size of the vector of a token or patch', lower=1)
    dropout_rate: float = share(0.5, 'share of the node states dropped before the classifier')
    input_dropout_rate: float = share(0.3, 'share of the values of tokens or patches dropped')
    weight_decay: float = other_default(ClassifierParams, 'weight_decay', 1e-5)
    patch_size: int = structural(
        4, 'side in pixels of the patch of a quadtree leaf', lower=1, used_if=lambda params: not params.tokens
    )

    def check(self) -> None:
        """Raises FlagError for a tensor that would be too large."""
        if self.cell == 'rntn' and (QUADTREE_ARITY * self.units) ** 2 * self.units > _LARGEST_TENSOR:
            raise FlagError(
                f'{hparam.cell}=rntn,units={self.units}: the size of its tensor is cubic in units.'
            )


def embedding_of(params: Params) -> Tensor:
    """Returns the vectors of tokens, float32 [tokens + 1, embedding_units]."""
    initial = tf.random_uniform_initializer(-EMBEDDING_RANGE, EMBEDDING_RANGE)
    with tf.variable_scope('tree', reuse=tf.AUTO_REUSE):
        shape = [len(params.tokens) + 1, params.embedding_units]
        return tf.get_variable('embedding', shape, initializer=initial)


def tree_network(
    forest: Forest, tokens: Tensor, params: Params, noise: Noise | None = None
) -> tuple[Tensor, Tensor]:
    """Returns the roots' states, float32 [batch, units], and the logits of all n nodes, [n, num_classes].

    The tokens of the leaves are int32 [batch, nodes].
    """
    cell, embedding = CELLS[params.cell](params.units, ARITY), embedding_of(params)
    numbers = forest.of_nodes(tokens)[: forest.leaves]
    if len(params.tokens) < _FEW_TOKENS and not (noise and params.input_dropout_rate):
        leaves = tf.gather(cell.leaf(embedding), numbers)  # once per token
    else:
        leaves = cell.leaf(dropout(tf.gather(embedding, numbers), params.input_dropout_rate, noise))
    hidden = cell.hidden(tree_states(cell, leaves, forest))
    logits = class_logits(dropout(hidden, params.dropout_rate, noise), params)
    return tf.gather(hidden, forest.roots), logits


def quadtree_network(images: Tensor, params: Params, noise: Noise | None = None) -> Layers:
    """Yields the states of the roots, float32 [batch, units], then the logits: see `HasNetwork`."""
    cell = CELLS[params.cell](params.units, QUADTREE_ARITY)

    def leaf(patches: Tensor) -> Tensor:
        values = dense(patches, params.embedding_units, 'patches', tf.nn.relu)
        return cell.leaf(dropout(values, params.input_dropout_rate, noise))

    pixels = network_pixels(images, params)
    hidden = cell.hidden(quadtree_states(cell, leaf, pixels, params.patch_size, _MARGIN))
    yield 'root', hidden
    yield LOGITS, class_logits(dropout(hidden, params.dropout_rate, noise), params)


def model_fn(
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> EstimatorSpec:
    """Classifies trees or images: see `core.classifier`.

    The features of trees are 'token', 'left', 'level' and 'node_label', int32 [batch, nodes]. The loss of
    TRAIN and EVAL then includes the cross-entropy of the other nodes that have labels, summed over each tree
    (Socher et al. 2013, equation 3). EVAL reports `node_accuracy` and `node_loss`, the mean cross-entropy,
    over these and their roots, and counts unknown tokens. If the labels are the five of sentiment, it also
    reports `binary_accuracy`: see `binary_accuracy`.
    """
    args = arguments(Params, features, labels, mode, params, config)
    nodes = None
    if has_images(features):
        layers = publish_all(quadtree_network(args.images, args.params, args.noise))
    else:
        forest = forest_of(features[LEFT], features[LEVEL])
        root, node_logits = tree_network(forest, features[TOKEN], args.params, args.noise)
        nodes = _Nodes(node_logits, forest, features)
        layers = publish_all([('root', root), (LOGITS, tf.gather(node_logits, forest.roots))])
    if mode == tf.estimator.ModeKeys.PREDICT:
        if nodes:
            publish(NODE_LOGITS, nodes.padded_logits())
        return classifier.predict_spec(args, layers)
    if mode == tf.estimator.ModeKeys.EVAL:
        spec = classifier.eval_spec(args, layers, classifier.loss(args, layers))
        return _with_nodes(args, spec, nodes) if nodes else spec
    loss = classifier.loss(args, layers, [nodes.loss()] if nodes else [])
    return classifier.train_spec(args, layers, loss)


class _Nodes:
    """The logits, float32 [n, num_classes], and labels of the nodes of a batch, without the roots."""

    def __init__(self, logits: Tensor, forest: Forest, features: Features) -> None:
        self.logits = logits
        self.forest = forest
        self.features = features
        is_root = tf.scatter_nd(
            forest.roots[:, tf.newaxis], tf.ones_like(forest.roots), tf.shape(forest.places)
        )
        self._is_root = tf.equal(is_root, 1)
        labels = forest.of_nodes(features[NODE_LABEL])
        known = tf.logical_and(tf.equal(is_root, 0), labels >= 0)
        self.labels = tf.where(known, labels, tf.zeros_like(labels))
        self.example_weights = example_weights(features) * tf.ones_like(features[TOKEN][:, 0], tf.float32)
        self.weights = tf.cast(known, tf.float32) * tf.gather(self.example_weights, forest.trees)

    def loss(self) -> Tensor:
        """Returns the cross-entropy summed over the nodes, and averaged over the trees."""
        with tf.name_scope('node_cross_entropy'):
            losses = self.cross_entropy(self.labels) * self.weights
            return tf.div_no_nan(tf.reduce_sum(losses), tf.reduce_sum(self.example_weights))

    def cross_entropy(self, labels: Tensor) -> Tensor:
        """Returns the cross-entropy of each node, float32 [n], for labels, int32 [n], 0 where unknown."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=self.logits)

    def with_roots(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Returns labels, int32 [n], and weights, float32 [n], of all nodes, as in Socher et al. 2013.

        A root counts if another node of its tree has a label: otherwise the accuracy of trees says the same.
        `ids` are the labels of the roots, int32 [batch]; below 0 if unknown.
        """
        own = tf.gather(ids, self.forest.trees)
        trees = tf.size(self.example_weights)
        inner = tf.math.unsorted_segment_max(self.weights, self.forest.trees, trees)
        counts = tf.logical_and(self._is_root, own >= 0)
        roots = tf.where(counts, tf.gather(inner, self.forest.trees), tf.zeros_like(self.weights))
        return tf.where(counts, own, self.labels), self.weights + tf.maximum(roots, 0)

    def padded_logits(self) -> Tensor:
        """Returns the logits as float32 [batch, nodes, num_classes], 0 after the roots."""
        shape, classes = tf.shape(self.features[TOKEN]), self.logits.shape.as_list()[1]
        flat = tf.scatter_nd(
            self.forest.places[:, tf.newaxis], self.logits, tf.stack([tf.reduce_prod(shape), classes])
        )
        return tf.reshape(flat, tf.stack([shape[0], shape[1], classes]))

    def unknown_tokens(self) -> Tensor:
        """Returns where unknown tokens are, bool [batch, nodes]."""
        real = (self.example_weights > 0)[:, tf.newaxis]
        return tf.logical_and(tf.equal(self.features[TOKEN], 0), real)


def _with_nodes(args: Args[Params], spec: EstimatorSpec, nodes: _Nodes) -> EstimatorSpec:
    """Returns the EVAL spec with the metrics and pictures of nodes."""
    params, folder = args.params, args.evaluation_folder
    ids = tf.cast(class_ids(args.labels, params.vocabulary), tf.int32)
    with tf.name_scope('node_metrics'):
        predicted = tf.argmax(nodes.logits, 1, output_type=tf.int32)
        labels, weights = nodes.with_roots(ids)
        metrics = {
            keys.NODE_ACCURACY: tf.metrics.accuracy(labels, predicted, weights),
            keys.NODE_LOSS: tf.metrics.mean(nodes.cross_entropy(labels), weights),
            keys.UNKNOWN_TOKENS: count(nodes.unknown_tokens(), keys.UNKNOWN_TOKENS),
        }
        if params.vocabulary == SENTIMENTS:
            metrics['binary_accuracy'] = binary_accuracy(
                ids, spec.predictions[keys.PROBABILITIES], nodes.example_weights
            )
        loss = spec.loss + nodes.loss()
    with tf.name_scope('average_loss'):
        inner = tf.metrics.mean(nodes.loss(), tf.reduce_sum(nodes.example_weights))
        roots = spec.eval_metric_ops[keys.AVERAGE_LOSS]
        metrics[keys.AVERAGE_LOSS] = inner[0] + roots[0], inner[1] + roots[1]
    spec = spec._replace(loss=loss, eval_metric_ops={**spec.eval_metric_ops, **metrics})
    if folder is None:
        return spec
    features = nodes.features
    sizes = tf.reduce_sum(tf.cast(features[LEVEL] >= 0, tf.int32), 1)
    is_root = tf.cast(tf.one_hot(sizes - 1, tf.shape(features[LEVEL])[1]), tf.int32)
    shown = {name: features[name] for name in (TOKEN, LEFT, LEVEL)}
    shown[NODE_LABEL] = features[NODE_LABEL] * (1 - is_root) + ids[:, tf.newaxis] * is_root
    probabilities = tf.nn.softmax(nodes.padded_logits())
    hook = TreesHook(shown, probabilities, embedding_of(params), params.tokens, params.vocabulary, folder)
    return spec._replace(evaluation_hooks=[*spec.evaluation_hooks, hook])


def binary_accuracy(ids: Tensor, probabilities: Tensor, weights: Tensor) -> Metric:
    """Returns the share of positive and negative trees whose side is right; neutral ones do not count.

    A tree is predicted positive if classes 3 and 4 together are more probable than 0 and 1, so that a network
    trained on five classes is compared with those trained on two (Socher et al. 2013, section 5.2). The true
    classes are int32 [batch], below 0 if unknown; the probabilities are of SENTIMENTS, float32 [batch, 5].
    """
    has_side = tf.logical_and(ids >= 0, tf.not_equal(ids, _NEUTRAL))
    negative, positive = probabilities[:, :_NEUTRAL], probabilities[:, _NEUTRAL + 1 :]
    right = tf.equal(ids > _NEUTRAL, tf.reduce_sum(positive, 1) > tf.reduce_sum(negative, 1))
    return tf.metrics.mean(tf.cast(right, tf.float32), weights * tf.cast(has_side, tf.float32))


def inspect(
    params: Params, example: Mapping[str, Any], layers: Mapping[str, np.ndarray]
) -> dict[str, Image.Image]:
    """Draws a tree, its root at the top: see `tree_picture` and `core.abilities.Inspects`."""
    if NODE_LOGITS not in layers:
        return {}
    shares = probabilities_of(layers[NODE_LOGITS][: len(example[LEFT])])
    node_label = example[NODE_LABEL]
    return {'tree': tree_picture(example[TOKEN], params.vocabulary, example[LEFT], shares, node_label)}


class Recursive(Model[Params], Inspects):
    """A network on trees."""

    name = 'recursive'
    params = Params
    model_fn = staticmethod(model_fn)
    inspect = staticmethod(inspect)
    least_steps = _LEAST_STEPS


MODEL = Recursive()
