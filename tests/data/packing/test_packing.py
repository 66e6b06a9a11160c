"""Shards hold every image once, in random order, with honest sums; and nothing half done looks whole."""

import bz2
import gzip
import hashlib
import io
import random
import re
import tarfile
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from estimator_lab.console.outputs import locked
from estimator_lab.data import member as tar_member
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.packing.packing import pack
from estimator_lab.data.packing.shards import (
    MANIFEST,
    PackSettings,
    TarWriter,
    member_header,
    read_manifest,
    verify,
    write_manifest,
)
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.errors import DataError, FlagError
from tests.archive_files import encoded, picture
from tests.pack_files import FILES, packed, quiet, write_tar


def all_bytes(folder):
    return {path.name: path.read_bytes() for path in folder.glob('*.tar')}


# What is in the shards.


@pytest.mark.parametrize('count', [1, 3, 12])
@pytest.mark.parametrize('compress', [bytes, gzip.compress, bz2.compress], ids=['plain', 'gz', 'bz2'])
def test_every_image_is_in_exactly_one_shard(tmp_path, out, count, compress):
    source = write_tar(tmp_path / 'source.tar', compress=compress)
    pack([source], out, PackSettings(count), quiet)
    assert sorted(path.name for path in out.iterdir()) == [
        MANIFEST,
        *(f'shard-{number:05}-of-{count:05}.tar' for number in range(count)),
    ]
    found = packed(out)
    assert Counter(member for shard in found for member in shard) == Counter(FILES)


def test_several_archives_and_duplicate_names(tmp_path, source, out):
    other = write_tar(tmp_path / 'other.tar', [('train/n000/000.jpg', b'another'), ('z/1.jpg', b'')])
    manifest = pack([source, other], out, PackSettings(2), quiet)
    found = Counter(member for shard in packed(out) for member in shard)
    assert found == Counter([*FILES, ('train/n000/000.jpg', b'another'), ('z/1.jpg', b'')])
    assert manifest.labels == {**dict.fromkeys((f'n{n:03}' for n in range(5)), 60), 'n000': 61, 'z': 1}


def test_all_orders_are_equally_likely(tmp_path):
    """24 orders of 4 images in 2 shards; each expected 20 times in 480 packings, deviation 4.4."""
    files = [(f'a/{number}.jpg', b'') for number in range(4)]
    source = write_tar(tmp_path / 'four.tar', files)
    orders = Counter()
    for seed in range(548):  # 7 of 8 leave no shard empty
        out = tmp_path / f'out{seed}'
        try:
            pack([source], out, PackSettings(2, seed=seed), quiet)
        except DataError:
            continue
        orders[tuple(name for shard in packed(out) for name, _ in shard)] += 1
    assert len(orders) == 24
    assert (
        sum((count - 20) ** 2 / 20 for count in orders.values()) < 52
    )  # chi-squared, 23 degrees: p = 0.0005


@pytest.mark.parametrize('size', [None, 20])
def test_seed_and_names_and_data_alone_decide_the_bytes(tmp_path, size):
    files = (
        FILES if size is None else [(f'a/{i}.png', encoded(picture(1, 50, 40 + i % 7))) for i in range(60)]
    )
    source = write_tar(tmp_path / 'source.tar', files)
    again = write_tar(tmp_path / 'copy.tar.gz', files, compress=gzip.compress)
    for out, archive, seed in (('a', source, 1), ('b', again, 1), ('c', source, 2)):
        pack([archive], tmp_path / out, PackSettings(3, size, seed=seed), quiet)
    first, second, third = (all_bytes(tmp_path / out) for out in 'abc')
    assert first == second
    assert first.keys() == third.keys()
    assert all(first[name] != third[name] for name in first)
    with tarfile.open(tmp_path / 'a' / 'shard-00000-of-00003.tar') as archive:
        assert {(i.mtime, i.uid, i.gid, i.uname, i.mode) for i in archive} == {(0, 0, 0, '', 0o644)}


