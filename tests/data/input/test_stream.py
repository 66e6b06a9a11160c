"""The iterator of examples: complete, in one order for any number of processes, and exact after a restart."""

import errno
import itertools
import json
import os
import pickle
import random

import numpy as np
import pytest

from estimator_lab.api import stream
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.data.archives import order
from estimator_lab.data.images.augment import Augmentation
from estimator_lab.data.images.decode import decode_image
from tests.support.archive_files import gzipped, write_folder, write_tar
from tests.support.streams import keys, keys_of, stream_members


@pytest.fixture(params=['plain', 'compressed', 'folder'])
def source(request, archive, tmp_path):
    """The images of `archive`, with or without random access, or as a folder."""
    if request.param == 'compressed':
        return str(gzipped(archive))
    if request.param == 'folder':
        files = {member.name: member.data for member in stream_members(archive)}
        return str(write_folder(tmp_path / 'images', files))
    return str(archive)


def test_examples_are_bytes_label_key_and_class(archive):
    stored = {member.key: member for member in stream_members(archive)}
    data = stream(archive)
    assert data.labels == tuple(f'n{number:06}' for number in range(4)) and data.size == 24
    examples = list(data)
    assert sorted(keys(examples)) == sorted(stored) and keys(examples) != list(stored)
    for example in examples:
        member = stored[example.key]
        assert (example.data, example.label) == (member.data, member.label)
        assert data.labels[example.class_id] == member.label
    assert next(data, None) is None
    batch = next(stream(archive, batch_size=5))
    assert isinstance(batch.data, list) and isinstance(batch.data[0], bytes)
    assert batch.class_ids.dtype == np.int64


