"""Bad images: the first are shown, all are listed, too many are an error."""

import csv

from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.pipeline.bad_examples import BadExamples
from estimator_lab.data.pipeline.bad_list import BadList
from estimator_lab.data.pipeline.report import InputReport


def member(n, name='a/{}.jpg'):
    return Member('x.tar', name.format(n), 512 * n, b'')


def rows(path):
    with path.open(newline='', encoding='utf-8') as file:
        return list(csv.reader(file))


def test_first_ones_are_shown_and_all_are_listed_once(tmp_path):
    lines, path = [], tmp_path / 'bad_members.csv'
    report = InputReport(lines.append, epoch_size=10, bad_examples=BadExamples(listed=BadList(path)))
    for _ in range(2):  # epochs
        for n in range(10):
            report.count(member(n), BadExampleError('is "broken", badly') if n % 2 else None)
    assert (report.seen, report.bad, len(lines)) == (20, 10, 3)
    assert lines[0] == """Skipped a bad image: 'x.tar': member 'a/1.jpg' at byte 512: is "broken", badly."""
    expected = [['x.tar', f'a/{n}.jpg', str(512 * n), 'is "broken", badly'] for n in (1, 3, 5, 7, 9)]
    assert rows(path) == [['archive', 'member', 'offset', 'reason'], *expected]
    # A run that goes on lists what is new.
    resumed = InputReport(lines.append, bad_examples=BadExamples(listed=BadList(path)))
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
    report = InputReport(bad_examples=BadExamples(listed=BadList(tmp_path / 'bad.csv')))
    report.count(member(1), None)
    assert not (tmp_path / 'bad.csv').exists()
