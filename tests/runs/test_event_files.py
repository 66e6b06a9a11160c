"""Event files that are cut off, damaged or malicious: everything readable is read."""

import errno
import os
import struct
from unittest import mock

import pytest
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from estimator_lab.base.errors import DataError
from estimator_lab.core.model import Task
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.runs.event_files import values_in
from estimator_lab.tf1 import tf
from estimator_lab.training.evaluations import Evaluations

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
    return b''.join(part + struct.pack('<I', masked_crc32c(part)) for part in (head, data))


def found(path):
    said = []
    values = values_in(path, said.append)
    return {step: value.simple_value for step, value in values if value.tag == 'accuracy'}, said


MANY = tf.Event(summary=tf.Summary(value=[tf.Summary.Value()] * (2**17 + 1))).SerializeToString()


@pytest.mark.parametrize(
    ('before', 'after', 'words'),
    [
        (framed(MANY), b'', ['holds an event of more than 131,072 values']),
        (framed(b'accuracy'), b'', ['holds a damaged event']),
        (b'', framed(b'accuracy', length=2**62), []),
    ],
    ids=['many values', 'no event', 'absurd length'],
)
def test_malicious_events(path, before, after, words):
    path.write_bytes(before + path.read_bytes() + after)
    assert found(path) == (VALUES, words)


def test_a_file_of_something_else(path):
    path.write_bytes(b'accuracy' * 9)
    assert found(path) == ({}, ['is damaged at byte 0, and cannot be read from there on'])


def test_a_file_that_is_cut_anywhere(path):
    whole = path.read_bytes()
    assert found(path) == (VALUES, [])
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


def test_pipes_and_folders_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    for path in (tmp_path / 'pipe', tmp_path):
        values, (said,) = found(path)
        assert not values and said.startswith('cannot be read: ')


def test_a_file_that_cannot_be_read_is_an_error(path, monkeypatch):
    failure = OSError(errno.EIO, 'Input/output error')
    monkeypatch.setattr(os, 'open', mock.Mock(side_effect=failure))
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
