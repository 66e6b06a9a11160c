import pytest

from tests.robustness.shim import commands


@pytest.fixture(scope='module')
def runner():
    """Runs commands whose calls of the system fail."""
    with commands() as runner:
        yield runner
