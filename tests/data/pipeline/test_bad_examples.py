"""The limit on bad examples: each counts once, whichever process finds it, out of all data of a run."""

import pytest

from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.pipeline import bad_examples
from estimator_lab.data.pipeline.bad_examples import BadExamples, TooManyBadError
from estimator_lab.data.pipeline.bad_list import BadList
from estimator_lab.data.pipeline.report import InputReport

BROKEN = BadExampleError('broken')


def member(n):
    return Member('x.tar', f'a/{n}.jpg', 512 * n)


def report(bad, size=0):
    return InputReport(lambda line: None, size, bad)


def read(into, numbers, bad):
    for n in numbers:
        into.count(member(n), BROKEN if n in bad else None)


def test_a_split_with_few_bad_images_trains():
    """3,000 photos, 17 of them bad; each evaluation finds the same three of 316 again."""
    bad = BadExamples(0.01, total=3000)
    training, evaluation = report(bad, 2684), report(bad, 316)
    for _ in range(5):
        read(training, range(2684), set(range(14)))
        read(evaluation, range(2684, 3000), {2700, 2800, 2900})
    assert bad.count == 17 and (training.bad, evaluation.bad) == (70, 15)


def test_more_than_the_share_of_all_end_it_in_either_part():
    bad = BadExamples(0.01, total=2000)
    training, evaluation = report(bad, 1000), report(bad, 1000)
    read(training, range(1000), set(range(15)))
    with pytest.raises(TooManyBadError) as caught:
        read(evaluation, range(1000, 2000), set(range(1000, 1010)))
    assert str(caught.value) == (
        '21 of 2,000 images could not be decoded, more than --max_bad_fraction=0.01 allows; the last is '
        "'x.tar': member 'a/1005.jpg' at byte 514560: broken."
    )
    assert caught.value.share == 21 / 2000


@pytest.mark.parametrize(
    ('fraction', 'total', 'count'),
    [
        (0.01, 100, 10),  # fewer than ten end nothing
        (0.01, 1000, 11),
        (0.5, 30, 16),
        (0.01, 4, 4),  # all there are
        (0.0, 1000, 1),  # none was allowed
        (1.0, 20, None),
    ],
)
def test_the_number_that_ends_it(fraction, total, count):
    into = report(BadExamples(fraction, total))
    read(into, range(min(count or total, total) - 1), set(range(total)))
    if count is None:
        read(into, range(total), set(range(total)))
        return
    with pytest.raises(TooManyBadError, match=f'^{count} of {total:,} images'):
        read(into, [count - 1], {count - 1})


def test_of_a_stream_of_unknown_size_the_share_is_of_what_was_read():
    into = report(BadExamples(0.5))
    read(into, range(30), set(range(15, 30)))
    with pytest.raises(TooManyBadError, match=r'^16 of 31 images'):
        read(into, [30], {30})


def test_a_resumed_run_goes_on_counting(tmp_path):
    path = tmp_path / 'bad_members.csv'
    first, second = (BadExamples(0.01, 1000, BadList(path, archives=['x.tar']), ['x.tar']) for _ in range(2))
    read(report(first), range(8), set(range(8)))
    with pytest.raises(TooManyBadError, match=rf'^11 of 1,000 .*; {path} lists them'):
        read(report(second), range(8, 16), set(range(8, 16)))
    assert len(path.read_text().splitlines()) == 12


@pytest.fixture
def cluster(tmp_path):
    """The bad examples of a chief and of a worker."""
    lists = [BadList(tmp_path / f'bad_members{task}.csv', archives=['x.tar']) for task in ('', '.worker0')]
    return [BadExamples(0.01, 1000, listed, ['x.tar'], True) for listed in lists]


def test_the_last_count_includes_what_others_have_just_found(cluster):
    chief, worker = cluster
    read(report(chief), [0], {0})
    read(report(worker), range(500, 504), {500, 501, 502, 503})
    assert chief.count == 1 and chief.count_of_all() == 5


def test_processes_of_a_cluster_count_together(cluster, monkeypatch):
    monkeypatch.setattr(bad_examples, '_LOOK_AGAIN_SECONDS', 0)
    chief, worker = cluster
    one, other = report(chief), report(worker)
    read(one, range(6), set(range(6)))
    read(other, range(500, 504), {500, 501, 502, 503})
    assert worker.count == 10
    with pytest.raises(TooManyBadError, match=r'^11 of 1,000'):
        read(other, [504], {504})
    with pytest.raises(TooManyBadError, match=r'^11 of 1,000'):
        read(one, [7], ())  # it learns of the others without a bad image of its own
