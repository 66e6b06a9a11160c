"""The errors that users may see; a command turns each into one line and an exit status.

A sentence names settings by `option` and `hparam`, which mark them: a command prints them with dashes, a
program without. Nothing else in a sentence changes, such as the values of settings.
"""

import re

_NO_NAME = re.compile(r'[^\s/]{256,}')  # no file has a longer name
_SHOWN = 80
_OPTION, _HPARAM = '\x00', '\x01'  # no argument and no path can hold the first


class _Marked:
    """Names of settings, marked for `with_dashes` and `without_dashes`."""

    def __init__(self, mark: str) -> None:
        self._mark = mark

    def __call__(self, name: str) -> str:
        return self._mark + name

    def __getattr__(self, name: str) -> str:
        if name.startswith('__'):
            raise AttributeError(name)
        return self._mark + name


option = _Marked(_OPTION)
"""A setting in a sentence: `option.seed` is --seed for a command, and seed for a program."""

hparam = _Marked(_HPARAM)
"""A hyper-parameter: `hparam.filters` is --hparams=filters for a command, and filters for a program."""


def with_dashes(sentence: str) -> str:
    """Returns a sentence as a command prints it.

    Examples:
        >>> with_dashes(f'{option.batch_size}=0 must be at least {hparam.layers}.')
        '--batch_size=0 must be at least --hparams=layers.'
    """
    return sentence.replace(_HPARAM, '--hparams=').replace(_OPTION, '--')


def without_dashes(sentence: str) -> str:
    """Returns a sentence as a program shows it.

    Examples:
        >>> without_dashes(f'{option.batch_size}=0 must be at least {hparam.layers}.')
        'batch_size=0 must be at least layers.'
    """
    return sentence.replace(_HPARAM, '').replace(_OPTION, '')


def first_line(error: Exception) -> str:
    """Returns the first line of an error's text, or its type for one without text."""
    return str(error).strip().partition('\n')[0] or type(error).__name__


class LabError(Exception):
    """An error that the user can fix: one clear sentence, in which `option` and `hparam` mark settings.

    As text, for programs, they have no dashes.

    Examples:
        >>> error = LabError(f'{option.data}={"x --data"!r} does not exist.')
        >>> str(error), error.sentence
        ("data='x --data' does not exist.", "--data='x --data' does not exist.")
    """

    exit_status: int = 1

    @property
    def marked(self) -> str:
        """The sentence with its marks, for another error that quotes it; of a forged value the beginning."""
        return _NO_NAME.sub(lambda found: f'{found[0][:_SHOWN]}...', str(self.args[0]))

    @property
    def sentence(self) -> str:
        """What a command prints."""
        return with_dashes(self.marked)

    def __str__(self) -> str:
        return without_dashes(self.marked)

    def __reduce__(self) -> tuple[type[Exception], tuple[str]]:
        """Lets the sentence arrive in a process without this package, as one that starts workers of Ray."""
        return RuntimeError, (str(self),)


class FlagError(LabError):
    """A setting is wrong; the sentence names it and its allowed values.

    Examples:
        >>> FlagError(f'{option.batch_size}=0 must be at least 1.').exit_status
        2
    """

    exit_status = 2


class DataError(LabError):
    """The data is wrong; the sentence names the archive, and the member and byte offset if known."""
