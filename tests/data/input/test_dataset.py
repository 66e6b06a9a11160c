"""The data set with random access, and its order as a sampler: complete, exact, in any process."""

import itertools
import json
import os
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from estimator_lab.api import BadExample, Batch, Example, dataset, stream
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.data.archives.index_file import path_next_to
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.sources import remote
from estimator_lab.data.sources.source import source_of
from tests.support.archive_files import encoded, picture, tar_bytes, write_folder, write_tar
from tests.support.streams import build_index, keys, stream_members

SHAPE = {'image_shape': (9, 7, 3)}


def test_examples_by_number_are_those_of_the_archive_in_stored_order(archive):
    stored = list(stream_members(archive))
    faces = dataset(archive)
    assert len(faces) == 24 and faces.labels == tuple(f'n{number:06}' for number in range(4))
    assert [(one.key, one.data, one.label) for one in faces] == [(m.key, m.data, m.label) for m in stored]
    assert faces.labels[faces[13].class_id] == faces[13].label
    assert faces[-1] == faces[23] and faces[np.int64(3)] == faces[3] and isinstance(faces[3], Example)
    assert keys(faces[5:2:-1]) == [m.key for m in stored[5:2:-1]] and faces[24:] == []
    assert keys(faces[[3, 1, -2]]) == [stored[place].key for place in (3, 1, 22)]
    assert keys(faces[np.array([7, 7])]) == [stored[7].key] * 2
    for place in (24, -25, [0, 24]):
        with pytest.raises(IndexError, match='is not one of 24 examples'):
            faces[place]
    with pytest.raises(TypeError):
        faces['0']


def test_several_archives_and_folders_are_one_data_set(archive, tmp_path):
    photos = write_folder(tmp_path / 'photos', {'cat/1.png': encoded(picture(1))})
    faces = dataset([archive, photos], **SHAPE)
    assert len(faces) == 25 and faces[24].label == 'cat' and faces[24].data.shape == (9, 7, 3)
    part, rest = (dataset(archive, split=split) for split in ((0, 0.6), (0.6, 1)))
    assert sorted(keys(part) + keys(rest)) == sorted(keys(dataset(archive)))
    assert keys(part) == keys(stream(archive, split=(0, 0.6), shuffle=False))


def test_pixels_and_random_changes_are_those_of_a_stream(archive):
    chosen = {**SHAPE, 'augment': 'mirror,brightness=0.2', 'seed': 3}
    faces, expected = dataset(archive, **chosen), stream(archive, batch_size=7, epochs=3, **chosen)
    order = faces.order(batch_size=7, epochs=3)
    assert len(order) == 11
    for places, batch in itertools.zip_longest(order, expected):
        found = faces.collate(faces.__getitems__(places))
        assert isinstance(found, Batch) and found.keys == batch.keys and found.labels == batch.labels
        assert np.array_equal(found.data, batch.data) and np.array_equal(found.class_ids, batch.class_ids)
    by_number = [example.data for example in faces[:]]  # as in the first epoch
    assert np.array_equal(by_number, [one.data for one in stream(archive, shuffle=False, **chosen)])


def test_compressed_archives_are_refused_by_name(archive, tmp_path):
    packed = write_tar(tmp_path / 'a.tar.gz', [('a/1.png', b'')], 'w:gz')
    with pytest.raises(DataError, match=r'a\.tar\.gz can only be read from the beginning: read it by stream'):
        dataset(packed)


@pytest.mark.parametrize(
    ('use', 'words'),
    [
        (lambda path: dataset(path, shuffle_buffer=3), "Unknown setting 'shuffle_buffer'"),
        (lambda path: dataset(path, fields='jpg'), "fields='jpg' must be suffixes"),
        (lambda path: dataset(path, fields=['jpg', '.JPG']), 'must differ'),
        (lambda path: dataset(path, fields=['jpg'], masks=['png'], **SHAPE), 'must be some of fields='),
        (lambda path: dataset(path, fields=['png'], masks=['png']), 'with an image_shape'),
        (lambda path: dataset(path).order(batch_size=None), 'batch_size=None must be a whole number'),
        (lambda path: dataset(path).order(batch_size=0), 'batch_size=0'),
        (lambda path: dataset(path).order(rank=2, world_size=2), 'rank=2 is not one of world_size=2'),
        (lambda path: dataset(path).order(shuffle_buffer=2), "Unknown setting of an order 'shuffle_buffer'"),
        (lambda path: len(dataset(path).order(epochs=None)), 'has no length'),
        (lambda path: dataset(path).order().state_at(-1), 'consumed=-1 must be'),
    ],
)
def test_wrong_arguments(archive, use, words):
    with pytest.raises(FlagError, match=words):
        use(archive)


