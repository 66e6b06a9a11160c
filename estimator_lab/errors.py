"""The errors a user may meet; a command turns each into one line and an exit status."""


class LabError(Exception):
    """Anything the user can put right; the message is one clear sentence."""

    exit_status: int = 1


class FlagError(LabError):
    """A flag or argument is wrong; the message names it and its allowed values."""

    exit_status = 2


class DataError(LabError):
    """The data is wrong; the message names the archive, and the member and byte offset if known."""

    exit_status = 1
