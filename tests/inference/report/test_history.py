"""Untrusted event files: limited in size, escaped, and never executed."""

import math
import struct

import pytest

from estimator_lab.inference.report import history
from estimator_lab.inference.report.history import EVALUATING, TRAINING, read_history
from estimator_lab.tf1 import tf
from tests.support.archive_files import encoded, picture

pytestmark = pytest.mark.trains


def write(folder, values):
    """Writes (step, tf.Summary.Value) to a new event file."""
    with tf.Graph().as_default(), tf.summary.FileWriter(str(folder)) as writer:
        for step, value in values:
            writer.add_summary(tf.Summary(value=[value]), step)


def scalar(tag, value):
    return tf.Summary.Value(tag=tag, simple_value=value)


def image(name, data):
    return tf.Summary.Value(tag=f'images/{name}/image', image=tf.Summary.Image(encoded_image_string=data))


def test_curves_by_tag_line_and_step(tmp_path):
    write(tmp_path, [(20, scalar('loss', 1.0)), (10, scalar('loss', 2.0)), (30, scalar('loss', math.nan))])
    write(tmp_path / 'eval', [(20, scalar('loss', 4.0))])
    phase = tmp_path / 'pretrain_1'
    write(phase, [(5, scalar('loss', 8.0))])
    (phase / 'experiment.json').write_text('{}')
    found = read_history(tmp_path)
    assert found.curves == {
        'loss': {TRAINING: {10: 2.0, 20: 1.0}, EVALUATING: {20: 4.0}, 'pretrain_1, training': {5: 8.0}}
    }
    assert list(found.curves['loss'][TRAINING]) == [10, 20]
    assert found.last() == {'loss': (20, 4.0)} and not found.damage


def test_tags_of_a_phase_are_lines_of_their_own(tmp_path):
    (tmp_path / 'pretrain_1').mkdir()
    (tmp_path / 'pretrain_1' / 'experiment.json').write_text('{}')
    write(tmp_path, [(5, scalar('pretrain_1/loss', 8.0)), (9, scalar('loss', 1.0))])
    write(tmp_path / 'eval', [(5, scalar('pretrain_1/loss', 7.0)), (9, scalar('dead_units/dense', 0.5))])
    found = read_history(tmp_path)
    assert found.curves == {
        'loss': {TRAINING: {9: 1.0}, 'pretrain_1, training': {5: 8.0}, 'pretrain_1, evaluation': {5: 7.0}},
        'dead_units/dense': {EVALUATING: {9: 0.5}},
    }


def test_the_newest_picture_of_a_name_is_kept(tmp_path):
    small, large = (encoded(picture(1, side, side)) for side in (8, 9))
    write(tmp_path, [(1, image('worst', small)), (2, image('worst', large))])
    write(tmp_path / 'eval', [(1, image('dream', small))])
    found = read_history(tmp_path).pictures
    assert (found['worst'].step, found['worst'].picture.size) == (2, (9, 9))
    assert (found['dream'].step, found['dream'].line) == (1, EVALUATING)


def test_pictures_that_are_none_or_too_large_are_said(tmp_path):
    header = struct.pack('>II', 60_000, 60_000)
    bomb = b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR' + header + b'\x08\x02\0\0\0' + bytes(4)
    write(tmp_path, [(1, image('junk', b'junk')), (1, image('bomb', bomb)), (1, image('empty', b''))])
    found = read_history(tmp_path)
    assert not found.pictures
    assert [line.split()[2] for line in found.damage] == ['junk', 'bomb', 'empty']


def test_there_is_an_end_to_tags_and_points(tmp_path, monkeypatch):
    monkeypatch.setattr(history, 'MOST_TAGS', 3)
    monkeypatch.setattr(history, 'MOST_POINTS', 8)
    values = [(step, scalar('loss', step)) for step in range(100)]
    write(tmp_path, [*values, *((1, scalar(f'x{number}', 1.0)) for number in range(9))])
    found = read_history(tmp_path).curves
    assert list(found) == ['loss', 'x0', 'x1']
    assert len(found['loss'][TRAINING]) <= 8 and max(found['loss'][TRAINING]) == 99


@pytest.mark.parametrize('name', ['pretrain_1', 'eval'])
def test_links_to_other_folders_are_not_followed(tmp_path, name):
    other = tmp_path / 'other'
    write(other, [(1, scalar('secret', 1.0))])
    (other / 'experiment.json').write_text('{}')
    model_dir = tmp_path / 'model'
    model_dir.mkdir()
    (model_dir / name).symlink_to(other)
    assert not read_history(model_dir).curves
