"""Mixtures: fixed shares of every stretch of an order, each group in epochs of its own."""

import itertools
import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator_lab.api import dataset, stream
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.shares import Slice
from estimator_lab.data.archives.mixture import Mixture, dealt, parse_weights, shares_of, shares_text
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.archives.places import ENDLESS, Places
from estimator_lab.data.images.reader import IMAGES
from tests.support.archive_files import write_tar

SIZES = {'a.tar': 3, 'b.tar': 17, 'c.tar': 8}
WEIGHTS = {'a.tar': 0.5, 'b.tar': 0.3, 'c.tar': 0.2}
BY_LABEL = {'even': 1, 'odd': 2}


@pytest.fixture(scope='module')
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp('mixtures')
    return [
        str(write_tar(folder / name, [(f'{("even", "odd")[n % 2]}/{n}.jpg', b'x') for n in range(size)]))
        for name, size in SIZES.items()
    ]


def archive_of(key):
    return key.rpartition('/')[0].rpartition('/')[2].partition(':')[0]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=9))
def test_each_group_is_less_than_one_from_its_share_after_any_number(shares):
    pattern, total = dealt(shares).tolist(), sum(shares)
    counts = Counter()
    for position, group in enumerate(pattern, 1):
        counts[group] += 1
        assert all(abs(counts[g] - Fraction(position * s, total)) < 1 for g, s in enumerate(shares))
    assert [counts[group] for group in range(len(shares))] == shares


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5),
    st.integers(0, 3),
    st.integers(0, 400),
)
def test_a_group_has_each_of_its_examples_once_in_each_of_its_epochs(groups, seed, start):
    of_each = np.repeat(np.arange(len(groups)), [size for size, _ in groups])
    of_each = np.random.default_rng(seed).permutation(of_each)
    mixture = Mixture(of_each, [share for _, share in groups])
    order = Places(of_each, True, seed, mixture=mixture)
    sequence = np.concatenate([*order.batches(0, 500, Slice(0, 1, 500))], None)
    epochs, numbers = np.divmod(sequence, len(of_each))
    for group, (size, _) in enumerate(groups):
        own = np.flatnonzero(of_each[numbers] == group)
        assert epochs[own].tolist() == [n // size for n in range(len(own))]  # one after the other
        whole = len(own) // size * size
        assert len(set(sequence[own[:whole]].tolist())) == whole
    later = next(order.batches(start, start + 100, Slice(0, 1, 100)))
    assert later[0].tolist() == sequence[start : start + 100].tolist()


@pytest.mark.parametrize('of', ['archive', 'label'])
@pytest.mark.parametrize('shuffle', [True, False])
def test_every_batch_has_the_shares(archives, of, shuffle):
    weights = WEIGHTS if of == 'archive' else BY_LABEL
    faces = dataset(archives)
    for places in faces.order(30, shuffle=shuffle, weights=weights, epochs=None, seed=4):
        examples = faces[places]
        names = [archive_of(one.key) if of == 'archive' else one.label for one in examples]
        total = sum(weights.values())
        assert Counter(names) == {name: round(30 * weight / total) for name, weight in weights.items()}
        if places[0].epoch > 4:
            break


@pytest.mark.parametrize('blocks', ['0', '4K'])
@pytest.mark.parametrize(
    'seed', [*range(4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 30))]
)
def test_random_histories_lose_and_repeat_nothing(tmp_path, seed, blocks):
    """Each life has its ranks, batch size and reader, a stream or an order; then it is killed."""
    rng = random.Random(seed)
    files = [(f'{("even", "odd")[n % 2]}/{n}.jpg', b'x' * rng.randrange(3000)) for n in range(40)]
    data = [write_tar(tmp_path / name, files[: rng.randrange(5, 40)]) for name in SIZES]
    weights = rng.choice([None, WEIGHTS, {'*.tar': 1}, {'[ab].tar': 1, 'c*': 2}, BY_LABEL])
    if weights is BY_LABEL and blocks == '4K':
        weights = None
    chosen = {'shuffle_blocks': blocks, 'split': (0, 1.0 if weights else 0.7)}
    if seed % 2:
        chosen['only'] = lambda key, label: hash_of(key) % 7 != seed % 7
    ordered = {'epochs': None, 'seed': seed, 'weights': weights}
    faces = dataset(data, **chosen)
    began, order = rng.randrange(1, 5), faces.order(6, **ordered)
    order.load_state_dict(faces.order(6, world_size=began, **ordered).state_dict())
    whole = [*itertools.islice(itertools.chain.from_iterable(order), 900)]
    assert len(set(whole)) == 900, 'in no epoch of a group twice'
    assert weights or {place.epoch for place in whole[: len(faces)]} == {0}
    expected = [faces[place].key for place in whole]
    if weights is WEIGHTS:
        assert Counter(map(archive_of, expected[: 10 * began])) == {
            'a.tar': 5 * began,
            'b.tar': 3 * began,
            'c.tar': 2 * began,
        }
    consumed, seen, state = 0, [], None
    for life in range(8):
        ranks, size, steps = rng.randrange(1, 5), rng.choice([1, 2, 5, 7]), rng.randrange(0, 8)
        ranks = ranks if life else began
        for rank in range(ranks):
            settings = {'batch_size': size, 'rank': rank, 'world_size': ranks, **ordered}
            is_stream = rng.random() < 0.3
            reader = stream(data, **settings, **chosen) if is_stream else faces.order(**settings)
            reader.load_state_dict(state or reader.state_at(0))
            for batch in itertools.islice(reader, steps):
                seen += batch.keys if is_stream else [one.key for one in faces[batch]]
        consumed += steps * ranks * size
        state = reader.state_dict()
        assert state == reader.state_at(consumed)
    assert sorted(seen) == sorted(expected[:consumed])


