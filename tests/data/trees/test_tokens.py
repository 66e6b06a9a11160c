import pytest

from estimator_lab.base.errors import DataError, option
from estimator_lab.data.trees import tokens
from estimator_lab.data.trees.tokens import Tokens, frequent_tokens, read_tokens, write_tokens


def test_the_most_frequent_come_first_and_single_ones_are_left_out():
    trees = [['c', 'b', 'b'], ['a', 'b', 'a'], ['d', 'c', 'c']]
    assert frequent_tokens(trees, 10).ids == {'b': 1, 'c': 2, 'a': 3}  # b and c by alphabet
    assert frequent_tokens(trees, 2).texts == ('b', 'c')
    assert frequent_tokens([['x', 'y']], 10).texts == ('x', 'y'), 'but where there are no others'


def test_a_token_that_is_not_there_is_looked_up_in_lower_case():
    known = Tokens(['the', 'The', 'good'])
    assert [known.number(text) for text in ('the', 'The', 'THE', 'Good', 'bad')] == [1, 2, 1, 3, 0]


def test_counting_is_bounded(monkeypatch):
    monkeypatch.setattr(tokens, 'MOST', 5)
    trees = [[f'new{number}', 'often'] for number in range(100)]
    trees[9] = trees[90] = ['twice', 'often']  # it is forgotten in between
    assert frequent_tokens(trees, 3).texts == ('often',)


def test_as_many_as_are_allowed_are_read(tmp_path):
    many = [f'{number:020}' for number in range(50_000)]
    (tmp_path / 'tokens.txt').write_text('\n'.join(many))
    assert read_tokens(tmp_path / 'tokens.txt').texts == tuple(many)


def test_written_and_read_again(tmp_path):
    path = tmp_path / 'tokens.txt'
    write_tokens(path, Tokens(['[MAX', 'é', "n't"]))
    assert read_tokens(path).texts == ('[MAX', 'é', "n't")
    assert [other.name for other in tmp_path.iterdir()] == ['tokens.txt']
    path.write_bytes(b'a\r\nb\r\n')
    assert read_tokens(path).texts == ('a', 'b')


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'it is empty'),
        (b'a\nb\na\n', "holds 'a' twice"),
        (b'a\n\nb\n', "line 2 is '', which is not a token"),
        (b'a b\n', "line 1 is 'a b', which is not a token"),
        (b'(\n', "line 1 is '\\('"),
        (b'\xff\n', 'codec'),
    ],
)
def test_an_untrusted_file_is_checked(tmp_path, content, reason):
    path = tmp_path / 'tokens.txt'
    path.write_bytes(content)
    with pytest.raises(DataError, match=f'tokens={path} cannot be read as .*: .*{reason}'):
        read_tokens(path, option.tokens)


def test_more_tokens_than_are_allowed_are_refused(tmp_path, monkeypatch):
    path = tmp_path / 'tokens.txt'
    path.write_text('a\nb\nc\n')
    monkeypatch.setattr(tokens, 'MOST', 3)
    assert read_tokens(path).texts == ('a', 'b', 'c')
    monkeypatch.setattr(tokens, 'MOST', 2)
    with pytest.raises(DataError, match='it holds 3 tokens, 2 are allowed'):
        read_tokens(path)