def test_bad_examples_say_why_are_left_out_and_counted(with_bad, caplog):
    faces = dataset(with_bad, **SHAPE)
    bad = faces[2]
    assert isinstance(bad, BadExample) and (bad.place, bad.key) == (2, f'{with_bad}:a/02.png')
    assert bad.reason == 'not an image in a known format' and pickle.loads(pickle.dumps(bad)) == bad
    batch = faces.collate(faces[[1, 2, 3, 7]])
    assert [key[-6:] for key in batch.keys] == ['01.png', '03.png'] and batch.data.shape == (2, 9, 7, 3)
    assert [(one.place, one.key[-6:]) for one in batch.bad] == [(1, '02.png'), (3, '07.png')]
    faces.collate(faces[[2]])
    assert faces.bad == 2 and "bad.tar': member 'a/02.png' at byte" in caplog.text
    empty = faces.collate([])
    assert empty.data.shape == (0, 9, 7, 3) and empty.class_ids.dtype == np.int64 and empty.keys == []
    strict = dataset(with_bad, max_bad_fraction=0, **SHAPE)
    with pytest.raises(DataError, match='1 of 12 images could not be decoded'):
        strict.collate(strict[:3])


def test_a_transform_is_called_where_examples_are_read(with_bad):
    sizes = dataset(with_bad, transform=lambda example: len(example.data))
    assert sizes[0] == len(encoded(picture(0)))
    with pytest.raises(FlagError, match='transform returns a int, not an Example: collate it by'):
        sizes.collate(sizes[:2])
    halved = dataset(with_bad, transform=lambda example: example._replace(data=example.data // 2), **SHAPE)
    assert isinstance(halved[2], BadExample)
    plain = dataset(with_bad, **SHAPE)
    assert np.array_equal(halved.collate(halved[:4]).data, plain.collate(plain[:4]).data // 2)


SAMPLES = {
    'x/1.jpg': encoded(picture(1), 'JPEG'),
    'x/2.txt': b'two \xc3\xa9',
    'x/1.json': b'{"width": 8}',
    'x/2.jpg': encoded(picture(2), 'JPEG'),
    'x/1.txt': b'one',
    'x/2.json': b'[2]',
    'x/3.jpg': encoded(picture(3), 'JPEG'),
    'x/3.txt': b'no json',
    'y/4.json': b'{}',
    'y/4.JPG': encoded(picture(4), 'JPEG'),
    'y/4.txt': b'four',
    'y/4.npy': b'not a field',
    'y/5.jpg': b'no image',
    'y/5.txt': b'5',
    'y/5.json': b'{}',
    'z/6.jpg': encoded(picture(6), 'JPEG'),
    'z/6.txt': b'\xff\xfe\xfd',
    'z/6.json': b'{',
}


@pytest.fixture(params=['tar', 'folder'])
def samples(request, tmp_path):
    if request.param == 'folder':
        return str(write_folder(tmp_path / 'samples', SAMPLES))
    (tmp_path / 'samples.tar').write_bytes(tar_bytes(SAMPLES))
    return str(tmp_path / 'samples.tar')


def test_fields_of_a_sample_are_found_by_name(samples):
    data = dataset(samples, fields=('jpg', 'txt', 'json'), image_shape=(8, 8, 3))
    assert len(data) == 6
    found = {one.key.rpartition('/')[2]: one for one in data}
    one = found['1']
    assert one.data['txt'] == 'one' and one.data['json'] == {'width': 8} and one.label == 'x'
    assert np.array_equal(one.data['jpg'], decode_image(SAMPLES['x/1.jpg'], 8, 8, 3))
    assert found['2'].data['txt'] == 'two é' and found['2'].data['json'] == [2]
    assert found['4'].data['txt'] == 'four'
    reasons = {number: found[number].reason for number in '356'}
    assert reasons['3'] == 'it has no .json' and reasons['5'] == 'its .jpg: not an image in a known format'
    assert reasons['6'].startswith('its .txt: ')
    batch = data.collate(data[:])
    assert batch.data['jpg'].shape == (3, 8, 8, 3) and len(batch.bad) == 3
    assert batch.data['txt'] == [found[key.rpartition('/')[2]].data['txt'] for key in batch.keys]
    raw = dataset(samples, fields=['jpg'])
    assert raw[0].data == {'jpg': SAMPLES['x/1.jpg']}
    copy = pickle.loads(pickle.dumps(data))
    assert copy[0].key == data[0].key and np.array_equal(copy[0].data['jpg'], data[0].data['jpg'])


@pytest.mark.parametrize(
    'augment', ['mirror,shift=2', 'crop=0.3,rotation=40', 'mirror,brightness=0.3,cutout=3']
)
def test_images_of_a_sample_change_alike_and_masks_only_move(tmp_path, augment):
    """Image and mask are the same picture of black and white, so that moving it leaves both values."""
    rng, files = np.random.default_rng(1), {}
    for number in range(20):
        pixels = np.kron(rng.integers(0, 2, (4, 4)), np.ones((4, 4))).astype(np.uint8) * 255
        files |= {
            f'{number}.{name}.png': encoded(Image.fromarray(pixels)) for name in ('img', 'other', 'seg')
        }
    (tmp_path / 'x.tar').write_bytes(tar_bytes(files))
    names, shape = ('img.png', 'seg.png', 'other.png'), {'image_shape': (16, 16, 1)}
    data = dataset(tmp_path / 'x.tar', fields=names, masks=['seg.png'], augment=augment, **shape)
    plain = dataset(tmp_path / 'x.tar', fields=names, masks=['seg.png'], **shape)
    moved = 0
    for (place,) in data.order(1, epochs=2, seed=3):
        fields, mask = data[place].data, data[place].data['seg.png']
        assert np.array_equal(fields['img.png'], fields['other.png'])
        assert mask.shape == (16, 16) and set(np.unique(mask)) <= {0, 255}
        moved += not np.array_equal(mask, plain[place.number].data['seg.png'])
        if 'brightness' not in augment:
            assert np.mean((fields['img.png'][..., 0] > 127) != (mask > 127)) < 0.1
        elif np.ptp(mask):
            assert np.corrcoef(fields['img.png'].ravel(), mask.ravel())[0, 1] > 0.6
    assert moved > 10


def test_masks_keep_the_numbers_of_a_palette(tmp_path):
    palette = Image.fromarray(np.array([[0, 1], [2, 21]], np.uint8), 'P')
    palette.putpalette(bytes(range(256)) * 3)
    files = {'1.jpg': encoded(picture(1), 'JPEG'), '1.png': encoded(palette)}
    files |= {'2.jpg': files['1.jpg'], '2.png': encoded(picture(2))}
    (tmp_path / 'x.tar').write_bytes(tar_bytes(files))
    data = dataset(tmp_path / 'x.tar', fields=('jpg', 'png'), masks=('png',), image_shape=(4, 4, 3))
    assert data[0].data['png'].tolist() == [[0, 0, 1, 1]] * 2 + [[2, 2, 21, 21]] * 2
    assert data[1].reason.startswith(
        'its .png: a mask has class ids, in a grey image or one with a palette, not RGB'
    )
    batch = data.collate([data[1]])
    assert batch.data['png'].shape == (0, 4, 4) and batch.data['jpg'].shape == (0, 4, 4, 3), (
        'in one rank only'
    )
    assert data.collate(data[:]).data['png'].shape == (1, 4, 4)


@pytest.mark.parametrize('kind', ['tar', 'folder'])
@pytest.mark.parametrize('fields', [('png', 'txt', 'cls'), ('txt', 'png'), ('cls', 'txt', 'png')])
@pytest.mark.parametrize('where', ['beside', 'member', 'sample', 'folder'])
def test_a_sample_has_the_label_of_any_of_its_members(tmp_path, kind, fields, where):
    """By a file beside them, which may be a field, by a table of members or of samples, or by folders."""
    files, table = {}, tmp_path / 'labels.csv'
    labels = ['cat', 'dog', 'cat', 'cat']
    for number, label in enumerate(labels):
        folder = label if where == 'folder' else 'd'
        files |= {f'{folder}/{number}.{field}': b'x' for field in fields if field != 'cls'}
        if 'cls' in fields or where == 'beside':
            files[f'{folder}/{number}.cls'] = label.encode() if where in ('beside', 'folder') else b'other'
    suffix = '.png' if where == 'member' else ''
    table.write_text(''.join(f'd/{number}{suffix},{label}\n' for number, label in enumerate(labels)))
    path = write_folder(tmp_path / 'x', files) if kind == 'folder' else tmp_path / 'x.tar'
    if kind == 'tar':
        path.write_bytes(tar_bytes(files))
    named = {'labels': table} if where in ('member', 'sample') else {}
    data = dataset(path, fields=fields, **named)
    assert {one.key[-1]: one.label for one in data} == dict(zip('0123', labels, strict=True))
    assert data.labels == ('cat', 'dog')
    order = data.order(2, weights={'cat': 1, 'dog': 1}, epochs=None)
    assert sorted(one.label for one in data[next(iter(order))]) == ['cat', 'dog']


def test_a_field_that_is_there_twice_makes_a_bad_example(tmp_path):
    twice = tar_bytes({'a/1.jpg': b'1', 'a/1.txt': b'a'})
    twice += tar_bytes({'a/1.txt': b'b', 'a/2.jpg': b'2', 'a/2.txt': b'c'})
    (tmp_path / 'x.tar').write_bytes(twice)
    data = dataset(tmp_path / 'x.tar', fields=('jpg', 'txt'))
    assert data[0].reason == 'it has .txt twice' and data[1].data == {'jpg': b'2', 'txt': 'c'}


def test_samples_are_split_as_a_whole_and_indexed_apart_from_images(tmp_path):
    files = {f'a/{n}.{field}': b'%d' % n for n in range(60) for field in ('txt', 'jpg')}
    (tmp_path / 'x.tar').write_bytes(tar_bytes(files))
    parts = [dataset(tmp_path / 'x.tar', fields=('jpg', 'txt'), split=part) for part in ((0, 0.5), (0.5, 1))]
    assert sum(map(len, parts)) == 60 and 15 < len(parts[0]) < 45
    assert all(isinstance(one, Example) for part in parts for one in part)
    assert len(dataset(tmp_path / 'x.tar')) == 60


# The order.


def test_an_order_yields_each_position_once_an_epoch_and_pickles_its_epoch(archive):
    order = dataset(archive).order(batch_size=5, epochs=2)
    batches = list(order)
    assert list(map(len, batches)) == [5] * 9 + [3] and len(order) == 10
    places = [place for batch in pickle.loads(pickle.dumps(batches)) for place in batch]
    assert sorted(places) == [(epoch, number) for epoch in range(2) for number in range(24)]
    assert [place.number for place in places[:24]] != [place.number for place in places[24:]]
    assert next(iter(dataset(archive).order(4, shuffle=False))) == [(0, 0), (0, 1), (0, 2), (0, 3)]
    ranks = [dataset(archive).order(4, rank=rank, world_size=5) for rank in range(5)]
    assert [[len(batch) for batch in rank] for rank in ranks] == [*[[4, 1]] * 4, [4, 0]]


def test_an_array_of_places_keeps_the_epoch(archive):
    """Which decides how images are changed."""
    faces = dataset(archive, augment='mirror', **SHAPE)
    places = next(iter(faces.order(72, epochs=3)))
    expected = [one.data for one in faces[places]]
    assert np.array_equal([one.data for one in faces[np.array(places)]], expected)
    assert not np.array_equal([faces[place.number].data for place in places], expected)


def test_an_iteration_goes_on_with_the_next_passes_also_if_the_last_was_left(archive):
    faces = dataset(archive)
    whole = list(faces.order(24, epochs=5))
    order = faces.order(24)
    iter(order)  # which begins nothing
    assert [list(order), list(order)] == [[whole[0]], [whole[1]]]
    assert next(iter(order)) == whole[2] and order.state_dict() == order.state_at(72)
    small = faces.order(5)
    assert next(iter(small)) == whole[0][:5] and next(iter(small)) == whole[1][:5]
    again = faces.order(24)
    again.load_state_dict(json.loads(json.dumps(order.state_at(72))))
    assert len(again) == 0 and list(again) == [], 'the pass that ended is not begun again'
    assert list(again) == [whole[3]] and next(iter(faces.order(24, epochs=None))) == whole[0]


def test_states_are_those_of_a_stream_and_of_the_same_data(archive, tmp_path):
    faces = dataset(archive, split=(0, 0.9))
    order = faces.order(5)
    assert order.state_at(7) == stream(archive, split=(0, 0.9)).state_at(7)
    other = dataset(write_tar(tmp_path / 'b.tar', [('a/1.png', b'')])).order(5)
    for one, words in ((other, 'is of other data than'), (faces.order(5, seed=2), 'its seed is 1, not 2')):
        with pytest.raises(DataError, match=words):
            one.load_state_dict(order.state_dict())


# Other processes.


def test_it_pickles_without_open_files_and_needs_its_index(archive):
    faces = dataset(archive, split=(0, 0.9), **SHAPE)
    state = pickle.dumps(faces)
    assert len(state) < 20_000
    copy = pickle.loads(state)
    assert keys(copy) == keys(faces) and np.array_equal(copy[3].data, faces[3].data)
    assert copy.order(5).state_at(3) == faces.order(5).state_at(3)
    archive.rename(archive.with_suffix('.away'))
    with pytest.raises(DataError, match='cannot be read any more: No such file'):
        pickle.loads(state)[0]
    archive.with_suffix('.away').rename(archive)
    faces._examples.indexes[0].path.unlink()
    with pytest.raises(DataError, match='is gone: start again'):
        pickle.loads(state)


def test_another_process_never_reads_another_archive(archive):
    """A new archive and a new index are put there between two epochs; labels would be the wrong ones."""
    build_index(str(archive)).write(path_next_to(source_of(str(archive))))
    state = pickle.dumps(dataset(archive, **SHAPE))
    write_tar(archive, [(f'y/n{n % 3}/{n}.png', encoded(picture(n))) for n in range(30)])
    build_index(str(archive)).write(path_next_to(source_of(str(archive))))
    with pytest.raises(DataError, match=r"train\.tar' has changed since it was opened: start again"):
        pickle.loads(state)


SPAWNED = """
import json, multiprocessing, sys
from estimator_lab.api import dataset

def keys(faces):
    return [len(one.data) for one in faces[::7]]

if __name__ == '__main__':
    faces = dataset(json.loads(sys.argv[1]))
    expected = keys(faces)
    for method in ('fork', 'spawn', 'forkserver'):
        with multiprocessing.get_context(method).Pool(4) as pool:
            assert pool.map(keys, [faces] * 8) == [expected] * 8, method
    print(len(faces))
"""


@pytest.mark.slow
@pytest.mark.usefixtures('short_pauses')
@pytest.mark.parametrize('megabytes', [0, 100])
def test_workers_of_remote_archives_request_nothing_but_members(web, tmp_path, run_python, megabytes):
    count, files = 12, {f'a/{n}.jpg': os.urandom(500) for n in range(20)}
    urls = [web.put(f'/{n}.tar', tar_bytes(files)) for n in range(count)]
    remote.keep(megabytes * 2**20)
    faces = dataset(urls)
    assert len(web.headers) >= count
    web.headers.clear()
    for copy in (pickle.loads(pickle.dumps(faces)) for _ in range(8)):
        assert len(copy) == 20 * count and copy[25].data == faces[25].data
    assert len(web.headers) <= (0 if megabytes else 16)
    (tmp_path / 'spawned.py').write_text(SPAWNED)
    cache = {'XDG_CACHE_HOME': str(tmp_path / 'cache'), 'NO_PROXY': '127.0.0.1'}
    done = run_python(tmp_path / 'spawned.py', json.dumps(urls), **cache)
    assert (done.stdout, done.stderr) == (f'{20 * count}\n', '')


def test_a_stream_is_refused_in_a_worker(archive, tmp_path, monkeypatch):
    data = SimpleNamespace(get_worker_info=object)
    monkeypatch.setitem(sys.modules, 'torch.utils.data', data)
    packed = write_tar(tmp_path / 'a.tar.gz', [('a/1.png', b'')], 'w:gz')
    with pytest.raises(FlagError, match=r'not in a worker of a DataLoader: give the DataLoader an .*dataset'):
        next(stream(archive))
    with pytest.raises(FlagError, match=r'worker of a DataLoader: give num_workers=0, or pack the archives'):
        next(stream(packed))
