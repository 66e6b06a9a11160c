"""Names with braces, and lists of names."""

import pytest

from estimator_lab.data.tar.braces import expand_braces, split_names
from estimator_lab.data.tar.sources import expand_archives
from estimator_lab.errors import DataError


@pytest.mark.parametrize(
    ('pattern', 'names'),
    [
        ('a.tar', ['a.tar']),
        ('a-{08..11}.tar', ['a-08.tar', 'a-09.tar', 'a-10.tar', 'a-11.tar']),
        ('a-{8..11}.tar', ['a-8.tar', 'a-9.tar', 'a-10.tar', 'a-11.tar']),
        ('a-{2..0}', ['a-2', 'a-1', 'a-0']),
        ('{a,b}-{0..1}', ['a-0', 'a-1', 'b-0', 'b-1']),
        ('{a{0..1},b}', ['a0', 'a1', 'b']),
        ('{a}', ['{a}']),
        ('a{', ['a{']),
        ('{..}', ['{..}']),
        ('{a..c}', ['{a..c}']),
        ('{,x}a', ['a', 'xa']),
    ],
)
def test_expand_braces(pattern, names):
    assert sorted(expand_braces(pattern)) == sorted(names)


def test_as_webdataset_users_write_it():
    names = expand_braces('train-{000000..000146}.tar')
    assert (len(names), names[0], names[-1]) == (147, 'train-000000.tar', 'train-000146.tar')


@pytest.mark.parametrize('pattern', ['{0..99999999999}', '{0..999}{0..999}', '{1..9}' * 30])
def test_too_many(pattern):
    with pytest.raises(DataError, match='stands for more than 100,000 names'):
        expand_braces(pattern)


def test_lists():
    assert split_names(['a, b', 'c']) == ['a', 'b', 'c']
    assert split_names(['x-{a', 'b}.tar', 'c']) == ['x-{a,b}.tar', 'c']  # as a flag that is a list comes
    assert split_names(['a{b.tar', 'c.tar']) == ['a{b.tar', 'c.tar']
    assert split_names(['a', 'pipe:x 1,2', 'b', 'pipe:y']) == ['a', 'pipe:x 1,2,b', 'pipe:y']
    assert split_names([' ', ',']) == []


def test_a_missing_shard_is_named(tmp_path):
    for number in (0, 1, 3):
        (tmp_path / f'a-{number}.tar').touch()
    with pytest.raises(DataError, match=r"There is no file '.*a-2\.tar'"):
        expand_archives([f'{tmp_path}/a-{{0..3}}.tar'])
    (tmp_path / 'a-{0..3}.tar').touch()
    assert expand_archives([f'{tmp_path}/a-{{0..3}}.tar']) == [f'{tmp_path}/a-{{0..3}}.tar']
