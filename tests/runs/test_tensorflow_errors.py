from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, LabError
from estimator_lab.runs.tensorflow_errors import no_room_by, reason_of, tensorflow_errors_as_sentences
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both

HEAD = """Graph execution error:

Detected at node 'save' defined at (most recent call last):
  File "x.py", line 3, in f
Node: 'save'
"""


FULL = 'No space left on device'
LOST = 'Could not load all requested variables from checkpoint, restoring checkpoint from'
TASK = 'From /job:ps/replica:0/task:0:\n'


@pytest.mark.parametrize(
    ('message', 'reason'),
    [
        (f'{HEAD}Key w not found in checkpoint\n\t [[{{{{node save}}}}]]', 'Key w not found in checkpoint'),
        ('Restoring failed. Original error:\n\nKey w not found', 'Key w not found'),
        ('only this', 'only this'),
        (f'{TASK}Incompatible shapes: [2] vs. [3]', 'Incompatible shapes: [2] vs. [3]'),
        (f'{HEAD}====\nINVALID_ARGUMENT: {TASK}Incompatible shapes', 'Incompatible shapes'),
        (HEAD, 'it gave no reason'),
        ('', 'it gave no reason'),
    ],
)
def test_the_telling_line_is_found(message, reason):
    assert reason_of(tf.errors.NotFoundError(None, None, message)) == reason


def test_a_loss_that_is_no_number_is_said_once(caplog):
    sentences = tensorflow_errors_as_sentences(no_number=lambda: 'Do so.')
    tf.get_logger().addHandler(caplog.handler)
    try:
        with pytest.raises(LabError, match=r'not a number any more, so training ends\. Do so\.$'), sentences:
            tf.logging.error('Model diverged with loss = NaN.')
            tf.logging.error('Something else.')
            raise tf.train.NanLossDuringTrainingError
    finally:
        tf.get_logger().removeHandler(caplog.handler)
    assert {record.getMessage() for record in caplog.records} == {'Something else.'}


def of_tensorflow(kind, message):
    return getattr(tf.errors, kind)(None, None, message)


NAN = 'Nan in summary histogram for: weights/dense/bias\n\t [[{{node weights/dense/bias}}]]'
DAMAGED = 'TensorBundle at my run/model.ckpt-3 shard 0 (12 bytes): Checksum does not match: stored 1'
UNFLUSHED = '/m/events.out.tfevents.1.vm; {}\n\tFailed to flush 1 events to /m'  # in the next step
MISSED = 'There was no new checkpoint after the training. Eval status: missing checkpoint'


@pytest.mark.parametrize(
    ('raised', 'folder', 'error', 'words'),
    [
        (of_tensorflow('InvalidArgumentError', NAN), None, LabError, '^The loss is not a number any more'),
        (
            of_tensorflow('DataLossError', HEAD + DAMAGED),
            None,
            DataError,
            r'^The checkpoint /.*my run/model\.ckpt-3 is damaged, .*: name another folder',
        ),
        (
            of_tensorflow('NotFoundError', f'{HEAD}Key w not found in'),
            None,
            LabError,
            r'^TensorFlow stopped \(NotFoundError\): Key w not found in$',
        ),
        (RuntimeError(MISSED), None, LabError, 'could not be read for its evaluation'),
        *(
            (
                RuntimeError(UNFLUSHED.format(why)),
                None,
                LabError,
                rf'^/m/events.*vm cannot be written: {why}\.$',
            )
            for why in (FULL, 'Input/output error')
        ),
        (RuntimeError('other'), None, RuntimeError, '^other$'),
        (OSError(28, FULL, '/m/x'), None, LabError, f'^/m/x cannot be written: {FULL}'),
        (OSError(28, FULL), Path('/m'), LabError, f'^/m cannot be written: {FULL}'),
        (OSError(28, FULL), None, OSError, FULL),
        (FileNotFoundError(2, 'No such file', '/m/x'), Path('/m'), FileNotFoundError, 'No such file'),
        (
            RuntimeError(f'{LOST}: `/m/model.ckpt-7`'),
            None,
            LabError,
            '^The checkpoint /m/model.ckpt-7 could not',
        ),
        (RuntimeError(LOST), None, RuntimeError, LOST),
    ],
)
def test_errors_are_sentences_that_name_the_file_or_the_folder(raised, folder, error, words):
    with pytest.raises(error, match=words), tensorflow_errors_as_sentences(folder=folder):
        raise raised


@pytest.mark.parametrize(
    ('error', 'reason'),
    [
        (OSError(28, FULL), FULL),
        (FileNotFoundError(2, 'No such file'), ''),
        (tf.errors.ResourceExhaustedError(None, None, f'/m/x; {FULL}'), FULL),
        (tf.errors.InternalError(None, None, 'other'), ''),
    ],
)
def test_the_reason_of_a_full_disk(error, reason):
    assert no_room_by(error) == reason
