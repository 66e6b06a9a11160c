"""Parts of a packing, and a packing that goes on where it was stopped."""

import gzip
import os
import re
import shutil
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.data import pack as packing
from estimator_lab.data.archives.data_set import open_archives
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.pack import Settings
from estimator_lab.data.shards import Shard
from estimator_lab.data.sources.source import expand
from tests.support.archive_files import encoded, picture
from tests.support.pack_files import FILES, all_bytes, quiet, write_tar
from tests.support.pack_files import packing as pack
from tests.support.streams import stream_members

pytestmark = pytest.mark.once


def parts_packed(sources, out, count, shards=2, **settings):
    for number in range(1, count + 1):
        pack(sources, out, Settings(shards, part=f'{number}/{count}', **settings), quiet)


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
        found = packed_part(out, f'-part-{number:05}-of-{count:05}')
        own = FILES[(number - 1) * 300 // count : number * 300 // count]
        assert sorted(found) == sorted(own)
    assert open_archives([f'{out}/shard-*.tar'], IMAGES).total == len(FILES)


def packed_part(folder, suffix):
    return [
        (member.name, member.data)
        for path in sorted(folder.glob(f'*{suffix}.tar'))
        for member in stream_members(path)
    ]


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
    settings = Settings(1, part='3/3', use_damaged=True)
    assert not pack([str(cut), source], out, settings, quiet).damage


def test_a_part_replaces_no_other_packing(source, out):
    pack([source], out, Settings(2, part='2/3'), quiet)
    before = all_bytes(out)
    for other in (Settings(2), Settings(3, part='1/3'), Settings(2, part='1/4'), Settings(2, part='2/3')):
        with pytest.raises(FlagError, match='already holds'):
            pack([source], out, other, quiet)
    assert all_bytes(out) == before
    pack([source], out, Settings(2, part='1/3'), quiet)
    assert len(all_bytes(out)) == 4


def test_the_part_of_a_damaged_end_says_so(tmp_path, source, out):
    data = Path(source).read_bytes()
    Path(source).write_bytes(data[: len(data) // 2 + 100])
    pack([source], out, Settings(2, part='1/2'), quiet)
    with pytest.raises(DataError, match='cut off'):
        pack([source], out, Settings(2, part='2/2'), quiet)
    assert pack([source], out, Settings(2, part='2/2', use_damaged=True), quiet).damage


@pytest.fixture
def stopped(monkeypatch, tmp_path):
    """Stops a packing after some images, as a signal does, or SIGKILL; progress is stored every 20."""

    def _stopped(after, is_killed, sources, out, settings):
        monkeypatch.setattr(packing, '_STORED_EVERY', 20)
        add, calls, left = Shard.add, [], tmp_path / 'left'

        def failing_add(self, *pieces):
            calls.append(pieces)
            if len(calls) == after:
                shutil.copytree(out, left)
                raise KeyboardInterrupt
            add(self, *pieces)

        with monkeypatch.context() as patched:
            patched.setattr(Shard, 'add', failing_add)
            with pytest.raises(KeyboardInterrupt):
                pack(sources, out, settings, quiet)
        if is_killed:
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(left, out)
        shutil.rmtree(left)

    return _stopped


@pytest.mark.parametrize('is_killed', [False, True], ids=['signal', 'kill'])
@pytest.mark.parametrize(
    'settings', [Settings(3), Settings(3, part='2/2'), Settings(3, image_size=20, max_bad_fraction=0.5)]
)
@pytest.mark.parametrize('compress', [bytes, gzip.compress], ids=['plain', 'gz'])
def test_a_packing_that_was_stopped_goes_on(
    tmp_path, out, stopped, monkeypatch, compress, settings, is_killed
):
    files = [(f'a/{i}.png', encoded(picture(i, 30, 30)) if i % 7 else b'bad') for i in range(160)]
    source = write_tar(tmp_path / 'source.tar', files, compress)
    pack([source], tmp_path / 'whole', settings, quiet)
    stopped(5, is_killed, [source], out, settings)
    for _ in range(2):
        stopped(30, is_killed, [source], out, settings)
        assert not list(out.glob('[!.]*'))  # nothing half done looks whole
    added, add = [], Shard.add
    monkeypatch.setattr(Shard, 'add', lambda self, *pieces: added.append(pieces) or add(self, *pieces))
    manifest = pack([source], out, settings, quiet)
    assert len(added) <= manifest.images - 2 * (30 - 20)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / 'whole').iterdir()
    }


@pytest.mark.parametrize('change', ['seed', 'source', 'shard', 'progress', 'link'])
def test_what_something_else_has_left_begins_anew(tmp_path, source, out, stopped, change):
    stopped(100, False, [source], out, Settings(2))
    hidden = sorted(out.glob('.shard*'))
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.write_bytes(b'untouched')
    if change == 'source':
        write_tar(Path(source), FILES[:200])
    elif change == 'shard':
        hidden[1].write_bytes(b'short')
    elif change == 'progress':
        (out / '.manifest.json.unfinished').write_text('{"of": [1], "skipped": [3]}')
    elif change == 'link':
        hidden[0].unlink()
        hidden[0].symlink_to(elsewhere)
    settings = Settings(2, seed=2 if change == 'seed' else 1)
    pack([source], out, settings, quiet)
    pack([source], tmp_path / 'whole', settings, quiet)
    assert all_bytes(out) == all_bytes(tmp_path / 'whole') and not list(out.glob('.*'))
    assert elsewhere.read_bytes() == b'untouched'


@pytest.mark.parametrize('compress', [bytes, gzip.compress], ids=['plain', 'gz'])
def test_a_pipe_has_no_parts(tmp_path, out, compress):
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(FlagError, match=r"part=1/2 needs archives that are stored: '.*pipe' is a pipe"):
        pack([str(tmp_path / 'pipe')], out, Settings(2, part='1/2'), quiet)
    assert not out.exists()


# The command.
