"""TensorFlow's errors in one sentence."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from estimator_lab.console.outputs import NO_ROOM
from estimator_lab.errors import LabError
from estimator_lab.tf1 import tf

_NO_REASON = 'Graph execution error'  # the first line of some errors, with the reason below it
_NO_NUMBER = (
    'The loss is no number any more, and training ends; the checkpoints before stand. Go on with a smaller '
    '--hparams=learning_rate=...'
)
# The end of the names that files have while they are written.
_UNFINISHED = re.compile(r'(?:_temp/part\S*|\.tempstate\d+|\.tmp\w+)$')
# How TensorFlow quotes the text of a tf.Assert.
_ASSERTED = re.compile(r'assertion failed: \[(.+?)\]')
_FULL = re.compile(
    rf'^(.*); ({"|".join(re.escape(os.strerror(number)) for number in NO_ROOM)})', re.MULTILINE
)


@contextmanager
def tensorflow_errors_as_sentences(
    check: Callable[[], None] = lambda: None, folder: Path | None = None
) -> Iterator[None]:
    """Turns what TensorFlow raises while the block runs into a LabError of its first telling line.

    Args:
      check: called before, but for a full disk; what it raises instead tells more.
      folder: in which the block writes files; named where a full disk names none.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if full := _FULL.search(str(error.message)):
            path = _UNFINISHED.sub('', full[1].strip())
            raise LabError(f'{path} cannot be written: {full[2]}.') from error
        check()
        raise LabError(f'TensorFlow stopped ({type(error).__name__}): {reason_of(error)}') from error
    except tf.train.NanLossDuringTrainingError as error:
        check()
        raise LabError(_NO_NUMBER) from error
    except OSError as error:
        if error.errno not in NO_ROOM or not (error.filename or folder):
            raise
        raise LabError(f'{error.filename or folder} cannot be written: {error.strerror}.') from error


def reason_of(error: Any) -> str:
    """Returns the telling line of one of TensorFlow's errors."""
    lines = str(error.message).strip().splitlines() or ['it gave no reason']
    line = next((line.strip() for line in lines if not line.startswith(_NO_REASON)), lines[0])
    asserted = _ASSERTED.search(line)
    return asserted[1] if asserted else line


def no_room_by(error: Any) -> str:
    """Returns what one of TensorFlow's errors, or of the system's, says of a full disk, '' for any other."""
    if isinstance(error, OSError):
        return f'{error.strerror}' if error.errno in NO_ROOM else ''
    full = _FULL.search(str(error.message))
    return full[2] if full else ''
