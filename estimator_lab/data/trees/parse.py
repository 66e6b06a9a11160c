"""Bracketed text -> a tree in post-order. No recursion: depth costs memory, not the stack.

    3<TAB>( ( ( [MAX 2 ) 3 ) ] )         ListOps: a label, and brackets followed by a space
    (3 (2 It) (4 works))                 Penn: a label directly after each bracket

A label directly follows its bracket; a token has white space in front of it. Trees are binary: a node with
one child is that child, with the node's own label if it has one; a node with more than two children is
branched to the left, `(a b c)` as `((a b) c)`, whose inner nodes have no label.
"""

import re
from typing import NamedTuple

from estimator_lab.data.member import BadExampleError

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
_ROOT = re.compile(rb'\s*\(([^\s()]+)')
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
    tokens: list[str] = []
    left: list[int] = []
    level: list[int] = []
    labels: list[str] = []
    open_brackets: list[tuple[str, int]] = []  # each with its label, and what came before it beside it
    before = NONE  # the tree so far within the innermost bracket
    for piece in map(re.Match.group, _PIECE.finditer(text)):
        if before != NONE and not open_brackets:
            raise BadExampleError(f'the tree ends before {piece[:_SHOWN]!r}: brackets do not match')
        if piece[0] == '(':
            open_brackets.append((piece[1:], before))
            before = NONE
            if len(open_brackets) > MAX_DEPTH:
                raise BadExampleError(f'it is deeper than the {MAX_DEPTH} levels allowed')
            continue
        if piece == ')':
            if not open_brackets:
                raise BadExampleError("a ')' closes nothing: brackets do not match")
            if before == NONE:
                raise BadExampleError('it has an empty tree: nothing between a bracket and the next')
            node = before
            label, before = open_brackets.pop()
            if label:
                labels[node] = label
        else:
            node = len(left)
            tokens.append(piece)
            left.append(NONE)
            level.append(0)
            labels.append('')
        if before == NONE:
            before = node
        else:
            height = max(level[before], level[node]) + 1
            tokens.append('')
            left.append(before)
            level.append(height)
            labels.append('')
            before = len(left) - 1
            if height > MAX_DEPTH:
                raise BadExampleError(f'it is deeper than the {MAX_DEPTH} levels allowed')
            if before >= MAX_NODES:
                raise BadExampleError(f'it has more than the {MAX_NODES} nodes allowed for one tree')
    if open_brackets:
        raise BadExampleError(f"{len(open_brackets)} ')' missing at the end: brackets do not match")
    if before == NONE:
        raise BadExampleError('it is empty')
    return Tree(tokens, left, level, labels)


def tokens_of(data: bytes) -> list[str]:
    """Returns the tokens of a text, also if it is not a tree; none if it is not UTF-8."""
    try:
        return _TOKEN.findall(_divided(_decoded(data))[1])
    except BadExampleError:
        return []


def line_name(number: int, line: bytes) -> str:
    """Returns the name of a line as a member: LABEL/line_NUMBER.tree, or line_NUMBER.tree without a label.

    The label precedes a tab, or follows the first bracket.
    """
    label, _ = _divided_bytes(line[:_LONGEST_LABEL])
    root = _ROOT.match(line[:_LONGEST_LABEL])
    if not label and root and root.end() < _LONGEST_LABEL:
        label = root[1]
    text = label.decode('utf-8', 'backslashreplace').strip()
    is_one = text.isprintable() and '/' not in text and text not in ('', '.', '..')
    return f'{text}/line_{number}.tree' if is_one else f'line_{number}.tree'


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadExampleError(f'it is not UTF-8 at its byte {error.start}') from error


def _divided(text: str) -> tuple[str, str]:
    """Returns (the label in front of a tab, the tree); a tab after a bracket is white space."""
    before, tab, after = text.partition('\t')
    return (before, after) if tab and '(' not in before else ('', text)


def _divided_bytes(line: bytes) -> tuple[bytes, bytes]:
    before, tab, after = line.partition(b'\t')
    return (before, after) if tab and b'(' not in before else (b'', line)
