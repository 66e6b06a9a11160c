"""Trees compared with a recursive parser; then bad trees."""

import random
import re

import pytest

from estimator_lab.data.examples.member import BadExampleError
from estimator_lab.data.trees import parse
from estimator_lab.data.trees.parse import MAX_DEPTH, line_name, parse_tree, tokens_of


def drawn(rng, depth, labelled):
    """Returns a random tree: a token, or (label, children), the label '' without one."""
    if depth == 0 or rng.random() < 0.3:
        token = rng.choice(['a', 'b', "n't", '-LRB-', 'é', '7'])
        return (str(rng.randrange(5)), [token]) if labelled and rng.random() < 0.7 else token
    label = str(rng.randrange(5)) if labelled and rng.random() < 0.8 else ''
    return label, [drawn(rng, depth - 1, labelled) for _ in range(rng.choice([1, 2, 2, 3, 4]))]


def written(tree, rng):
    if isinstance(tree, str):
        return tree
    label, children = tree
    gap, end = rng.choice([' ', '  ', '\n ']), rng.choice([')', ' )'])
    return f'({label}{gap}{gap.join(written(child, rng) for child in children)}{end}'


def by_recursion(tree, nodes):
    """Appends (token, left, right, label, level) of all nodes; returns the number of the root."""
    if isinstance(tree, str):
        nodes.append([tree, -1, -1, '', 0])
        return len(nodes) - 1
    label, children = tree
    root = by_recursion(children[0], nodes)
    for child in children[1:]:
        right = by_recursion(child, nodes)
        nodes.append(['', root, right, '', 1 + max(nodes[root][4], nodes[right][4])])
        root = len(nodes) - 1
    nodes[root][3] = label or nodes[root][3]
    return root


@pytest.mark.parametrize('labelled', [False, True])
def test_random_trees_as_by_recursion(labelled):
    rng = random.Random(1)
    for _ in range(300):
        tree = drawn(rng, rng.randrange(7), labelled)
        nodes = []
        assert by_recursion(tree, nodes) == len(nodes) - 1
        found = parse_tree(written(tree, rng).encode())
        tokens, lefts, rights, labels, levels = map(list, zip(*nodes, strict=True))
        assert found == (tokens, lefts, levels, labels)
        assert all(right == place - 1 for place, right in enumerate(rights) if right >= 0)
        assert tokens_of(written(tree, rng).encode()) == [token for token in tokens if token]


def test_listops_and_penn():
    found = parse_tree(b'9\t( ( ( [MAX 2 ) 9 ) ] )\n')
    assert found.tokens == ['[MAX', '2', '', '9', '', ']', ''] and not any(found.labels)
    assert found.left == [-1, -1, 0, -1, 2, -1, 4] and found.level == [0, 0, 1, 0, 2, 0, 3]
    penn = parse_tree(b'(3 (2 It) (4 (3 really) (4 works)))')
    assert penn.tokens == ['It', 'really', 'works', '', '']
    assert penn.labels == ['2', '3', '4', '4', '3']
    assert parse_tree(b'(3\t(2 It)\t(4 works))').labels == ['2', '4', '3']


def test_one_token_is_a_tree():
    assert parse_tree(b'9\t9') == parse_tree(b' 9 ') == (['9'], [-1], [0], [''])
    assert parse_tree(b'(3 fine)') == (['fine'], [-1], [0], ['3'])


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        (b'( ( a b )', "1 '\\)' missing at the end"),
        (b'( a b ) )', "the tree ends before '\\)'"),
        (b') a', 'closes nothing'),
        (b'(3 (2 a) (4 b)) (1 c)', "the tree ends before '\\(1'"),
        (b'two tokens', "the tree ends before 'tokens'"),
        (b'( )', 'an empty tree'),
        (b'(3 (2) (4 b))', 'an empty tree'),
        (b'5\t', 'it is empty'),
        (b'  ', 'it is empty'),
        (b'(3 (2 \xff) (4 b))', 'not UTF-8 at its byte 6'),
        (b'(' * 20, "20 '\\)' missing"),
    ],
)
def test_bad_trees_have_a_reason(text, reason):
    with pytest.raises(BadExampleError, match=reason):
        parse_tree(text)


def test_depth_costs_no_recursion():
    deep = b'( ' * MAX_DEPTH + b'a' + b' b )' * MAX_DEPTH
    assert parse_tree(deep).level[-1] == MAX_DEPTH == 10_000
    for deeper in (b'( ' + deep + b' c )', b'(1 ' + b'x ' * (MAX_DEPTH + 2) + b')'):
        with pytest.raises(BadExampleError, match='deeper than the 10000 levels allowed'):
            parse_tree(deeper)


def test_size_has_a_limit(monkeypatch):
    def tree(leaves):
        halves = leaves // 2, leaves - leaves // 2
        return b'( %b %b )' % tuple(map(tree, halves)) if leaves > 1 else b'a'

    assert len(parse_tree(tree(50_000)).level) == 99_999
    with pytest.raises(BadExampleError, match='more than the 100000 nodes allowed for one tree'):
        parse_tree(tree(50_001))
    monkeypatch.setattr(parse, 'MAX_BYTES', 10)
    with pytest.raises(BadExampleError, match='it has 11 bytes, more than the 10 allowed for one tree'):
        parse_tree(b'( aaa bbb )')


def test_half_of_the_lines_must_be_trees():
    tree, other, cut = b'(1 (0 a) (1 b))\n', b'some text\n', b'the last one may be cut'
    assert parse.holds_trees(2 * tree + 2 * other + cut)
    assert not parse.holds_trees(2 * tree + 3 * other + cut)


@pytest.mark.parametrize(
    ('line', 'name'),
    [
        (b'3\t( a b )', '3/line_7.tree'),
        (b'(4 (2 a) (3 b))', '4/line_7.tree'),
        (b'( (2 a) (3 b))', 'line_7.tree'),
        (b'( a b )', 'line_7.tree'),
        (b'9\t9', '9/line_7.tree'),
        (b'very good\t( a b )', 'very good/line_7.tree'),
        (b'../x\t( a b )', 'line_7.tree'),
        (b'..\t( a b )', 'line_7.tree'),
        (b'a\0b\t( a b )', r'a\x00b/line_7.tree'),
        (b'\xff\t( a b )', '\\xff/line_7.tree'),
        (rb'\x41' + b'\t( a b )', r'\x5cx41/line_7.tree'),
        (b'x' * 200 + b'\t( a b )', 'line_7.tree'),
        (b'(' + b'x' * 200 + b' a)', 'line_7.tree'),
    ],
)
def test_the_name_of_a_line_holds_its_label(line, name):
    assert line_name(7, line) == name
    assert re.fullmatch(r'([^/]+/)?line_7\.tree', line_name(7, line))
