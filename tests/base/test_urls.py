"""URLs without credentials."""

import pytest

from estimator_lab.base.urls import hide_secrets, is_web, shown_url, unsigned


@pytest.mark.parametrize(
    ('url', 'shown'),
    [
        ('https://user:SECRET@example.com:8080/a.tar', 'https://example.com:8080/a.tar'),
        ('https://SECRET@example.com/a@b.tar', 'https://example.com/a@b.tar'),
        ('https://user:SEC@RET@example.com/a.tar', 'https://example.com/a.tar'),
        ('https://user:SEC/RET@example.com/a.tar', 'https://example.com/a.tar'),
        *((url, url) for url in ('https://h/a.tar', 'http://[::1]:80/a.tar', 'http://[::1]/a@b.tar')),
        ('HTTPS://h/a.tar?X-Amz-Signature=SECRET&b=1#SECRET', 'HTTPS://h/a.tar?...'),
        ('https://h?token=SECRET', 'https://h?...'),
        ('s3://bucket/a?.tar', 's3://bucket/a?.tar'),
        ('s3://id:SECRET@bucket/a.tar', 's3://bucket/a.tar'),
        ('https://example.org/a.tar#part?x', 'https://example.org/a.tar'),
        *((url, url) for url in ('abfs://container@account.dfs.core.windows.net/a', 'a/b.tar', '')),
    ],
)
def test_shown_url(url, shown):
    assert shown_url(url) == shown and shown_url(shown) == shown and 'SECRET' not in shown


def test_in_a_text():
    text = '\'--data=https://u:SECRET@h/a.tar?k=SECRET,s3://id:SECRET@b\' and "http://h?SECRET" 1 http://x'
    hidden = hide_secrets(text)
    assert 'SECRET' not in hidden and hidden.endswith('"http://h?..." 1 http://x')
    assert hide_secrets('no: //url?here') == 'no: //url?here'


def test_signatures_do_not_count():
    one = unsigned('https://u:p@h/a.tar?id=1&X-Amz-Date=1&X-Amz-Signature=x&Expires=4&token=z')
    assert one == unsigned('https://h/a.tar?token=other&id=1') != unsigned('https://h/a.tar?id=2')
    assert unsigned('https://h/a.tar?sig=x') == unsigned('https://h/a.tar') == 'https://h/a.tar'


def test_is_web():
    assert is_web('HTTP://h') and is_web('https://h') and not is_web('s3://b') and not is_web('http')
