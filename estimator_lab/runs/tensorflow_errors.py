"""Turns TensorFlow's errors into one sentence."""

import errno
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import DataError, LabError, hparam
from estimator_lab.base.outputs import NO_ROOM
from estimator_lab.tf1 import prepare_process, tf

# The lines around the reason: where the graph was built, which task failed, and what failed in general.
_NO_REASON = re.compile(
    r'\s*($|Graph execution error|Detected at node|File "|Node: |=+$|(?:[A-Z_]+: )?From /job:\S+$'
    r'|Additional GRPC error|\[\[|.*Original error:$)'
)
# The message of a summary of weights that contain NaN.
_NO_NUMBERS = re.compile(r'\b(Nan|Infinity|Inf) in summary histogram')
_NO_LOSS = 'The loss is not a number any more, so training ends.'
# What TensorFlow logs that says nothing to a user: a hook logs the first, then raises an error; the others
# describe an evaluator that works as it should.
_UNINFORMATIVE = (
    'Model diverged with loss = NaN',
    '`eval_strategy` is not passed in',
    'Estimator is not trained yet',
    'No new checkpoint ready for evaluation',
    "Couldn't match files for checkpoint",  # an error reports it
    'EventFileWriter writer thread error',  # a full disk, which an error reports
)
# What an Estimator makes of any error at restoring a checkpoint that it exports.
_NOT_RESTORED = re.compile(
    r'Could not load all requested variables .* restoring checkpoint from: `(.+?)`', re.DOTALL
)
_IGNORED = ': Checkpoint ignored'  # of a list that can't be read, which an error reports
_NOT_FOUND = 'There was no new checkpoint after the training'  # train_and_evaluate, of a list it can't read
# The suffixes of files that are being written.
_UNFINISHED = re.compile(r'(?:_temp/part\S*|\.tempstate\d+|\.tmp\w+)$')
# The message about a checkpoint whose checksum is wrong.
_DAMAGED = re.compile(r'TensorBundle at (.+?) shard \d+ .*?: Checksum does not match')
# How TensorFlow quotes the text of a tf.Assert.
_ASSERTED = re.compile(r'assertion failed: \[(.+?)\]')
_FULL = re.compile(
    rf'^(.*); ({"|".join(re.escape(os.strerror(number)) for number in NO_ROOM)})', re.MULTILINE
)
# Other calls that may succeed another time.
_FAILED_CALLS = (errno.EIO, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE)
FAILED_CALL = re.compile(
    rf'^(.*); ({"|".join(re.escape(os.strerror(number)) for number in _FAILED_CALLS)})', re.MULTILINE
)
"""How TensorFlow quotes a call of the system that failed: the path, and the reason."""


@contextmanager
def tensorflow_errors_as_sentences(
    check: Callable[[], None] = lambda: None,
    folder: Path | None = None,
    no_number: Callable[[], str] = lambda: f'Give a smaller {hparam.learning_rate}=...',
) -> Iterator[None]:
    """Turns errors of TensorFlow in the block into a LabError with the first informative line.

    Args:
      check: called first, except for a full disk; may raise a more informative error.
      folder: that the block writes to; named if the error of a full disk names no file.
      no_number: returns a sentence on what to do about a loss that is not a number.
    """
    prepare_process()
    tf.get_logger().addFilter(_says_more)
    try:
        yield
    except tf.errors.OpError as error:
        _raise_if_full(error, str(error.message))
        check()
        if _NO_NUMBERS.search(str(error.message)):
            raise LabError(f'{_NO_LOSS} {no_number()}') from error
        if damaged := _DAMAGED.search(str(error.message)):
            raise DataError(
                f'The checkpoint {_place_of(damaged[1])} is damaged, its bytes do not have their '
                "checksum: name another folder, or an older checkpoint in the folder's file 'checkpoint'."
            ) from error
        raise LabError(f'TensorFlow stopped ({type(error).__name__}): {reason_of(error)}') from error
    except tf.train.NanLossDuringTrainingError as error:
        check()
        raise LabError(f'{_NO_LOSS} {no_number()}') from error
    except (RuntimeError, ValueError) as error:
        _raise_if_full(error, str(error))  # as the writer of event files raises it
        _raise_if_known(error)
        raise
    except OSError as error:
        if error.errno not in NO_ROOM or not (error.filename or folder):
            raise
        raise LabError(f'{error.filename or folder} cannot be written: {error.strerror}.') from error
    finally:
        tf.get_logger().removeFilter(_says_more)


def _raise_if_full(error: Exception, text: str) -> None:
    """Raises LabError if the text of an error says that the disk is full."""
    if full := _FULL.search(text):
        path = _UNFINISHED.sub('', full[1].strip())
        raise LabError(f'{path} cannot be written: {full[2]}.') from error


def _raise_if_known(error: Exception) -> None:
    """Raises LabError for an error about a file that TensorFlow could not read or write."""
    text = str(error)
    if _NOT_FOUND in text:
        raise LabError(
            'The checkpoint that was saved last could not be read for its evaluation: start again, and '
            'training goes on from it.'
        ) from error
    if restored := _NOT_RESTORED.search(text):
        raise LabError(
            f'The checkpoint {_place_of(restored[1])} could not be restored for its export: start again.'
        ) from error
    if failed := FAILED_CALL.search(text):
        raise LabError(f'{_UNFINISHED.sub("", failed[1].strip())} cannot be written: {failed[2]}.') from error


def _place_of(checkpoint: str) -> str:
    """Returns the path of a checkpoint, which may be links to open files (see `HeldCheckpoint`)."""
    return os.path.realpath(f'{checkpoint}.index').removesuffix(' (deleted)').removesuffix('.index')


def reason_of(error: Any) -> str:
    """Returns the informative line of a TensorFlow error."""
    lines = str(error.message).strip().splitlines()
    line = next((line.strip() for line in lines if not _NO_REASON.match(line)), 'it gave no reason')
    asserted = _ASSERTED.search(line)
    return asserted[1] if asserted else line


def no_room_by(error: Any) -> str:
    """Returns the system's message about a full disk from an error; '' for any other error."""
    if isinstance(error, OSError):
        return f'{error.strerror}' if error.errno in NO_ROOM else ''
    full = _FULL.search(str(error.message))
    return full[2] if full else ''


def _says_more(record: logging.LogRecord) -> bool:
    """Whether a line of TensorFlow's log adds to our messages."""
    text = record.getMessage()
    return not (text.startswith(_UNINFORMATIVE) or text.endswith(_IGNORED) or FAILED_CALL.search(text))
