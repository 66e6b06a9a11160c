"""The errors that users may see; a command turns each into one line and an exit status."""


class LabError(Exception):
    """An error that the user can fix.

    Examples:
        >>> error = LabError('The disk is full.', out='Or give --out.')
        >>> str(error), error.remedies
        ('The disk is full.', {'out': 'Or give --out.'})

    Args:
      message: one clear sentence that states the fact.
      remedies: sentences by the name of the flag that they recommend; a command adds those of its own flags.
    """

    exit_status: int = 1

    def __init__(self, message: str, **remedies: str) -> None:
        super().__init__(message)
        self.remedies = remedies


class FlagError(LabError):
    """A flag or argument is wrong; the message names it and its allowed values.

    Examples:
        >>> FlagError('--batch_size=0 must be at least 1.').exit_status
        2
    """

    exit_status = 2


class DataError(LabError):
    """The data is wrong; the message names the archive, and the member and byte offset if known."""

    exit_status = 1
