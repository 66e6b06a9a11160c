"""TensorFlow's errors in one sentence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from estimator_lab.errors import LabError
from estimator_lab.tf1 import tf


@contextmanager
def tensorflow_errors_as_sentences(check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Turns what TensorFlow raises while the block runs into a LabError of its first line.

    Args:
      check: called before; what it raises instead tells more.
    """
    try:
        yield
    except tf.errors.OpError as error:
        check()
        first_line = str(error.message).strip().partition('\n')[0]
        raise LabError(f'TensorFlow stopped ({type(error).__name__}): {first_line}') from error