def test_pixels_are_those_of_training(archive):
    stored = {member.key: member for member in stream_members(archive)}
    changes = Augmentation(mirror=True, brightness=0.2, seed=3)
    epochs = list(stream(archive, image_shape=(9, 7, 3), augment='mirror,brightness=0.2', seed=3, epochs=2))
    for number, example in enumerate(epochs):
        member = stored[example.key]
        expected = changes(decode_image(member.data, 9, 7, 3), member.name, number // 24)
        assert np.array_equal(example.data, expected)


def test_each_epoch_has_each_example_once_in_an_order_of_its_own(source):
    found = keys(stream(source, epochs=3))
    epochs = [found[first : first + 24] for first in (0, 24, 48)]
    assert all(sorted(epoch) == sorted(epochs[0]) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3 and len(set(epochs[0])) == 24
    assert keys(stream(source, epochs=3)) == found
    assert keys(stream(source, epochs=3, seed=2)) != found
    endless = stream(source, epochs=None)
    assert keys(next(endless) for _ in range(72)) == found
    stored = keys(stream(source, shuffle=False, epochs=2))
    assert stored[:24] == stored[24:] == sorted(stored[:24])


@pytest.mark.parametrize('world_size', [2, 3, 5])
@pytest.mark.parametrize('batch_size', [1, 4])
def test_processes_share_each_epoch(source, world_size, batch_size):
    whole = keys(stream(source, epochs=2))
    chosen = {'batch_size': batch_size, 'world_size': world_size, 'epochs': 2}
    parts = [[batch.keys for batch in stream(source, rank=rank, **chosen)] for rank in range(world_size)]
    for step, batches in enumerate(itertools.zip_longest(*parts, fillvalue=[])):
        window = whole[step * world_size * batch_size :][: world_size * batch_size]
        assert sorted(itertools.chain(*batches)) == sorted(window)


def test_each_iteration_goes_on_with_the_next_passes(source):
    """`for epoch in range(3): for example in stream`, also after a restart: a finished pass is over."""
    whole, data = keys(stream(source, epochs=3)), stream(source)
    assert keys(data) + keys(data) + keys(data) == whole and data.state_dict()['consumed'] == 72
    for count, passes in ((24, [whole[:0], whole[24:48]]), (30, [whole[30:48], whole[48:]])):
        again = stream(source)
        again.load_state_dict(data.state_at(count))
        assert [keys(again), keys(again)] == passes
    endless = stream(source, epochs=None)
    endless.load_state_dict(data.state_at(24))
    assert next(endless).key == whole[24]
    assert next(stream(source), None) and keys(stream(source, epochs=2)) == whole[:48]


@pytest.mark.parametrize('rank', [0, 3, 4])
def test_each_rank_has_the_same_number_of_batches(source, rank):
    """The last one of a pass has four images, one of each rank but the last."""
    data = stream(source, batch_size=4, rank=rank, world_size=5, image_shape=(4, 4, 1))
    for number in range(1, 4):
        sizes = [len(batch.keys) for batch in data]
        assert sizes == [4, rank < 4] and data.state_dict()['consumed'] == number * 24
    for batch in data:
        assert batch.data.shape == (len(batch.keys), 4, 4, 1) and len(batch.class_ids) == len(batch.keys)
        assert batch.class_ids.dtype == np.int64


def test_the_last_batch_of_a_pass_begins_no_other(source, monkeypatch):
    """Which would read a compressed archive once more, to fill the shuffle buffer."""
    read = []
    scan = order.scan_members
    monkeypatch.setattr(order, 'scan_members', lambda *given: read.append(given) or scan(*given))
    assert sum(len(batch.keys) for batch in stream(source, batch_size=7)) == 24
    assert len(read) == source.endswith('.gz')


def test_a_stream_is_pickled_with_what_it_reads_or_not_at_all(archive):
    whole = keys(stream(archive, only=['n000001']))
    assert keys(pickle.loads(pickle.dumps(stream(archive, only=['n000001'])))) == whole
    with pytest.raises(TypeError, match='function as `only` cannot be pickled: give keys or labels'):
        pickle.dumps(stream(archive, only=lambda key, label: True))


def test_a_vocabulary_decides_the_class_ids(archive):
    data = stream(archive, vocabulary=['n000002', 'other', 'n000000'])
    ids = {example.label: example.class_id for example in data}
    assert ids == {'n000000': 2, 'n000001': -1, 'n000002': 0, 'n000003': -1}
    few = stream(archive, split=(0, 0.2))
    assert few.labels == stream(archive).labels and {example.label for example in few} < set(few.labels)


def test_warnings_name_settings_as_a_program_gives_them(archive, caplog):
    next(stream(gzipped(archive), shuffle_buffer=5))
    assert 'Its first 5 images, which fill shuffle_buffer, hold' in caplog.text


def test_bad_images_move_no_others(with_bad, caplog):
    shape = {'image_shape': (4, 4, 1), 'shuffle': False}
    sizes = [len(batch.keys) for batch in stream(with_bad, batch_size=2, **shape)]
    assert sizes == [2, 1, 2, 1, 2, 2]
    good = keys(stream(with_bad, **shape))
    assert len(good) == 10 and 'Skipped a bad image' in caplog.text
    data = stream(with_bad, **shape)
    for _ in range(3):
        next(data)
    assert data.state_dict()['consumed'] == 4  # one of them is bad
    again = stream(with_bad, **shape)
    again.load_state_dict(data.state_dict())
    assert keys(again) == good[3:]
    with pytest.raises(DataError, match='could not be decoded'):
        list(stream(with_bad, max_bad_fraction=0, **shape))


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ({'world_size': 0}, 'world_size=0 must be at least 1'),
        ({'rank': 2, 'world_size': 2}, 'rank=2'),
        *(({'image_shape': shape}, 'image_shape=') for shape in ((0, 4, 1), (4, 4), (4, 4, 2))),
        ({'image_shape': (9, True, 3)}, r'image_shape=\(9, True, 3\) must be \(height, width, channels\)'),
        ({'image_shape': (9, 7.0, 3)}, r'image_shape=\(9, 7.0, 3\) must be \(height, width, channels\)'),
        *(({'batch_size': value}, f'batch_size={value!r}') for value in (0, 10**9, '4')),
        ({'epochs': 2.5}, 'epochs=2.5'),
        ({'seed': None}, 'seed=None'),
        ({'world_size': None}, 'world_size=None'),
        ({'image_shape': (10**6, 10**6, 3)}, 'sides from 1 to 8,000 pixels'),
        ({'split': (0, 'x')}, 'split='),
        ({'split': (0, 0.5, 1)}, r'split=\(0, 0\.5, 1\) must be a range within 0 and 1'),
        ({'split': 0.9}, r'split=0\.9 must be a range within 0 and 1'),
        ({'vocabulary': ['a', 'b', 'a']}, r"vocabulary=\['a', 'b', 'a'\] must be a list of different labels"),
        ({'vocabulary': [1, 2]}, r'vocabulary=\[1, 2\] must be a list of different labels'),
        ({'shuffle_blocks': '8 MB'}, "shuffle_blocks='8 MB' must be a size in bytes, such as 8M or 20G"),
        ({'shuffle_blocks': '1K'}, 'shuffle_blocks=1K must be from 4K to 1G, or 0'),
        ({'shuffle_blocks': '2G'}, 'shuffle_blocks=2G must be from 4K to 1G, or 0'),
        ({'max_bad_fraction': 2}, 'max_bad_fraction=2'),
        ({'epochs': 0}, 'epochs=0'),
        ({'epochs': 2**31}, 'epochs=2147483648 must be 2147483647 or less'),
        ({'seed': -(2**31) - 1}, 'seed=-2147483649 must be -2147483648 or more'),
        ({'shuffle_buffer': 2**31}, 'shuffle_buffer=2147483648'),
        ({'split': (0.9, 0.1)}, 'split='),
        ({'augment': 'mirror'}, 'needs image_shape'),
    ],
)
def test_wrong_arguments(archive, arguments, words):
    with pytest.raises(FlagError, match=words):
        stream(archive, **arguments)


