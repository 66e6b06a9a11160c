"""Sizes in bytes, read and shown."""

import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.base.sizes import parse_size, shown_size


@pytest.mark.parametrize(
    ('text', 'count', 'shown'),
    [
        ('0', 0, '0'),
        ('1000', 1000, '1000'),
        ('8388608', 2**23, '8M'),
        (' 8m ', 2**23, '8M'),
        ('1024K', 2**20, '1M'),
        ('3G', 3 * 2**30, '3G'),
    ],
)
def test_sizes_are_read_and_shown_in_the_largest_unit(text, count, shown):
    assert (parse_size('cache', text), shown_size(count)) == (count, shown)


@pytest.mark.parametrize('text', ['', '8MB', '-1', '1.5G', '1234567890123', 'M', '\u0663'])
def test_what_is_no_size(text):
    with pytest.raises(FlagError, match=r'^cache=.* must be a size in bytes, such as 8M or 20G'):
        parse_size('cache', text)
