"""Shards hold every image once, in random order, with honest sums; and nothing half done looks whole."""

import bz2
import errno
import gzip
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError, LabError
from estimator_lab.data import pack as data_pack
from estimator_lab.data import shards
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.examples.labels import read_label_table
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.pack import PackSettings
from estimator_lab.data.shards import Shard
from estimator_lab.data.sources.source import expand
from tests.support.archive_files import encoded, picture
from tests.support.pack_files import FILES, all_bytes, packed, quiet, verified, write_tar
from tests.support.pack_files import packing as pack
from tests.support.places import ROOT

WRONG = ['.net', '..', '.', 'a/b', '/a', r'\x41', r'\u202e', '\u202e', '__MACOSX']


def with_table(tmp_path, labels):
    """A table of the labels of 0.jpg, 1.jpg, ..., and an archive of these."""
    table = tmp_path / 'labels.csv'
    table.write_text(''.join(f'{number}.jpg,{label}\n' for number, label in enumerate(labels)))
    source = write_tar(tmp_path / 'source.tar', [(f'x/{n}.jpg', b'%d' % n) for n in range(len(labels))])
    return read_label_table(table), source


@pytest.mark.parametrize('count', [1, 3, 12])
@pytest.mark.parametrize('compress', [bytes, gzip.compress, bz2.compress], ids=['plain', 'gz', 'bz2'])
def test_every_image_is_in_exactly_one_shard(tmp_path, out, count, compress):
    source = write_tar(tmp_path / 'source.tar', compress=compress)
    pack([source], out, PackSettings(count), quiet)
    assert sorted(path.name for path in out.iterdir()) == [
        'manifest.json',
        *(f'shard-{number:05}-of-{count:05}.tar' for number in range(count)),
    ]
    found = packed(out)
    assert Counter(member for shard in found for member in shard) == Counter(FILES)


def test_shards_are_chosen_at_random_and_equally_often(source, out):
    """There an image keeps its place among the others."""
    pack([source], out, PackSettings(3), quiet)
    numbers = [[FILES.index(member) for member in shard] for shard in packed(out)]
    assert all(len(shard) == 100 and shard == sorted(shard) for shard in numbers)
    assert 20 < sum(one % 3 == 0 for one in numbers[0]) < 50


@pytest.mark.parametrize('size', [None, 20])
def test_seed_and_names_and_data_alone_decide_the_bytes(tmp_path, size):
    scaled = [(f'a/{i}.png', encoded(picture(1, 50, 40 + i % 7))) for i in range(60)]
    files = FILES if size is None else scaled
    source = write_tar(tmp_path / 'source.tar', files)
    again = write_tar(tmp_path / 'copy.tar.gz', files, compress=gzip.compress)
    for out, archive, seed in (('a', source, 1), ('b', again, 1), ('c', source, 2)):
        pack([archive], tmp_path / out, PackSettings(3, size, seed=seed), quiet)
    first, second, third = (all_bytes(tmp_path / out) for out in 'abc')
    assert first == second and first.keys() == third.keys()
    assert all(first[name] != third[name] for name in first)
    with tarfile.open(tmp_path / 'a' / 'shard-00000-of-00003.tar') as archive:
        assert {(i.mtime, i.uid, i.gid, i.uname, i.mode) for i in archive} == {(0, 0, 0, '', 0o644)}


@pytest.mark.parametrize(
    'name',
    [
        f'n/{"x" * 90}.jpg',
        f'{"d" * 90}/{"x" * 90}.jpg',
        f'{"d" * 200}/{"x" * 200}.jpg',
        *('Zoë/猫.jpg', f'{"猫" * 60}/1.jpg', 'a//b.jpg'),
        *(r'a/caf\xe9.jpg', r'a\x00b\x1b/1.jpg', r'a\u202e\u009b\x5cx1b/1.jpg'),
    ],
)
def test_names_are_preserved(tmp_path, name):
    with closing(Shard(tmp_path / 'a.tar')) as shard:
        shard.add(name, b'data')
        shard.add('a/2.jpg', b'2')
        shard.finish()
    assert packed(tmp_path) == [[(name, b'data'), ('a/2.jpg', b'2')]]


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


