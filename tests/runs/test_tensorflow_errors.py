import re
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, LabError
from estimator_lab.runs.tensorflow_errors import no_room_by, reason_of, tensorflow_errors_as_sentences
from estimator_lab.tf1 import tf

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


def test_weights_that_are_no_numbers_are_a_loss_that_is_none():
    message = 'Nan in summary histogram for: weights/dense/bias\n\t [[{{node weights/dense/bias}}]]'
    why = '^The loss is not a number any more'
    with pytest.raises(LabError, match=why), tensorflow_errors_as_sentences():
        raise tf.errors.InvalidArgumentError(None, None, message)


@pytest.mark.parametrize('reason', ['No space left on device', 'Input/output error'])
def test_a_failing_disk_for_event_files_is_one_sentence(reason):
    """As TensorFlow's writer of event files raises it in the next step."""
    why = rf'^/m/events\.out\.tfevents\.1\.vm cannot be written: {reason}\.$'
    with pytest.raises(LabError, match=why), tensorflow_errors_as_sentences():
        raise RuntimeError(f'/m/events.out.tfevents.1.vm; {reason}\n\tFailed to flush 1 events to /m')
    with pytest.raises(RuntimeError, match='other'), tensorflow_errors_as_sentences():
        raise RuntimeError('other')


def test_a_damaged_checkpoint_is_named():
    found = 'TensorBundle at my run/model.ckpt-3 shard 0 (12 bytes): Checksum does not match: stored 1'
    why = r'^The checkpoint /.*my run/model\.ckpt-3 is damaged, .*: name another folder'
    with pytest.raises(DataError, match=why), tensorflow_errors_as_sentences():
        raise tf.errors.DataLossError(None, None, HEAD + found)


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


def test_a_checkpoint_that_cannot_be_found_for_its_evaluation():
    why = 'could not be read for its evaluation'
    with pytest.raises(LabError, match=why), tensorflow_errors_as_sentences():
        raise RuntimeError('There was no new checkpoint after the training. Eval status: missing checkpoint')


@pytest.mark.parametrize(
    ('raised', 'folder', 'words'),
    [
        (
            OSError(28, 'No space left on device', '/m/x'),
            None,
            '/m/x cannot be written: No space left on dev',
        ),
        (OSError(28, FULL), Path('/m'), f'/m cannot be written: {FULL}'),
        (OSError(28, FULL), None, None),
        (FileNotFoundError(2, 'No such file', '/m/x'), Path('/m'), None),
        (
            RuntimeError(f'{LOST}: `/m/model.ckpt-7`'),
            None,
            'The checkpoint /m/model.ckpt-7 could not be restored',
        ),
        (RuntimeError(LOST), None, None),
    ],
)
def test_errors_of_the_system_name_the_file_or_the_folder(raised, folder, words):
    expected = (LabError, words) if words else (type(raised), re.escape(f'{raised}'))
    with pytest.raises(expected[0], match=expected[1]), tensorflow_errors_as_sentences(folder=folder):
        raise raised


def test_any_other_error_of_tensorflow_is_one_sentence():
    why = r'^TensorFlow stopped \(NotFoundError\): Key w not found$'
    with pytest.raises(LabError, match=why), tensorflow_errors_as_sentences():
        raise tf.errors.NotFoundError(None, None, f'{HEAD}Key w not found')


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
