"""Word vectors from text files: the formats of GloVe and word2vec, and untrusted ones."""

import numpy as np
import pytest

from estimator_lab.data.trees import vectors
from estimator_lab.data.trees.vectors import VectorFile
from estimator_lab.errors import DataError

GLOVE = b'the 1.5 -2 3e-1\n, 0 0 1\n\xc3\xa9t\xc3\xa9 4 5 6\n. . . 7 8 9\nat me@x.org 1 2 3\n'


def of(tmp_path, content, words=('the', 'bad')):
    path = tmp_path / 'vectors.txt'
    path.write_bytes(content)
    return dict(VectorFile(path, '--vectors').vectors(words))


def test_the_vectors_of_some_words(tmp_path):
    found = of(tmp_path, GLOVE, {'été', 'the', 'The', '.', 'at'})
    assert list(found) == ['the', 'été'], 'in the order of the file; ". . ." is another word than "."'
    assert found['the'].dtype == np.float32 and found['the'].tolist() == pytest.approx([1.5, -2, 0.3])
    assert found['été'].tolist() == [4, 5, 6]


@pytest.mark.parametrize('end', [b'\n', b' \n', b'\r\n'])
def test_a_header_of_word2vec(tmp_path, end):
    found = of(tmp_path, end.join([b'2 3', b'the 1 2 3', b'2 4 5 6', b'']), {'the', '2'})
    assert {word: vector.tolist() for word, vector in found.items()} == {'the': [1, 2, 3], '2': [4, 5, 6]}


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'it is empty'),
        (b'the\n', 'its line 1 has 0 values; 1 to 10,000 are allowed'),
        (b'3 20000\n', 'its line 1 has 20,000 values'),
        (b'the 1 2\na 1\n', 'its line 2 does not have 2 values, but 1'),
        (b'the 1 2\na 1 2 3\n', 'its line 2 does not have 2 values, but 3'),
        (b'the 1 2\n\na 1 2\n', 'its line 2 does not have 2 values, but 0'),
        (b'the 1 x\n', 'its line 1 has a value that is not a number'),
        (b'the 1 nan\n', 'its line 1 has a value that is not finite'),
        (b'the 1 1e39\n', 'its line 1 has a value that is not finite'),
        (b'a 1 2\nthe 1 2\nb 1 2\nthe 3 4\n', "its lines 2 and 4 are both for 'the'"),
        (b'a 1 2\n\xff 1 2\n', 'its line 2 is not UTF-8'),
        (b'3 2\nthe 1 2\na 1 2\n', 'it has 2 vectors, but its header promises 3'),
        (b'PK\x03\x04 1 2\n', 'it is compressed: unpack it'),
        (b'the 1 2\n' + b'x' * 300_000, 'its line 2 is longer than the 262,144 bytes allowed'),
    ],
)
def test_an_untrusted_file_is_checked(tmp_path, content, reason):
    place = f'--vectors={tmp_path / "vectors.txt"}'
    with pytest.raises(DataError) as error:
        of(tmp_path, content)
    assert str(error.value).startswith(f'{place} cannot be read as word vectors: {reason}')


def test_a_path_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match='No such file'):
        VectorFile(tmp_path / 'none', '--vectors')
    with pytest.raises(DataError, match='not a regular file'):
        VectorFile(tmp_path, '--vectors')


def test_values_of_other_words_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(vectors, '_values', lambda line, number: pytest.fail('read'))
    assert of(tmp_path, b'a 1 2\nb 1 2\n') == {}