def test_data_that_cannot_be_read(archive):
    with pytest.raises(DataError, match='leaves no image'):
        stream(archive, split=(0, 1e-9))
    os.truncate(archive, 9000)
    with pytest.raises(DataError, match='is cut off at byte 9000'):
        stream(archive)
    assert len(list(stream(archive, use_damaged=True))) == 4


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'data': 'x'}, 'is of other data'),
        ({'seed': 2}, 'its seed is 2, not 1'),
        ({'shuffle': False}, 'its shuffle is'),
        ({'split': [0, 0.5]}, 'its split is'),
        ({'consumed': -1}, 'its consumed is -1'),
        ({'consumed': 'many'}, "its consumed is 'many'"),
        ({'consumed': True}, 'its consumed is'),
        ({'format': 'x'}, 'not the state of a stream'),
        ({'format': 'estimator_lab stream 1'}, 'of an earlier version, which shuffled in another way: start'),
    ],
)
def test_wrong_states(archive, change, words):
    data = stream(archive)
    with pytest.raises(DataError, match=words):
        data.load_state_dict({**data.state_dict(), **change})
    with pytest.raises(DataError, match='not the state of a stream'):
        data.load_state_dict(None)
    assert len(list(data)) == 24


def test_importing_and_reading_needs_no_framework(archive, run_python):
    code = (
        f'import sys; from estimator_lab.api import dataset, stream; path = {str(archive)!r}\n'
        'next(stream(path, image_shape=(8, 8, 1))), dataset(path, image_shape=(8, 8, 1))[3]\n'
        "print([name for name in ('tensorflow', 'torch', 'jax', 'absl') if name in sys.modules])"
    )
    assert run_python('-c', code).stdout == '[]\n'


# Loops of PyTorch's DataLoader, and of a stand-in where PyTorch is not installed.


@pytest.mark.parametrize(
    'seed', [*range(10), *(pytest.param(n, marks=pytest.mark.slow) for n in range(10, 120))]
)
def test_random_histories_lose_and_repeat_nothing(tmp_path, seed):
    """Each of up to six lives has its processes, batch size and place of the archives, and then is killed."""
    rng = random.Random(seed)
    folder = tmp_path / 'first'
    folder.mkdir()
    for number in range(rng.randrange(1, 4)):
        files = [(f'{n % 3}/{number}_{n}.jpg', b'%d' % n) for n in range(rng.randrange(1, 12))]
        mode, suffix = rng.choice([*[('w', '.tar')] * 2, ('w:gz', '.tar.gz')])
        write_tar(folder / f'{number}{suffix}', files, mode)
    consumed, state, seen = 0, None, []
    for life in range(rng.randrange(2, 7)):
        folder = folder.rename(tmp_path / f'{life}')
        paths = sorted(folder.iterdir())
        ranks, size, steps = rng.randrange(1, 6), rng.choice([None, 1, 2, 5]), rng.randrange(0, 8)
        consumed += steps * ranks * (size or 1)
        states = []
        for rank in range(ranks):
            data = stream(paths, rank=rank, world_size=ranks, batch_size=size, epochs=None, seed=seed)
            if state:
                data.load_state_dict(json.loads(json.dumps(state)))
            for one in itertools.islice(data, steps):
                seen += [one.key] if size is None else one.keys
            states.append(data.state_dict())
        state = states[0]
        assert (
            states == [state] * ranks == [data.state_at(consumed)] * ranks and len(json.dumps(state)) <= 1024
        )
    whole = itertools.islice(stream(paths, epochs=None, seed=seed), consumed)
    assert sorted(map(in_archive, seen)) == sorted(in_archive(one.key) for one in whole)


def in_archive(key):
    return key.rpartition(':')[2]


@pytest.mark.parametrize('failing', range(2, 24, 3))
def test_a_read_that_fails_loses_no_example(archive, monkeypatch, failing):
    """A batch that an error cuts short is not returned: the state counts whole batches."""
    whole = keys_of(stream(archive, batch_size=5, seed=2))
    read, calls = os.pread, itertools.count(1)

    def fail_once(descriptor, size, offset):
        if next(calls) == failing:
            raise OSError(errno.EIO, 'Input/output error')
        return read(descriptor, size, offset)

    monkeypatch.setattr(os, 'pread', fail_once)
    first = stream(archive, batch_size=5, seed=2)
    found = []
    with pytest.raises(DataError, match=r'cannot be read.*: Input/output error'):
        found.extend(key for batch in first for key in batch.keys)
    again = stream(archive, batch_size=5, seed=2)
    again.load_state_dict(first.state_dict())
    assert found + keys_of(again) == whole
    assert found + keys_of(first) == whole, 'and the same stream goes on'
