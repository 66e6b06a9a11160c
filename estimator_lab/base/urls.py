"""URLs without the credentials that they may contain."""

import re

HIDDEN = '...'
"""Replaces the query of a web address, which may be a signature or a token."""

_URL = re.compile(r"""[A-Za-z][\w+.-]*://[^\s'"<>]+""")
# Parameters of signed URLs of S3, Google Cloud Storage, CloudFront and Azure, and names of tokens.
_SIGNATURE = re.compile(
    r'(x-amz-|x-goog-|signature|expires|policy|key-pair-id|awsaccesskeyid|googleaccessid|sig=|se=|st=|sp=|sv='
    r'|skoid|sktid|skt=|ske=|sks=|skv=|token|access_token|auth|api_?key|key=)',
    re.IGNORECASE,
)
_WEB = ('http', 'https')


def is_web(text: str) -> bool:
    """Whether a text is a web address.

    Examples:
        >>> is_web('https://example.org/a.tar'), is_web('s3://bucket/a.tar')
        (True, False)
    """
    return text.partition('://')[0].lower() in _WEB and '://' in text


def shown_url(url: str) -> str:
    """Returns a URL without user name and password, and without the values of a query.

    Examples:
        >>> shown_url('https://me:secret@example.org/a.tar?token=1')
        'https://example.org/a.tar?...'
    """
    scheme, mark, rest = url.partition('://')
    if not mark:
        return url
    query = ''
    if is_web(url):
        rest = rest.partition('#')[0]
        rest, question, _ = rest.partition('?')
        query = f'{question}{HIDDEN}' if question else ''
    return f'{scheme}://{_without_user(rest, is_web(url))}{query}'


def unsigned(url: str) -> str:
    """Returns a URL without user name and password, and without what is different each time it is signed."""
    path, _, query = url.partition('#')[0].partition('?') if is_web(url) else (url, '', '')
    kept = sorted(part for part in query.split('&') if not _SIGNATURE.match(part))
    return '&'.join([shown_url(path), *filter(None, kept)])


def hide_secrets(text: str) -> str:
    """Returns a text in which each URL is without credentials."""
    return _URL.sub(lambda match: shown_url(match[0]), text) if '://' in text else text


def _without_user(rest: str, web: bool) -> str:
    """Drops 'user:password@', also if the password has slashes; in other URLs a part such as 'container@'."""
    authority, _, path = rest.partition('/')
    user, at, _ = authority.rpartition('@')
    if at:
        return rest[len(user) + 1 :] if web or ':' in user else rest
    is_cut = ':' in authority and not authority.rpartition(':')[2].isdigit() and not authority.endswith(']')
    return path.rpartition('@')[2] if is_cut and '@' in path else rest