def test_too_many_bad_images_end_it(tmp_path, out):
    good = {f'a/{n}.png': encoded(picture(n, 40, 40)) for n in range(10)}
    bad = {f'a/bad{n}.png': b'nothing' for n in range(10)}
    source = write_tar(tmp_path / 'a.tar', (good | bad).items())
    with pytest.raises(DataError, match=r'^10 of 20 images .* more than max_bad_fraction=0\.4'):
        pack([source], out, PackSettings(1, image_size=20, max_bad_fraction=0.4), quiet)
    assert not out.exists()


def test_damaged_archive(tmp_path, source, out):
    data = Path(source).read_bytes()
    cut = tmp_path / 'cut.tar'
    cut.write_bytes(data[: len(data) // 2 + 100])
    with pytest.raises(DataError, match='cut off') as error:
        pack([str(cut), source], out, PackSettings(2), quiet)
    assert re.search(r' --use_damaged packs the \d+ images before that', error.value.sentence)
    assert not out.exists()
    lines = []
    manifest = pack([str(cut), source], out, PackSettings(2, use_damaged=True), lines.append)
    assert len(FILES) < manifest.images < 2 * len(FILES)
    assert 'cut off' in manifest.damage[0]
    assert lines[0].startswith('Warning: ')


def test_finished_shards_are_never_touched(source, out):
    pack([source], out, PackSettings(2), quiet)
    before = all_bytes(out)
    with pytest.raises(FlagError, match=r'already holds manifest\.json'):
        pack([source], out, PackSettings(2, seed=5), quiet)
    (out / 'manifest.json').unlink()  # as a killed run leaves them
    with pytest.raises(FlagError, match=r'already holds shard-00000-of-00002\.tar'):
        pack([source], out, PackSettings(2, seed=5), quiet)
    assert all_bytes(out) == before and len(list(out.iterdir())) == 2


@pytest.mark.parametrize('label', WRONG)
def test_labels_that_are_no_folders_are_refused_by_name_or_with_their_member(tmp_path, out, label):
    table, source = with_table(tmp_path, ['good', label])
    sidecars = write_tar(tmp_path / 'sidecars.tar', [('0.jpg', b'0'), ('0.cls', label.encode())])
    for given, where in (
        ((source, table), r'^labels=\S+labels\.csv: '),
        ((sidecars, None), r"sidecars\.tar': member '0\.jpg' at byte 0: "),
    ):
        with pytest.raises(DataError, match=f'{where}the label .* cannot be the name of a folder'):
            pack([given[0]], out, PackSettings(1), quiet, given[1])
        assert not out.exists()


def test_no_member_leads_out_of_its_shard(tmp_path, out):
    files = ['../1.jpg', '/2.jpg', '../../a/3.jpg', 'b/../4.jpg', '/etc/5.jpg', 'c//6.jpg', 'd/./7.jpg']
    source = write_tar(tmp_path / 'source.tar', [(name, name.encode()) for name in files])
    pack([source], out, PackSettings(1), quiet)
    names = {data.decode(): name for name, data in packed(out)[0]}
    stored = ['1.jpg', '2.jpg', 'a/3.jpg', '4.jpg', 'etc/5.jpg', 'c//6.jpg', 'd/./7.jpg']
    assert [names[name] for name in files] == stored
    labels = open_archives([source], IMAGES).counts
    assert open_archives([f'{out}/*.tar'], IMAGES).counts == labels == verified(out)['labels']


def test_a_member_without_a_label_gets_no_folder(tmp_path, out):
    table, source = with_table(tmp_path, ['good'])
    source = write_tar(tmp_path / 'source.tar', [('x/0.jpg', b'0'), ('x/9.jpg', b'9')])
    assert pack([source], out, PackSettings(1), quiet, table).labels == {'': 1, 'good': 1}
    assert sorted(packed(out)[0]) == [('9.jpg', b'9'), ('good/0.jpg', b'0')]


@pytest.mark.parametrize('after', [1, 100, len(FILES)])
@pytest.mark.parametrize('error', [OSError(errno.ENOSPC, 'No space left on device'), KeyboardInterrupt()])
def test_full_disk_and_interrupt_leave_nothing(source, out, monkeypatch, after, error):
    add, calls = Shard.add, []

    def failing_add(self, *pieces):
        calls.append(pieces)
        if len(calls) == after:
            raise error
        add(self, *pieces)

    monkeypatch.setattr(Shard, 'add', failing_add)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else LabError
    with pytest.raises(expected) as caught:
        pack([source], out, PackSettings(3), quiet)
    assert not out.exists()
    if expected is LabError:
        assert str(caught.value) == f'out={out} cannot be written: No space left on device.'


def test_a_manifest_that_may_not_be_on_disk_is_removed_again(source, out, monkeypatch):
    """Its folder fails to be synced after it got its name."""

    def failing_sync(folder):
        raise OSError(errno.EIO, 'Input/output error')

    monkeypatch.setattr(shards, 'sync_folder', failing_sync)
    with pytest.raises(FlagError, match='Input/output error'):
        pack([source], out, PackSettings(3), quiet)
    monkeypatch.undo()
    assert not out.exists()
    assert pack([source], out, PackSettings(3), quiet).images == len(FILES)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_with_a_sentence_and_without_leftovers(tmp_path, source, out, number):
    """Also while it waits for a pipe, whose writer has sent half an archive and stalls."""
    pipe, data = tmp_path / 'pipe', Path(source).read_bytes()
    os.mkfifo(pipe)
    command = [sys.executable, '-m', 'estimator_lab.data.pack', str(pipe), f'--out={out}', '--shards=2']
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # below nohup, commands would ignore it
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGHUP, before)
    with pipe.open('wb') as file:
        file.write(data[: len(data) // 2])
        file.flush()
        until = time.monotonic() + 300
        while not list(out.glob('.packing/shard-*')) and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(number)
        _, shown = process.communicate(timeout=300)
    assert process.returncode and shown == 'error: Stopped.\n'
    assert not out.exists()


def test_command(run_command, source, out):
    """The glob that it prints names no other files of the folder."""
    out.mkdir()
    for name in ('test.tar', 'shard.tar'):
        (out / name).touch()
    status, shown, errors = run_command(data_pack, source, f'--out={out}', '--shards=3')
    assert (status, errors) == (0, '') and 'Images    300 of 5 labels' in shown
    assert f'--data={shlex.quote(f"{out}/shard-*-of-00003.tar")}' in shown.splitlines()[-1]
    found = [source.name for source in expand([f'{out}/shard-*-of-00003.tar'], quiet)]
    assert found == [f'{out}/shard-0000{number}-of-00003.tar' for number in range(3)]


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['SOURCE', '--shards=2'], '--out is missing'),
        (['SOURCE', '--out=OUT'], '--shards is missing'),
        (['SOURCE', '--out=OUT', '--shards=0'], '--shards=0'),
        (['TREES', '--out=OUT', '--shards=2'], 'holds trees: only images are packed'),
        (['SOURCE', '--out=SOURCE', '--shards=2'], 'is a file, not a folder'),
        (['SOURCE', '--out=/dev/null/x', '--shards=2'], 'cannot be written'),
    ],
)
def test_mistakes(run_command, source, out, tmp_path, arguments, words):
    (tmp_path / 'trees.txt').write_text('(1 (1 a) (0 b))\n')
    places = {'SOURCE': source, 'TREES': f'{tmp_path}/trees.txt', 'OUT': str(out)}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    status, shown, errors = run_command(data_pack, *arguments)
    assert (status, shown) == (2, '') and words in errors and not out.exists()


def test_bad_images_are_skipped_shown_and_listed_and_no_shard_is_empty(tmp_path, run_command):
    files = [*((f'a/{n}.png', encoded(picture(n))) for n in range(40)), ('a/bad.png', b'no image')]
    source = write_tar(tmp_path / 'source.tar', files)

    def packed_into(shards):
        flags = f'--out={tmp_path}/{shards}', f'--shards={shards}', '--image_size=8'
        return run_command(data_pack, source, *flags)

    status, text, _ = packed_into(2)
    assert status == 0 and 'Images    40 of 1 labels' in text
    assert 'Skipped   1 bad images, listed in the manifest' in text and "member 'a/bad.png' at byte" in text
    (skipped,) = verified(tmp_path / '2')['skipped']
    assert (skipped['archive'], skipped['member']) == (source, 'a/bad.png')
    assert skipped['reason'] == 'not an image in a known format'
    status, _, errors = packed_into(41)
    assert status == 1 and 'of --shards=41 would be empty: there are only 40 images; give fewer' in errors
