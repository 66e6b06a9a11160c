"""Event files that are cut off, damaged or malicious: everything readable is read."""

import errno
import os
import struct

import pytest
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from estimator_lab.base.errors import DataError
from estimator_lab.core.model import Task
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.runs.event_files import values_in
from estimator_lab.tf1 import tf
from estimator_lab.training.evaluations import Evaluations

pytestmark = pytest.mark.once

VALUES = {10: 0.5, 20: 0.75, 30: 0.25}


@pytest.fixture
def path(tmp_path):
    """An event file of three accuracies, written by TensorFlow, with other events between them."""
    folder = tmp_path / 'eval'
    with tf.Graph().as_default(), tf.summary.FileWriter(str(folder)) as writer:
        for step, value in VALUES.items():
            for tag in ('accuracy', 'loss'):
                writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=value)]), step)
    (path,) = folder.iterdir()
    return path


def framed(data, length=None):
    head = struct.pack('<Q', len(data) if length is None else length)
    return b''.join(
        [head, struct.pack('<I', masked_crc32c(head)), data, struct.pack('<I', masked_crc32c(data))]
    )


def found(path):
    said = []
    values = values_in(path, said.append)
    return {step: value.simple_value for step, value in values if value.tag == 'accuracy'}, said


def test_it_reads_what_tensorflow_wrote(path):
    assert found(path) == (VALUES, [])


def test_an_event_of_very_many_values_is_not_read(path):
    event = tf.Event(summary=tf.Summary(value=[tf.Summary.Value()] * (2**17 + 1))).SerializeToString()
    path.write_bytes(framed(event) + path.read_bytes())
    assert found(path) == (VALUES, ['holds an event of more than 131,072 values'])


def test_a_file_that_is_cut_anywhere(path):
    whole = path.read_bytes()
    lengths = set()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        values, said = found(path)
        assert values == dict(list(VALUES.items())[: len(values)]) and not said
        lengths.add(len(values))
    assert lengths == {0, 1, 2, 3}


def test_a_changed_byte_anywhere_gives_no_other_value(path):
    whole = path.read_bytes()
    for offset in range(len(whole)):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 4]) + whole[offset + 1 :])
        values, said = found(path)
        assert values.items() <= VALUES.items()
        assert said


def test_what_follows_a_damaged_event_is_read(path):
    whole = bytearray(path.read_bytes())
    whole[whole.index(b'accuracy')] ^= 1
    path.write_bytes(whole)
    assert found(path) == ({20: 0.75, 30: 0.25}, ['holds a damaged event'])


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (framed(b'accuracy'), 'holds a damaged event'),
        (b'accuracy' * 9, 'is damaged at byte 0, and cannot be read from there on'),
    ],
)
def test_malicious_files(path, data, words):
    path.write_bytes(data)
    values, (said,) = found(path)
    assert not values and said.startswith(words)


def test_a_record_of_an_absurd_length_ends_the_file(path):
    path.write_bytes(path.read_bytes() + framed(b'accuracy', length=2**62))
    assert found(path) == (VALUES, [])


def test_pipes_and_folders_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    for path in (tmp_path / 'pipe', tmp_path):
        values, (said,) = found(path)
        assert not values and said.startswith('cannot be read: ')


def test_a_file_that_cannot_be_read_is_an_error(path, monkeypatch):
    failure = OSError(errno.EIO, 'Input/output error')
    monkeypatch.setattr(os, 'open', lambda *args: (_ for _ in ()).throw(failure))
    with pytest.raises(DataError, match=r'events\S+ cannot be read: Input/output error\.$'):
        found(path)


def test_each_damaged_file_is_named_once(path):
    with path.open('ab') as file:
        file.write(b'x' * 20)
    lines = []
    evaluations = Evaluations(path.parent.parent, Task(), InputReport(IMAGES), 1, lines.append)
    assert (evaluations.best_step, evaluations.are_enough) == (20, True)
    (line,) = lines
    assert line.startswith(f'Warning: {str(path)!r} is damaged at byte ')
    assert line.endswith('from there on: only the evaluations that can be read count.')