@pytest.mark.parametrize(
    'name',
    [
        'n/' + 'x' * 90 + '.jpg',
        'd' * 90 + '/' + 'x' * 90 + '.jpg',
        'd' * 200 + '/' + 'x' * 200 + '.jpg',
        'Zoë/猫.jpg',
        '猫' * 60 + '/1.jpg',
        'a/caf\\xe9.jpg',
        'a\\x00b\\x1b/1.jpg',
        'a\\u202e\\u009b\\x5cx1b/1.jpg',
        'a//b.jpg',
    ],
)
def test_names_are_preserved(tmp_path, name):
    writer = TarWriter(tmp_path / 'a.tar', 4096)
    writer.add(member_header(name, 4), b'data')
    writer.add(member_header('a/2.jpg', 1), b'2')
    writer.finish()
    assert [(m.name, m.data) for m in stream_members(tmp_path / 'a.tar')] == [
        (name, b'data'),
        ('a/2.jpg', b'2'),
    ]


def test_name_that_is_not_utf8_keeps_its_escaped_form(tmp_path, out):
    with tarfile.open(tmp_path / 'a.tar', 'w', encoding='latin-1', format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo('a/café.jpg'))
    pack([str(tmp_path / 'a.tar')], out, PackSettings(1), quiet)
    assert packed(out) == [[('a/caf\\xe9.jpg', b'')]]


def test_manifest_describes_the_shards(source, out):
    settings = PackSettings(4, seed=9)
    manifest = pack([source], out, settings, quiet)
    assert read_manifest(out / MANIFEST) == manifest
    assert manifest.images == len(FILES) == sum(shard.images for shard in manifest.shards)
    assert manifest.labels == {f'n{label:03}': 60 for label in range(5)}
    assert (manifest.sources, manifest.settings['seed'], manifest.skipped) == ([source], 9, [])
    for shard, members in zip(manifest.shards, packed(out), strict=True):
        data = (out / shard.file).read_bytes()
        assert (shard.images, shard.bytes) == (len(members), len(data))
        assert shard.sha256 == hashlib.sha256(data).hexdigest()


# Resizing.


def test_larger_images_are_scaled_down_and_others_stay(tmp_path, out):
    files = {
        'a/wide.png': encoded(picture(1, 60, 120)),
        'a/tall.bmp': encoded(picture(1, 99, 33, 'L'), 'BMP'),
        'a/small.png': encoded(picture(1, 500, 30)),
        'a/just.jpg': encoded(picture(1, 30, 30), 'JPEG'),
        'a/alpha.webp': encoded(Image.new('RGBA', (60, 60), (255, 0, 0, 0)), 'WEBP', lossless=True),
    }
    pack([write_tar(tmp_path / 'a.tar', files.items())], out, PackSettings(1, image_size=30), quiet)
    found = dict(packed(out)[0])
    assert found.keys() == {'a/wide.jpg', 'a/tall.jpg', 'a/small.png', 'a/just.jpg', 'a/alpha.jpg'}
    assert found['a/small.png'] == files['a/small.png']
    assert found['a/just.jpg'] == files['a/just.jpg']
    images = {name: Image.open(io.BytesIO(data)) for name, data in found.items()}
    assert (images['a/wide.jpg'].size, images['a/wide.jpg'].mode) == ((60, 30), 'RGB')
    assert (images['a/tall.jpg'].size, images['a/tall.jpg'].mode) == ((30, 90), 'L')
    assert np.array(images['a/alpha.jpg']).max() < 5
    expected = decode_image(files['a/wide.png'], 30, 60, 3).astype(int)
    assert np.abs(expected - np.array(images['a/wide.jpg'])).mean() < 4


