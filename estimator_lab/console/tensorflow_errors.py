"""TensorFlow's errors in one sentence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from estimator_lab.errors import LabError
from estimator_lab.tf1 import tf

_NO_REASON = 'Graph execution error'  # the first line of some errors, with the reason below it


@contextmanager
def tensorflow_errors_as_sentences(check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Turns what TensorFlow raises while the block runs into a LabError of its first telling line.

    Args:
      check: called before; what it raises instead tells more.
    """
    try:
        yield
    except tf.errors.OpError as error:
        check()
        lines = str(error.message).strip().splitlines() or ['it gave no reason']
        reason = next((line.strip() for line in lines if not line.startswith(_NO_REASON)), lines[0])
        raise LabError(f'TensorFlow stopped ({type(error).__name__}): {reason}') from error
