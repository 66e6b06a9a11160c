"""The limit on bad examples: each counts once, whichever process finds it, out of all data of a run."""

import csv

import pytest

from estimator_lab.data.examples.member import BadExampleError, Member
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.input.bad_examples import BadLimit, BadList, InputReport, TooManyBadError
from estimator_lab.data.trees.kind import TREES
from tests.support.memory import peak_of

pytestmark = pytest.mark.both

BROKEN = BadExampleError('broken')


def member(n):
    return Member('x.tar', f'a/{n}.jpg', 512 * n)


def report(size=0, listed=None, **limit):
    return InputReport(IMAGES, lambda line: None, size, BadLimit(**limit), listed)


def split(*sizes, total):
    """Reports of training and evaluation on two parts of a data set."""
    listed = BadList(IMAGES, lambda line: None)
    return [report(size, listed, fraction=0.01, total=total) for size in sizes]


def read(into, numbers, bad):
    for n in numbers:
        into.count(1)
        if n in bad:
            into.add_bad(member(n), BROKEN)


def test_a_split_with_few_bad_images_trains():
    """3,000 photos, 17 of them bad; each evaluation finds the same three of 316 again."""
    training, evaluation = split(2684, 316, total=3000)
    for _ in range(5):
        read(training, range(2684), set(range(14)))
        read(evaluation, range(2684, 3000), {2700, 2800, 2900})
    assert training.distinct_bad == evaluation.distinct_bad == 17
    assert (training.bad, evaluation.bad) == (70, 15)


def test_more_than_the_share_of_all_end_it_in_either_part():
    training, evaluation = split(1000, 1000, total=2000)
    read(training, range(1000), set(range(15)))
    with pytest.raises(TooManyBadError) as caught:
        read(evaluation, range(1000, 2000), set(range(1000, 1010)))
    sentence = str(caught.value)
    assert sentence.startswith('21 of 2,000 images could not be decoded, more than max_bad_fraction=0.01')
    assert sentence.endswith("; the last is 'x.tar': member 'a/1005.jpg' at byte 514560: broken.")


@pytest.mark.parametrize(
    ('fraction', 'total', 'count'),
    [
        (0.01, 100, 10),  # fewer than ten end nothing
        (0.01, 1000, 11),
        (0.5, 30, 16),
        (0.01, 4, 4),  # all there are
        (0.0, 1000, 1),  # none was allowed
    ],
)
def test_the_number_that_ends_it(fraction, total, count):
    into = report(fraction=fraction, total=total)
    read(into, range(count - 1), set(range(total)))
    with pytest.raises(TooManyBadError, match=f'^{count} of {total:,} images'):
        read(into, [count - 1], {count - 1})
    read(report(fraction=1.0, total=total), range(total), set(range(total)))


def test_of_a_stream_of_unknown_size_the_share_is_of_what_was_read():
    into = report(fraction=0.5)
    read(into, range(30), set(range(15, 30)))
    with pytest.raises(TooManyBadError, match=r'^16 of 31 images'):
        read(into, [30], {30})


def test_a_resumed_run_goes_on_counting(tmp_path):
    path = tmp_path / 'bad_members.csv'

    def started():
        return report(
            0, BadList(IMAGES, lambda line: None, path), fraction=0.01, total=1000, archives=('x.tar',)
        )

    read(started(), range(8), set(range(8)))
    with pytest.raises(TooManyBadError, match=rf'^11 of 1,000 .*; {path} lists them'):
        read(started(), range(8, 16), set(range(8, 16)))
    assert len(path.read_text().splitlines()) == 12


def test_the_list_has_one_safe_row_for_each(tmp_path):
    path, said = tmp_path / 'bad_members.csv', []
    into = InputReport(IMAGES, listed=BadList(IMAGES, said.append, path))
    odd = Member('=x.tar', 'a/=1,"2".jpg', 512)
    for one in (member(1), member(1), odd, odd):
        into.add_bad(one, BadExampleError('a "reason", \x1b[2J' + 'x' * 5000))
    rows = list(csv.reader(path.read_text(encoding='utf-8').splitlines()))
    assert [row[:3] for row in rows[1:]] == [['x.tar', 'a/1.jpg', '512'], ["'=x.tar", 'a/=1,"2".jpg', '512']]
    assert all(len(row) == 4 and len(row[3]) < 5000 and row[3].isprintable() for row in rows)
    listed, peak = peak_of(lambda: BadList(IMAGES, said.append, path))
    assert peak < 2**20
    again = report(0, listed, archives=('x.tar',))
    again.add_bad(odd, BadExampleError('another reason'))
    other = report(0, listed, archives=('y.tar',))
    other.add_bad(member(1), BadExampleError('another reason'))
    assert (again.distinct_bad, other.distinct_bad) == (2, 1)
    assert report(0, listed, archives=('x',)).distinct_bad == 0  # not of x.tar
    assert len(path.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    'text', [b'\0' * 99, b'archive,member\nx\n,,,\n"', b'\xff,\xfe,\n', b'a,b,1,"x\n' * 3, b'x' * 10**6]
)
def test_a_damaged_list_loses_nothing_new(tmp_path, text):
    path, said = tmp_path / 'bad_members.csv', []
    path.write_bytes(text)
    report(listed=BadList(IMAGES, said.append, path)).add_bad(member(3), BadExampleError('broken'))
    assert path.read_bytes().startswith(text) and path.read_bytes().endswith(b'x.tar,a/3.jpg,1536,broken\r\n')


def test_a_list_that_cannot_be_written_is_said_once(tmp_path):
    said = []
    into = InputReport(TREES, listed=BadList(TREES, said.append, tmp_path / 'none' / 'bad.csv'))
    for n in range(3):
        into.add_bad(member(n), BROKEN)
    assert [line.startswith('Skipped') for line in said] == [True, False, True, True]
    assert said[1].endswith('written (No such file or directory): bad trees are counted, not listed.')


def test_the_first_few_are_printed():
    lines, said = [], set()
    into = report(listed=BadList(IMAGES, lines.append, said=said))
    read(into, range(9), set(range(5)))
    assert (into.seen, into.bad, len(lines)) == (9, 5, 3)
    assert lines[0] == "Skipped a bad image: 'x.tar': member 'a/0.jpg' at byte 0: broken."

    once = report(listed=BadList(IMAGES, lines.append, said=said))
    read(once, range(9), {0, 4})
    assert (once.bad, len(lines)) == (2, 3)
