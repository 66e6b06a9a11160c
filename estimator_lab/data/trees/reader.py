"""Members -> post-order arrays: how the trees of a run are parsed and collected in batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from estimator_lab.base.keys import LEFT, LEVEL, NODE_LABEL, TOKEN
from estimator_lab.data.examples.kind import Arrays, Reader, Signature
from estimator_lab.data.examples.labels import UNKNOWN_ID, Vocabulary
from estimator_lab.data.examples.member import BadExampleError, Member, or_why, read_members
from estimator_lab.data.trees.parse import NONE, parse_tree
from estimator_lab.data.trees.tokens import NUMBERS, UNKNOWN, Tokens

if TYPE_CHECKING:  # loading TensorFlow takes seconds, and most of what reads archives does without it
    from estimator_lab.tf1 import Tensor

FEATURES = (TOKEN, LEFT, LEVEL, NODE_LABEL)
"""Features of a tree; each is padded with NONE after its nodes."""


class ParsedTree(NamedTuple):
    """The arrays of a tree, int32 [nodes] each, in the order of FEATURES."""

    token: np.ndarray
    left: np.ndarray
    level: np.ndarray
    node_label: np.ndarray


@dataclass(frozen=True)
class TreeReader(Reader):
    """How bracketed texts become arrays.

    Attributes:
      tokens: the vocabulary of leaves.
      labels: the vocabulary of nodes and of whole trees; None for no labels.
    """

    tokens: Tokens
    labels: Vocabulary | None = None

    @property
    def signature(self) -> Mapping[str, Signature]:
        """Four features, int32 [n, nodes] each: see `data.trees.parse.Tree`.

        'token' is 0 for an unknown token and NONE for inner nodes; 'left' is NONE for leaves;
        'node_label' is a class id, UNKNOWN_ID for a node without a known label.
        """
        return {name: Signature('int32', (None,)) for name in FEATURES}

    def read(self, members: Sequence[Member]) -> list[ParsedTree | BadExampleError]:
        """Returns the arrays of each member, or why it is bad; see `ExampleDecoder.read`."""
        return [or_why(self.parsed, data) for data in read_members(members)]

    def parsed(self, data: bytes) -> ParsedTree:
        """Returns the arrays of a tree.

        Raises:
          BadExampleError: the text is not a tree.
        """
        tree = parse_tree(data)
        number_of = self.tokens.number
        token = [number_of(text) if text else NONE for text in tree.tokens]
        id_of = self.labels.id_of if self.labels else lambda label: UNKNOWN_ID
        label = [id_of(text) if text else UNKNOWN_ID for text in tree.labels]
        return ParsedTree(*(np.array(column, np.int32) for column in (token, tree.left, tree.level, label)))

    @staticmethod
    def collate(examples: Sequence[ParsedTree]) -> Arrays:
        """Returns trees as arrays [n, nodes], padded to a power of two."""
        widest = max((len(tree.token) for tree in examples), default=1)
        shape = len(examples), 1 << (widest - 1).bit_length()
        arrays = {name: np.full(shape, NONE, np.int32) for name in FEATURES}
        for row, tree in enumerate(examples):
            for name, column in zip(FEATURES, tree, strict=True):
                arrays[name][row, : len(column)] = column
        return arrays

    def blank(self) -> Arrays:
        """Returns one tree: a leaf with an unknown token."""
        leaf = ParsedTree(*(np.array([value], np.int32) for value in (UNKNOWN, NONE, 0, NONE)))
        return self.collate([leaf])

    def serving_receiver(
        self, keeps_size: bool, more: 'Callable[[], Mapping[str, Mapping[str, Tensor]]]'
    ) -> Callable[[], Any]:
        """Returns the receiver of an export for trees, [n, nodes] each, padded after their roots.

        Returns:
          A function that builds a `ServingInputReceiver` for `token`, string: of leaves, '' of other nodes;
          `left` and `level`, int32: see `data.trees.parse.Tree`. The export holds the vocabulary. The
          alternative 'numbers' has the numbers of tokens, int32, -1 of nodes that are not leaves.
        """
        from estimator_lab.tf1 import tf

        texts = self.tokens.texts

        def receiver() -> Any:
            given = tf.placeholder(tf.string, [None, None], name=TOKEN)
            left, level = (tf.placeholder(tf.int32, [None, None], name=name) for name in (LEFT, LEVEL))
            table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    tf.constant(list(texts)), tf.range(1, len(texts) + 1, dtype=tf.int32)
                ),
                default_value=UNKNOWN,
            )
            inner = tf.equal(given, '')
            exact, lower = table.lookup(given), table.lookup(tf.strings.lower(given, 'utf-8'))
            known = tf.where(tf.equal(exact, UNKNOWN), lower, exact)
            ids = tf.where(inner, tf.fill(tf.shape(given), NONE), known)
            features = {TOKEN: ids, LEFT: left, LEVEL: level, NODE_LABEL: tf.fill(tf.shape(given), NONE)}
            inputs = {TOKEN: given, LEFT: left, LEVEL: level}
            numbers = {TOKEN: ids, LEFT: left, LEVEL: level}
            return tf.estimator.export.ServingInputReceiver(features, inputs, {NUMBERS: numbers})

        return receiver