def test_quality_and_metadata(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = 'a description'
    data = encoded(picture(1, 64, 64), 'JPEG', exif=exif, comment=b'a comment', quality=95)
    source = write_tar(tmp_path / 'a.tar', [('a/1.jpeg', data)])
    sizes = []
    for quality in (20, 95):
        pack([source], tmp_path / f'q{quality}', PackSettings(1, 32, quality), quiet)
        ((name, small),) = packed(tmp_path / f'q{quality}')[0]
        assert name == 'a/1.jpg'
        assert b'description' not in small
        assert b'comment' not in small
        sizes.append(len(small))
    assert sizes[0] < sizes[1]


def test_bad_images_are_skipped_shown_and_listed(tmp_path, out):
    good = [(f'a/{i}.png', encoded(picture(1, 40, 40))) for i in range(9)]
    source = write_tar(tmp_path / 'a.tar', [*good[:4], ('a/bad.png', b'nothing'), *good[4:]])
    lines = []
    manifest = pack([source], out, PackSettings(1, image_size=20, max_bad_fraction=0.1), lines.append)
    assert manifest.images == 9
    (skipped,) = manifest.skipped
    assert (skipped['archive'], skipped['member']) == (source, 'a/bad.png')
    assert skipped['reason'] == 'not an image in a known format'
    assert len(lines) == 1
    assert "member 'a/bad.png' at byte" in lines[0]


def test_too_many_bad_images_end_it(tmp_path, out):
    good = [(f'a/{n}.png', encoded(picture(n, 40, 40))) for n in range(10)]
    source = write_tar(tmp_path / 'a.tar', [*good, *((f'a/bad{n}.png', b'nothing') for n in range(10))])
    words = r'10 of 20 images could not be decoded, more than --max_bad_fraction=0\.4'
    with pytest.raises(DataError, match=words):
        pack([source], out, PackSettings(1, image_size=20, max_bad_fraction=0.4), quiet)
    assert not out.exists()


def test_without_resizing_nothing_is_decoded_but_the_limit_holds(source, out, monkeypatch):
    monkeypatch.setattr(tar_member, 'MAX_MEMBER_BYTES', 500)
    manifest = pack([source], out, PackSettings(2, max_bad_fraction=0.5), quiet)
    expected = [(name, data) for name, data in FILES if len(data) <= 500]
    assert Counter(member for shard in packed(out) for member in shard) == Counter(expected)
    assert len(manifest.skipped) == len(FILES) - len(expected) > 0
    assert 'more than the 500 allowed' in manifest.skipped[0]['reason']


# Damage, and what is too little.


def test_damaged_archive(tmp_path, source, out):
    data = Path(source).read_bytes()
    cut = tmp_path / 'cut.tar'
    cut.write_bytes(data[: len(data) // 2 + 100])
    with pytest.raises(DataError, match='cut off') as error:
        pack([str(cut), source], out, PackSettings(2), quiet)
    assert re.match(r'--use_damaged packs the \d+ images before that', error.value.remedies['use_damaged'])
    assert not out.exists()
    lines = []
    manifest = pack([str(cut), source], out, PackSettings(2, use_damaged=True), lines.append)
    assert len(FILES) < manifest.images < 2 * len(FILES)
    assert 'cut off' in manifest.damage[0]
    assert lines[0].startswith('Warning: ')


def test_other_files_are_never_read_as_archives(tmp_path, source, out):
    (tmp_path / 'text.tar').write_bytes(b'text')
    with pytest.raises(DataError, match='is not a tar archive'):
        pack([source, str(tmp_path / 'text.tar')], out, PackSettings(2, use_damaged=True), quiet)
    assert not out.exists()


def test_too_few_images(tmp_path, out):
    with pytest.raises(DataError, match=r'of --shards=9 would be empty: there are only 3 images; give fewer'):
        pack([write_tar(tmp_path / 'a.tar', FILES[:3])], out, PackSettings(9), quiet)
    with pytest.raises(DataError, match='no image to pack'):
        pack([write_tar(tmp_path / 'b.tar', [('a.txt', b'')])], out, PackSettings(1), quiet)
    assert not out.exists()


# The folder.


def test_finished_shards_are_never_touched(source, out):
    pack([source], out, PackSettings(2), quiet)
    before = all_bytes(out)
    with pytest.raises(FlagError, match=r'already holds manifest\.json'):
        pack([source], out, PackSettings(2, seed=5), quiet)
    (out / MANIFEST).unlink()  # someone's own shards, which no unfinished run has left
    with pytest.raises(FlagError, match=r'already holds shard-00000-of-00002\.tar'):
        pack([source], out, PackSettings(2, seed=5), quiet)
    assert all_bytes(out) == before
    assert len(list(out.iterdir())) == 2


def test_other_files_in_the_folder_are_left_alone(source, out):
    out.mkdir()
    (out / 'notes.txt').write_text('mine')
    with pytest.raises(DataError, match='would be empty'):
        pack([source], out, PackSettings(2000), quiet)
    assert [path.name for path in out.iterdir()] == ['notes.txt']
    pack([source], out, PackSettings(2), quiet)
    assert (out / 'notes.txt').read_text() == 'mine'


def test_folder_that_is_a_file_or_in_use(source, out, tmp_path):
    with pytest.raises(FlagError, match='is a file, not a folder'):
        pack([source], Path(source), PackSettings(2), quiet)
    out.mkdir()
    with locked(out, 'busy'), pytest.raises(FlagError, match='is being written by another process'):
        pack([source], out, PackSettings(2), quiet)
    with pytest.raises(FlagError, match=r'--out=/dev/null/x cannot be written: Not a directory'):
        pack([source], Path('/dev/null/x'), PackSettings(2), quiet)


def test_memory_is_bounded(tmp_path, out):
    files = [(f'a/{number}.jpg', random.Random(number).randbytes(50_000)) for number in range(400)]
    source = write_tar(tmp_path / 'a.tar', files)
    del files
    tracemalloc.start()
    try:
        pack([source], out, PackSettings(4), quiet)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20  # of 20 MB; four buffers of 1 MB are most of it


# One limit of what a manifest lists, for who writes it and who reads it.


def test_too_many_labels_for_a_manifest_are_an_early_error(tmp_path, out, monkeypatch):
    monkeypatch.setattr('estimator_lab.data.packing.pack_input.MOST_LABELS', 2000)
    source = write_tar(tmp_path / 'a.tar', [(f'n{n:06}/1.jpg', b'1') for n in range(200)])
    with pytest.raises(DataError, match=r'more than \d\d labels are too many for a manifest'):
        pack([source], out, PackSettings(1), quiet)
    assert not out.exists()


def test_of_very_many_bad_images_the_first_are_listed(tmp_path, out, monkeypatch):
    monkeypatch.setattr('estimator_lab.data.packing.pack_input.MOST_SKIPPED', 1000)
    files = [(f'a/{n}.png', encoded(picture(n)) if n % 2 else b'junk') for n in range(40)]
    source = write_tar(tmp_path / 'a.tar', files)
    manifest = pack([source], out, PackSettings(1, image_size=8, max_bad_fraction=1), quiet)
    assert 0 < len(manifest.skipped) < 20
    assert len(manifest.skipped) + manifest.unlisted == 20
    assert verify(out, lambda done, share: None) == manifest
    assert (out / MANIFEST).stat().st_size < 4000


def test_a_manifest_too_large_to_read_is_not_written(source, out, monkeypatch, tmp_path):
    manifest = pack([source], out, PackSettings(1), quiet)
    monkeypatch.setattr('estimator_lab.data.packing.shards.MOST_BYTES', 500)
    with pytest.raises(DataError, match=r'would have .* bytes, 500 are allowed'):
        write_manifest(tmp_path / 'other.json', manifest)
    with pytest.raises(DataError, match='500 are allowed'):
        read_manifest(out / MANIFEST)
