"""Why a member is no usable example."""

from estimator_lab.errors import DataError


class BadExampleError(DataError):
    """The bytes of a member are no usable example; the message is the reason alone and names no member."""
