"""Parts of a packing, packings at the same time, and those that were killed."""

import errno
import fcntl
import gzip
import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, FlagError, LabError
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.pack import PackSettings
from estimator_lab.data.shards import Shard, move_out
from estimator_lab.data.sources.source import expand
from tests.support.pack_files import FILES, all_bytes, quiet, verified, write_tar
from tests.support.pack_files import packing as pack
from tests.support.places import ROOT
from tests.support.streams import stream_members


def parts_packed(sources, out, count, shards=2, **settings):
    for number in range(1, count + 1):
        pack(sources, out, PackSettings(shards, part=f'{number}/{count}', **settings), quiet)


@pytest.mark.parametrize('compress', [bytes, gzip.compress], ids=['plain', 'gz'])
@pytest.mark.parametrize('count', [1, 3, 12])
def test_parts_hold_each_image_once_in_stored_order(tmp_path, out, compress, count):
    sources = [
        write_tar(tmp_path / f'{number}.tar', FILES[first:end], compress)
        for number, (first, end) in enumerate(((0, 7), (7, 250), (250, 300)))
    ]
    parts_packed(sources, out, count)
    assert len(list(out.glob('*.tar'))) == 2 * count
    for number in range(1, count + 1):
        paths = out.glob(f'*-part-{number:05}-of-{count:05}.tar')
        found = [(member.name, member.data) for path in paths for member in stream_members(path)]
        assert sorted(found) == sorted(FILES[(number - 1) * 300 // count : number * 300 // count])
    assert open_archives([f'{out}/shard-*.tar'], IMAGES).total == len(FILES)


def test_a_missing_part_is_an_error_that_names_it(source, out):
    parts_packed([source], out, 3)
    for pattern in ('shard-*.tar', 'shard-*-of-00002-part-*.tar'):
        assert len(expand([f'{out}/{pattern}'], quiet)) == 6
    gone = out / 'shard-00001-of-00002-part-00002-of-00003.tar'
    gone.unlink()
    for pattern in ('shard-*.tar', '*', 'shard-*-of-00002-part-*.tar', '*-part-00002-of-*.tar'):
        with pytest.raises(DataError, match=f"^'{re.escape(str(gone))}' is missing: that part of the shards"):
            expand([f'{out}/{pattern}'], quiet)
    assert len(expand([f'{out}/*-part-00001-of-*.tar'], quiet)) == 2


def test_an_image_after_a_damaged_archive_is_of_a_later_part(tmp_path, source, out):
    cut = tmp_path / 'cut.tar'
    cut.write_bytes(Path(source).read_bytes()[:30_000])
    settings = PackSettings(1, part='3/3', use_damaged=True)
    assert not pack([str(cut), source], out, settings, quiet).damage


def test_a_part_replaces_no_other_packing(source, out):
    pack([source], out, PackSettings(2, part='2/3'), quiet)
    before = all_bytes(out)
    for other in (
        PackSettings(2),
        PackSettings(3, part='1/3'),
        PackSettings(2, part='1/4'),
        PackSettings(3, part='2/3'),
    ):
        with pytest.raises(FlagError, match='already holds'):
            pack([source], out, other, quiet)
    said: list[str] = []
    assert pack([source], out, PackSettings(2, part='2/3'), said.append).images == 100
    assert all_bytes(out) == before and said == [f'Part 2/3 is in {out} already.']
    pack([source], out, PackSettings(2, part='1/3'), quiet)
    assert len(all_bytes(out)) == 4
    shard = out / 'shard-00001-of-00002-part-00002-of-00003.tar'
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(FlagError, match='already holds'):
        pack([source], out, PackSettings(2, part='2/3'), quiet)


def test_the_part_of_a_damaged_end_says_so(tmp_path, source, out):
    data = Path(source).read_bytes()
    Path(source).write_bytes(data[: len(data) // 2 + 100])
    pack([source], out, PackSettings(2, part='1/2'), quiet)
    with pytest.raises(DataError, match='cut off'):
        pack([source], out, PackSettings(2, part='2/2'), quiet)
    assert pack([source], out, PackSettings(2, part='2/2', use_damaged=True), quiet).damage


def test_a_part_of_other_data_or_of_another_order_is_refused(tmp_path, source, out):
    pack([source], out, PackSettings(2, part='1/3'), quiet)
    before = all_bytes(out)
    other = write_tar(tmp_path / 'other.tar', FILES[1:])
    changed = ([source], {'seed': 2}), ([source], {'image_size': 9})
    for sources, more in (([other], {}), ([source, other], {}), *changed):
        with pytest.raises(FlagError, match=r'holds manifest-part-00001-of-00003\.json of other archives'):
            pack(sources, out, PackSettings(2, part='2/3', **more), quiet)
    assert all_bytes(out) == before and not list(out.glob('.*'))
    copy = Path(shutil.copy(source, tmp_path / 'copy.tar'))  # its name does not matter
    pack([str(copy)], out, PackSettings(2, part='2/3'), quiet)
    (out / 'manifest-part-00001-of-00003.json').write_text('{}')
    with pytest.raises(FlagError, match='of other archives'):
        pack([source], out, PackSettings(2, part='3/3'), quiet)


def during(number, act, monkeypatch):
    """Calls a function before a shard gets its image of that number, from 1."""
    add, calls = Shard.add, itertools.count(1)

    def add_after(self, *pieces):
        if next(calls) == number:
            act()
        add(self, *pieces)

    monkeypatch.setattr(Shard, 'add', add_after)


def test_parts_of_two_packings_that_began_at_the_same_time_are_not_mixed(source, out, monkeypatch):
    during(1, lambda: pack([source], out, PackSettings(2, part='1/3', seed=7), quiet), monkeypatch)
    with pytest.raises(FlagError, match='of other archives, or of another seed'):
        pack([source], out, PackSettings(2, part='2/3'), quiet)
    assert len(all_bytes(out)) == 2 and not list(out.glob('.*'))


@pytest.mark.parametrize('calls_before', [1, 200, 300, 301, 302])
@pytest.mark.parametrize('settings', [PackSettings(2), PackSettings(2, part='1/1')])
def test_a_packing_that_was_killed_begins_anew_and_says_so(
    tmp_path, source, out, monkeypatch, settings, calls_before
):
    """It is killed between images, while shards are moved out, or before the manifest is."""
    pack([source], tmp_path / 'whole', settings, quiet)
    left, calls = tmp_path / 'left', []

    def counted(original):
        def call(*arguments):
            calls.append(original)
            if len(calls) == calls_before:
                shutil.copytree(out, left)
            return original(*arguments)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(Shard, 'add', counted(Shard.add))
        patched.setattr(Path, 'rename', counted(Path.rename))
        pack([source], out, settings, quiet)
    shutil.rmtree(out)
    left.rename(out)
    (out / 'shard-elsewhere.txt').write_text('untouched')
    said = []
    pack([source], out, settings, said.append)
    assert said == [f'Another packing into {out} was interrupted: this one begins anew.']
    (out / 'shard-elsewhere.txt').unlink()
    folders = out, tmp_path / 'whole'
    found, whole = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert found == whole


@pytest.mark.parametrize('contents', ['{}', None, 'other'])
def test_shards_of_an_earlier_packing_stay_whatever_a_killed_one_has_left(tmp_path, source, out, contents):
    """`None` is the manifest of these shards, after one was changed."""
    pack([source], out, PackSettings(2), quiet)
    manifest = (out / 'manifest.json').read_text()
    if contents is None:
        shard = out / 'shard-00000-of-00002.tar'
        shard.write_bytes(shard.read_bytes()[::-1])
    if contents == 'other':
        pack([source], tmp_path / 'other', PackSettings(2, seed=2), quiet)
        manifest = (tmp_path / 'other/manifest.json').read_text()
    before = all_bytes(out)
    (out / '.packing').mkdir()
    (out / '.packing/manifest.json').write_text(contents if contents == '{}' else manifest)
    with pytest.raises(FlagError, match='already holds'):
        pack([source], out, PackSettings(2), quiet)
    gone = {'shard-00001-of-00002.tar'} if contents is None else set()
    assert all_bytes(out) == {name: data for name, data in before.items() if name not in gone}


def test_a_folder_of_the_user_with_the_hidden_name_is_left_alone(source, out):
    (out / '.packing').mkdir(parents=True)
    (out / '.packing/notes.txt').write_text('mine')
    with pytest.raises(
        FlagError, match=r'notes\.txt is not of a packing: move it away, or name another out\.'
    ):
        pack([source], out, PackSettings(2), quiet)
    assert (out / '.packing/notes.txt').read_text() == 'mine'


def test_a_shard_that_was_cut_from_outside_is_not_reported_as_whole(source, out, monkeypatch):
    finish = Shard.finish

    def finish_and_cut(shard):
        entry = finish(shard)
        os.truncate(shard.path, 512)
        return entry

    monkeypatch.setattr(Shard, 'finish', finish_and_cut)
    with pytest.raises(LabError, match='was changed while it was written: run the same command again'):
        pack([source], out, PackSettings(2), quiet)
    assert not out.exists() or not list(out.iterdir())


def test_the_names_of_the_shards_are_synced_before_the_manifest_is_moved(tmp_path, out, monkeypatch):
    names, synced = ['shard.tar', 'manifest.json'], []
    for folder in (tmp_path / 'hidden', out):
        folder.mkdir()
    for name in names:
        (tmp_path / 'hidden' / name).touch()
    monkeypatch.setattr(
        'estimator_lab.data.shards.sync_folder',
        lambda folder: synced.append(sorted(path.name for path in folder.iterdir())),
    )
    move_out(tmp_path / 'hidden', out, names)
    assert synced == [['shard.tar'], ['manifest.json', 'shard.tar']]


def test_a_link_in_the_place_of_the_hidden_folder_is_not_followed(tmp_path, source, out):
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / 'file').write_bytes(b'untouched')
    out.mkdir()
    (out / '.packing').symlink_to(elsewhere)
    with pytest.raises(FlagError, match='cannot be written'):
        pack([source], out, PackSettings(2), quiet)
    assert (elsewhere / 'file').read_bytes() == b'untouched'


def test_a_packing_is_refused_while_another_writes_there(source, out, monkeypatch):
    def another():
        with pytest.raises(FlagError, match=r'^out=\S+ is in use by another packing: wait until it ends'):
            pack([source], out, PackSettings(2), quiet)

    during(7, another, monkeypatch)
    assert pack([source], out, PackSettings(2), quiet).images == len(FILES)
    assert verified(out)['images'] == len(FILES)


def test_without_locks_the_files_of_another_packing_stay(source, out, monkeypatch):
    def no_locks(*arguments):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(fcntl, 'flock', no_locks)
    pack([source], out, PackSettings(2), quiet)
    shutil.rmtree(out)
    (out / '.packing').mkdir(parents=True)
    (out / '.packing' / 'shard').write_bytes(b'another')
    with pytest.raises(FlagError, match=r'in use by another packing, or by one that was killed: then remove'):
        pack([source], out, PackSettings(2), quiet)
    assert (out / '.packing' / 'shard').read_bytes() == b'another'


def started(source, out):
    command = [sys.executable, '-m', 'estimator_lab.data.pack', source, f'--out={out}', '--shards=2']
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize('delay', [0, 0.05, 0.2, 0.4])
def test_the_same_command_twice_at_once_gives_one_whole_result_and_sentences(source, out, delay):
    begun = []
    for pause in (0, delay):
        time.sleep(pause)
        begun.append(started(source, out))
    ended = [(*process.communicate(timeout=300), process.returncode) for process in begun]
    assert sorted(status for _, _, status in ended) == [0, 2], ended
    for text, errors, status in ended:
        assert ('Images    300' in text, errors) == (True, '') if status == 0 else errors.count('\n') == 1
    assert verified(out)['images'] == 300 and not list(out.glob('.*'))


@pytest.mark.parametrize('delay', [0.2, 0.4])
def test_after_a_kill_the_same_command_gives_a_whole_result(source, out, delay):
    process = started(source, out)
    time.sleep(delay)
    process.kill()
    process.communicate()
    if not (out / 'manifest.json').exists():
        _, errors = started(source, out).communicate(timeout=300)
        assert errors == ''
    assert verified(out)['images'] == 300 and not list(out.glob('.*'))
