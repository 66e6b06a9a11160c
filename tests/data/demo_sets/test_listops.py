"""Values against a second evaluator, which works on a stack; shares against the published rules."""

import gzip
import itertools
import random
import statistics
from collections import Counter

import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.data.demo_sets import listops
from estimator_lab.data.demo_sets.listops import OPERATORS, lines, write_listops


def value_of(tree):
    """Evaluates from the tokens alone, brackets left out."""
    stack = []
    for token in tree.replace('(', '').replace(')', '').split():
        if token != ']':
            stack.append(token)
            continue
        arguments = []
        while not str(stack[-1]).startswith('['):
            arguments.append(int(stack.pop()))
        operator = stack.pop()
        if operator == '[SM':
            stack.append(sum(arguments) % 10)
        elif operator == '[MED':
            stack.append(int(statistics.median(arguments)))
        else:
            stack.append(max(arguments) if operator == '[MAX' else min(arguments))
    (value,) = stack
    return int(value)


@pytest.fixture(scope='module')
def drawn():
    return [line.split('\t') for line in itertools.islice(lines(seed=3), 2000)]


def test_values(drawn):
    assert all(value_of(tree) == int(value) for value, tree in drawn)


def test_the_second_evaluator_agrees_with_the_published_values(shared_data):
    with gzip.open(shared_data / 'listops-test.tsv.gz', 'rt') as file:
        published = [line.rstrip('\n').split('\t') for line in itertools.islice(file, 500)]
    assert all(value_of(tree) == int(value) for value, tree in published)


def test_trees_differ_and_none_is_a_digit(drawn):
    trees = [tree for _, tree in drawn]
    assert len(set(trees)) == len(trees) and all(tree.startswith('(') for tree in trees)
    assert len({value for value, _ in drawn}) == 10


def test_shares_of_what_is_drawn():
    """Each tree of a level below the root is an operator with probability 0.25, of 2 to 5 arguments."""
    rng = random.Random(1)
    drawn = [listops._draw(rng, 1)[0] for _ in range(4000)]
    operators = [tree for tree in drawn if tree.startswith('(')]
    assert abs(len(operators) / len(drawn) - 0.25) < 0.03
    names = Counter(tree.replace('( ', '').split()[0] for tree in operators)
    assert set(names) == set(OPERATORS) and min(names.values()) > 0.2 * len(operators)
    arguments = Counter(count_arguments(tree) for tree in operators)
    assert set(arguments) == {2, 3, 4, 5} and min(arguments.values()) > 0.2 * len(operators)


def count_arguments(tree):
    """Counts the left branches between the root's operator and its end."""
    return tree.index('[') // len('( ') - 1


def test_the_same_seed_gives_the_same_trees(drawn):
    assert [line.split('\t') for line in itertools.islice(lines(3), 5)] == drawn[:5]


def test_the_files_share_no_tree(tmp_path):
    paths = write_listops(tmp_path / 'new', seed=1, train=60, test=20)
    train, test = (set(path.read_text().splitlines()) for path in paths)
    assert (len(train), len(test)) == (60, 20) and not train & test
    (tmp_path / 'file').write_text('')
    with pytest.raises(FlagError, match='file cannot be written'):
        write_listops(tmp_path / 'file', train=1, test=1)
