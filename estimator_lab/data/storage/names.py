"""Names of sources: what a user gives, and the same without credentials, as it appears everywhere else.

`publish` replaces a URL or a command when it is given; `private_name` returns it where it is opened. In
between, in messages, keys, tables and records, there are no credentials.
"""

import threading

from estimator_lab.base.urls import HIDDEN, hide_secrets, shown_url

STDIN = '-'
PIPE = 'pipe:'
"""Begins a source that is the output of a shell command, as in WebDataset."""

_lock = threading.Lock()
_private: dict[str, str] = {}
_public: dict[str, str] = {}


def is_url(source: str) -> bool:
    """Whether a source is a URL."""
    return '://' in source and not is_command(source)


def is_command(source: str) -> bool:
    """Whether a source is the output of a shell command."""
    return source.startswith(PIPE)


def scheme_of(url: str) -> str:
    """Returns the scheme of a URL, in small letters."""
    return url.partition('://')[0].lower()


def shown_name(source: str) -> str:
    """Returns a source for messages: a URL without credentials, and only the program of a command."""
    if is_command(source):
        words = source.removeprefix(PIPE).split()
        return f'{PIPE}{words[0]} {HIDDEN}' if len(words) > 1 else source
    return shown_url(source) if is_url(source) else source


def shown_argument(argument: str) -> str:
    """Returns an argument of a command line for messages; it may be a flag with sources as its value."""
    flag, is_flag, value = argument.partition('=') if argument.startswith('-') else ('', '', argument)
    before, command, rest = value.partition(PIPE)
    is_source = command and (not before or before.endswith(','))
    after = shown_name(command + rest) if is_source else hide_secrets(command + rest)
    return f'{flag}{is_flag}{hide_secrets(before)}{after}'


def publish(source: str) -> str:
    """Returns the name of a source without credentials; two sources never have the same one."""
    shown = shown_name(source)
    if shown == source or source in _private:
        return source
    with _lock:
        if source not in _public:
            name, number = shown, 1
            while name in _private:
                number += 1
                name = f'{shown}#{number}'
            _private[name], _public[source] = source, name
        return _public[source]


def private_name(name: str) -> str:
    """Returns the source that has a public name; any other name as it is."""
    return _private.get(name, name)
