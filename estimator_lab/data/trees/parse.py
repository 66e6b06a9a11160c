"""Bracketed text -> a tree in post-order. No recursion: depth costs memory, not the stack.

    3<TAB>( ( ( [MAX 2 ) 3 ) ] )         ListOps: a label, and brackets followed by a space
    (3 (2 It) (4 works))                 Penn: a label directly after each bracket

A label directly follows its bracket; a token has white space in front of it. Trees are binary: a node with
one child is that child, with the node's own label if it has one; a node with more than two children is
branched to the left, `(a b c)` as `((a b) c)`, whose inner nodes have no label.
"""

import re
from typing import NamedTuple

from estimator_lab.base.printable import escaped
from estimator_lab.data.examples.member import BadExampleError

MAX_BYTES = 2**24
"""Limit for the text of a tree."""
MAX_NODES = 100_000
"""Limit for the nodes of a tree, including tokens."""
MAX_DEPTH = 10_000
"""Limit for nested brackets, and for the height of the binary tree."""

NONE = -1
"""Stands for the missing child of a leaf."""

_PIECE = re.compile(r'\([^\s()]*|\)|[^\s()]+')
_TOKEN = re.compile(r'(?<![^\s)])[^\s()]+')
_ROOT = re.compile(r'\s*\(([^\s()]+)')
_BEGIN = re.compile(rb'([^(\t]*\t)?\s*\(')
_LINES_READ = 16
_LONGEST_LABEL = 100
_SHOWN = 40


class Tree(NamedTuple):
    """A binary tree of n nodes in post-order: each node after its children, the root last.

    Attributes:
      tokens: of the leaves; '' for inner nodes.
      left: the left child of an inner node, NONE for a leaf; the right child directly precedes its node.
      level: 0 for a leaf, 1 + the level of the higher child for an inner node.
      labels: of the nodes; '' for a node without one.
    """

    tokens: list[str]
    left: list[int]
    level: list[int]
    labels: list[str]


def parse_tree(data: bytes) -> Tree:
    """Returns the tree of a text.

    Raises:
      BadExampleError: it is not UTF-8, not a tree, or larger than allowed.
    """
    if len(data) > MAX_BYTES:
        raise BadExampleError(f'it has {len(data)} bytes, more than the {MAX_BYTES} allowed for one tree')
    _, text = _divided(_decoded(data))
    parser = _Parser()
    for piece in map(re.Match.group, _PIECE.finditer(text)):
        parser.add(piece)
    return parser.finished()


class _Parser:
    """Builds the tree from brackets and tokens.

    Attributes:
      _open: for each open bracket its label, and the tree in front of it within the enclosing bracket.
      _latest: the tree so far within the innermost bracket.
    """

    def __init__(self) -> None:
        self._tree = Tree([], [], [], [])
        self._open: list[tuple[str, int]] = []
        self._latest = NONE

    def add(self, piece: str) -> None:
        """Adds an opening bracket with its label, a closing bracket or a token."""
        if self._latest != NONE and not self._open:
            raise BadExampleError(f'the tree ends before {piece[:_SHOWN]!r}: brackets do not match')
        if piece[0] == '(':
            self._open.append((piece[1:], self._latest))
            self._latest = NONE
            if len(self._open) > MAX_DEPTH:
                raise BadExampleError(f'it is deeper than the {MAX_DEPTH} levels allowed')
            return
        node = self._closed() if piece == ')' else self._node(piece, NONE, 0)
        self._latest = node if self._latest == NONE else self._joined(self._latest, node)

    def finished(self) -> Tree:
        if self._open:
            raise BadExampleError(f"{len(self._open)} ')' missing at the end: brackets do not match")
        if self._latest == NONE:
            raise BadExampleError('it is empty')
        return self._tree

    def _closed(self) -> int:
        """Closes a bracket; returns the node within it."""
        if not self._open:
            raise BadExampleError("a ')' closes nothing: brackets do not match")
        if self._latest == NONE:
            raise BadExampleError('it has an empty tree: nothing between a bracket and the next')
        node = self._latest
        label, self._latest = self._open.pop()
        if label:
            self._tree.labels[node] = label
        return node

    def _joined(self, left: int, right: int) -> int:
        """Returns a new inner node with two children, the right one being the newest node."""
        height = max(self._tree.level[left], self._tree.level[right]) + 1
        node = self._node('', left, height)
        if height > MAX_DEPTH:
            raise BadExampleError(f'it is deeper than the {MAX_DEPTH} levels allowed')
        if node >= MAX_NODES:
            raise BadExampleError(f'it has more than the {MAX_NODES} nodes allowed for one tree')
        return node

    def _node(self, token: str, left: int, level: int) -> int:
        tree = self._tree
        tree.tokens.append(token)
        tree.left.append(left)
        tree.level.append(level)
        tree.labels.append('')
        return len(tree.left) - 1


def holds_trees(text: bytes) -> bool:
    """Whether at least half of the first lines of a text are trees in brackets; the last one may be cut."""
    lines = [line for line in text.split(b'\n') if line.strip()]
    if len(lines) < 2:
        return any(map(_BEGIN.match, lines))
    whole = lines[:-1][:_LINES_READ]
    return 2 * sum(map(_is_tree, whole)) >= len(whole)


def _is_tree(line: bytes) -> bool:
    try:
        return bool(_BEGIN.match(line) and parse_tree(line))
    except BadExampleError:
        return False


def tokens_of(data: bytes) -> list[str]:
    """Returns the tokens of a text, also if it is not a tree; none if it is not UTF-8."""
    try:
        return _TOKEN.findall(_divided(_decoded(data))[1])
    except BadExampleError:
        return []


def line_name(number: int, line: bytes) -> str:
    """Returns the name of a line as a member: LABEL/line_NUMBER.tree, or line_NUMBER.tree without a label.

    The label precedes a tab, or follows the first bracket; it is escaped, as all names of members are.
    """
    text = line[:_LONGEST_LABEL].decode('utf-8', 'surrogateescape')
    label, _ = _divided(text)
    root = _ROOT.match(text)
    if not label and root and (root.end() < len(text) or len(line) < _LONGEST_LABEL):
        label = root[1]
    label = escaped(label.strip())
    is_one = '/' not in label and label not in ('', '.', '..')
    return f'{label}/line_{number}.tree' if is_one else f'line_{number}.tree'


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadExampleError(f'it is not UTF-8 at its byte {error.start}') from error


def _divided(text: str) -> tuple[str, str]:
    """Returns (the label in front of a tab, the tree); a tab after a bracket is white space."""
    before, tab, after = text.partition('\t')
    return (before, after) if tab and '(' not in before else ('', text)
