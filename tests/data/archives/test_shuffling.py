"""The order by formula: a bijection whose epochs can't be told from true shuffles, by counting."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest

from estimator_lab.base.shares import Slice
from estimator_lab.data.archives.places import Places
from estimator_lab.data.archives.shuffling import keys_of, permuted, permuted_each


def epochs(size, count):
    """Returns the orders of some seeds, [count, size]; many of few examples are computed together."""
    if size > 100:
        return np.array([permuted(np.arange(size), size, seed, seed % 7) for seed in range(count)])
    keys = keys_of([f'seed {seed} epoch {seed % 7}' for seed in range(count)]).repeat(size, axis=1)
    orders = permuted_each(np.tile(np.arange(size), count), np.array([size]), keys).reshape(count, size)
    assert np.array_equal(orders[8], permuted(np.arange(size), size, 8, 1))
    return orders


def true_shuffles(size, count):
    rng = np.random.default_rng(5)
    return np.array([rng.permutation(size) for _ in range(count)])


def deviation(counts, expected):
    """Returns how many standard deviations chi-squared is above its mean, which true shuffles have."""
    freedom = counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / math.sqrt(2 * freedom)


@pytest.mark.parametrize('size', [*range(1, 40), 99, 100, 101, 4095, 4096, 4097, 100_003])
def test_an_epoch_has_each_number_once(size):
    for seed, epoch in ((0, 0), (-3, 5), (2**31 - 1, 10**12)):
        assert np.array_equal(np.sort(permuted(np.arange(size), size, seed, epoch)), np.arange(size))


@pytest.mark.parametrize('size', [2, 3, 4, 5, 6])
def test_all_orders_of_few_examples_are_equally_likely(size):
    count, weights = 30_000, size ** np.arange(size)
    _, counts = np.unique(epochs(size, count) @ weights, return_counts=True)
    assert len(counts) == math.factorial(size) and deviation(counts, count / len(counts)) < 5


@pytest.mark.parametrize('size', [7, 9, 10, 16, 25, 100])
@pytest.mark.parametrize('apart', [1, 2, 5])
def test_each_pair_of_numbers_is_as_often_at_two_positions_as_in_true_shuffles(size, apart):
    for made in (epochs(size, 6000), true_shuffles(size, 6000)):
        pairs = np.bincount((made[:, :-apart] * size + made[:, apart:]).ravel(), minlength=size**2)
        counts = pairs.reshape(size, size)[~np.eye(size, dtype=bool)]
        assert deviation(counts, counts.mean()) < 5


@pytest.mark.parametrize('size', [10, 1000, 12_345])
def test_displacement_fixed_points_and_runs_are_those_of_true_shuffles(size):
    count = 400
    for made in (epochs(size, count), true_shuffles(size, count)):
        moved = np.abs(made - np.arange(size)).mean(1) / size
        # The mean displacement is (n^2 - 1) / 3n; the numbers of fixed points, and of neighbours that stay
        # neighbours, have a mean and a variance of about 1.
        assert abs(moved.mean() - (1 - size**-2) / 3) < 5 * moved.std() / math.sqrt(count)
        assert abs((made == np.arange(size)).sum(1).mean() - 1) < 5 / math.sqrt(count)
        assert abs((np.diff(made) == 1).sum(1).mean() - (1 - 1 / size)) < 5 / math.sqrt(count)


def test_no_epoch_resembles_the_next_one_or_another_seed():
    size = 10_000
    first, *others = (permuted(np.arange(size), size, *one) for one in ((1, 0), (1, 1), (2, 0)))
    for other in others:
        assert abs(np.corrcoef(first, other)[0, 1]) < 5 / math.sqrt(size) and (first == other).sum() < 12


def test_any_place_of_a_billion_examples_is_known_at_once_and_without_memory():
    size = 10**9
    places = Places(range(size), shuffle=True, seed=3)
    tracemalloc.start()
    batch = next(places.batches(5 * size + size // 2))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert batch.min() >= 5 * size and batch.max() < 6 * size and len(np.unique(batch)) == batch.size
    assert np.array_equal(permuted(np.array([size // 2]), size, 3, 5), batch[0] - 5 * size)


def test_many_orders_at_once_are_those_that_are_asked_for_alone():
    names, sizes = ['a', 'b', 'c'], np.array([1, 7, 1000])
    which = np.random.default_rng(1).integers(0, 3, 500)
    places = np.random.default_rng(2).integers(0, sizes[which])
    together = permuted_each(places, sizes[which], keys_of(names)[:, which])
    alone = [permuted_each(places[[n]], sizes[[g]], keys_of([names[g]]))[0] for n, g in enumerate(which)]
    assert np.array_equal(together, alone)


@pytest.mark.parametrize('shuffle', [True, False])
@pytest.mark.parametrize('group', [1, 4, 12, 13, 24, 25, 26, 70])
def test_a_slice_is_every_nth_position_of_each_batch(group, shuffle):
    size, count = 12, min(group, 5)
    places, ends = Places(range(size), shuffle, 3), (48, 60, 600)
    for start, end in itertools.product((0, 5, 12, 31), ends):
        whole = np.concatenate([*places.batches(start, end)], None)
        for number in range(count):
            own = Slice(number, count, group)
            found = [row.tolist() for batch in places.batches(start, end, own) for row in batch]
            cuts = [whole[first : first + group] for first in range(0, len(whole), group)]
            assert found == [batch[number::count].tolist() for batch in cuts]


def test_a_rank_of_many_looks_up_few_places():
    places, own = Places(range(300), True, 1), Slice(9_999_999, 10**7, 32 * 10**7)
    tracemalloc.start()
    (row,) = next(places.batches(0, 32 * 10**8, own))
    expected = [
        next(places.batches(position, position + 1)).item()
        for position in range(9_999_999, 32 * 10**7, 10**7)
    ]
    assert row.tolist() == expected
    assert next(places.batches(0, 300, own)).shape == (1, 0)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