def test_blocks_would_be_read_for_few_examples(archives):
    with pytest.raises(FlagError, match=r'weights of labels would read each block .* shuffle_blocks=0'):
        dataset(archives, shuffle_blocks='8M').order(5, weights=BY_LABEL)


def hash_of(key):
    return sum(key.rpartition(':')[2].encode())


def test_workers_at_their_own_pace_take_turns_by_position(archives):
    order = open_archives(archives, IMAGES).order(2, 7, weights=shares_of(WEIGHTS))

    def keys(own, start):
        return [(one.epoch, one.key) for one in itertools.islice(order.onwards(start, own), 90)]

    for start in (0, 11):
        whole = keys(Slice(), start)
        each = [keys(Slice(rank, 3, 3, turns=True), start) for rank in range(3)]
        assert {key for one in each for key in one[:25]} <= set(whole)
        assert not set(each[0]) & set(each[1]) and not set(each[1]) & set(each[2])


def test_a_small_group_of_many_epochs_keeps_its_numbers():
    size = 10**6
    groups = np.zeros(size, np.int64)
    groups[-1] = 1
    places = Places(groups, True, 0, mixture=Mixture(groups, [1, 1]))
    start = ENDLESS // 4
    epochs, numbers = np.divmod(next(places.batches(start, start + 8, Slice(0, 1, 8)))[0], size)
    assert (numbers == size - 1).sum() == 4 and epochs.min() >= 0


def test_a_state_of_other_weights_is_refused(archives):
    faces = dataset(archives)
    state = faces.order(5, weights=WEIGHTS).state_at(7)
    text = 'a.tar=5,b.tar=3,c.tar=2'
    assert state['weights'] == text == shares_text(parse_weights(text))
    faces.order(5, weights={'a.tar': 5, 'b.tar': 3, 'c.tar': 2}).load_state_dict(state)
    with pytest.raises(DataError, match=r"weights is 'a.tar=5,b.tar=3,c.tar=2', not None"):
        faces.order(5).load_state_dict(state)


@pytest.mark.parametrize(
    ('weights', 'words'),
    [
        ({'a.tar': 1}, r"'.*/b.tar' has no weight: give each archive one"),
        ({'even': 1}, "'odd' has no weight: give each label one"),
        ({**BY_LABEL, 'a.tar': 1}, "no example is of 'a.tar'"),
        ({'*.tar': 1, 'a.tar': 2}, 'has several weights'),
        ({}, 'must be positive numbers by archive or by label'),
        ({'a.tar': 0, 'b.tar': 1}, 'must be positive numbers'),
        ({'a.tar': -1}, 'must be positive numbers'),
        ({'a.tar': 'x'}, 'must be positive numbers'),
        ({'a.tar': 'inf'}, 'must be positive numbers'),
        ({3: 1}, 'must be positive numbers'),
        ({'a.tar': float('nan')}, 'must be positive numbers'),
        ([1, 2], 'must be positive numbers'),
    ],
)
def test_wrong_weights(archives, weights, words):
    for use in (dataset(archives).order, lambda **given: stream(archives, **given)):
        with pytest.raises(FlagError, match=words):
            use(weights=weights)


def test_any_positive_numbers_are_shares(archives):
    """3 and 17 examples: 1 / 3 : 1 / 17 is 17 : 3, which no float is, and 10^-9 : 1 is nearly 0 : 1."""
    assert shares_of({'a': 0.1, 'b': 0.2}) == (('a', 1), ('b', 2))
    assert shares_of({'a': 1 / 3, 'b': 1 / 17}) == (('a', 85_000), ('b', 15_000))
    assert shares_of({'a': 1e-9, 'b': 1}) == (('a', 1), ('b', 100_000))
    assert shares_of({'a': np.float32(0.1), 'b': 1 / 3}) == (('a', 23_077), ('b', 76_923))
    faces = dataset(archives)
    weights = {name: 1 / size for name, size in SIZES.items()}
    (places,) = itertools.islice(faces.order(100, weights=weights, epochs=None), 1)
    assert abs(sum(archive_of(one.key) == 'a.tar' for one in faces[places]) - 100 * 0.6445) < 1


def test_an_archive_may_be_named_by_its_path(archives):
    def keys(weights):
        order = open_archives(archives, IMAGES).order(2, 7, weights=shares_of(weights))
        return [one.key for one in itertools.islice(order.onwards(0), 30)]

    assert keys(dict(zip(archives, WEIGHTS.values(), strict=True))) == keys(WEIGHTS)


def test_a_mixture_needs_random_access(archives, tmp_path):
    packed = write_tar(tmp_path / 'a.tar.gz', [('even/1.jpg', b'x')], 'w:gz')
    with pytest.raises(FlagError, match='weights needs random access'):
        stream(packed, weights={'even': 1})


def test_flags():
    assert parse_weights('') == () and parse_weights(' a.tar=0.5, b=1.25') == (('a.tar', 2), ('b', 5))
    form, numbers = 'takes NAME=WEIGHT,NAME=WEIGHT, not', 'must be positive numbers'
    wrong = {'a.tar': form, 'a:1': form, 'a=1,': form, 'a=1,a=2': 'twice', '=1': numbers, 'a=': numbers}
    for text, words in wrong.items():
        with pytest.raises(FlagError, match=words):
            parse_weights(text)
