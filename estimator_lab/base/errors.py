"""The errors that users may see; a command turns each into one line and an exit status."""

import re

_DASHES = re.compile(r'(?<![\w-])--(?:hparams=(?!help))?(?=[a-z])')


class LabError(Exception):
    """An error that the user can fix: one clear sentence, in which settings have dashes, as in a command.

    As text, for programs, they have none.

    Examples:
        >>> error = LabError('--hparams=filters=0 must be 1 or more: see --help.')
        >>> str(error)
        'filters=0 must be 1 or more: see help.'
    """

    exit_status: int = 1

    @property
    def sentence(self) -> str:
        """What a command prints."""
        return str(self.args[0])

    def __str__(self) -> str:
        return _DASHES.sub('', self.sentence)


class FlagError(LabError):
    """A setting is wrong; the sentence names it and its allowed values.

    Examples:
        >>> FlagError('--batch_size=0 must be at least 1.').exit_status
        2
    """

    exit_status = 2


class DataError(LabError):
    """The data is wrong; the sentence names the archive, and the member and byte offset if known."""

    exit_status = 1
