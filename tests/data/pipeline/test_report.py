"""Bad images: the first are shown, all are listed, too many are an error."""

import csv

import pytest

from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.pipeline.bad_list import BadList
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.errors import DataError


def member(n, name='a/{}.jpg'):
    return Member('x.tar', name.format(n), 512 * n, b'')


def rows(path):
    with path.open(newline='', encoding='utf-8') as file:
        return list(csv.reader(file))


def test_first_ones_are_shown_and_all_are_listed_once(tmp_path):
    lines, path = [], tmp_path / 'bad_members.csv'
    report = InputReport(lines.append, epoch_size=10, bad_list=BadList(path))
    for _ in range(2):  # epochs
        for n in range(10):
            report.count(member(n), BadExampleError('is "broken", badly') if n % 2 else None)
    assert (report.seen, report.bad, len(lines)) == (20, 10, 3)
    assert lines[0] == """Skipped a bad image: 'x.tar': member 'a/1.jpg' at byte 512: is "broken", badly."""
    expected = [['x.tar', f'a/{n}.jpg', str(512 * n), 'is "broken", badly'] for n in (1, 3, 5, 7, 9)]
    assert rows(path) == [['archive', 'member', 'offset', 'reason'], *expected]
    # A run that goes on lists what is new.
    resumed = InputReport(lines.append, bad_list=BadList(path))
    for n in (3, 4):
        resumed.count(member(n), BadExampleError('is "broken", badly'))
    assert [row[1] for row in rows(path)[1:]] == [
        'a/1.jpg',
        'a/3.jpg',
        'a/5.jpg',
        'a/7.jpg',
        'a/9.jpg',
        'a/4.jpg',
    ]


def test_no_bad_image_no_file(tmp_path):
    report = InputReport(bad_list=BadList(tmp_path / 'bad.csv'))
    report.count(member(1), None)
    assert not (tmp_path / 'bad.csv').exists()


def test_the_allowed_share_is_of_an_epoch_or_of_the_examples_so_far():
    report = InputReport(lambda line: None, epoch_size=100, max_bad_fraction=0.02)
    report.count(member(1), BadExampleError('broken'))
    report.count(member(2), BadExampleError('broken'))
    with pytest.raises(DataError, match=r'^3 images could not be decoded, more than --max_bad_fraction=0.02'):
        report.count(member(3), BadExampleError('broken'))
    stream = InputReport(lambda line: None, max_bad_fraction=0.5)
    stream.count(member(1), None)
    stream.count(member(2), BadExampleError('broken'))
    with pytest.raises(DataError):
        stream.count(member(3), BadExampleError('broken'))
