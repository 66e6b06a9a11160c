"""Untrusted folders: only files of a packing are read, changed or removed."""

import json
import os
import threading

import pytest

from estimator_lab.data.packing import packing
from estimator_lab.data.packing.packing import pack
from estimator_lab.data.packing.shards import MANIFEST, PackSettings, verify
from estimator_lab.errors import DataError, FlagError
from tests.pack_files import FILES, quiet, write_tar

SHARD = 'shard-00000-of-00001.tar'


def check(folder):
    return verify(folder, lambda *_: None)


@pytest.fixture
def source(tmp_path):
    return write_tar(tmp_path / 'source.tar', FILES[:20])


@pytest.fixture
def packed(tmp_path, source):
    """A folder of one shard with its manifest."""
    pack([source], tmp_path / 'packed', PackSettings(1), quiet)
    return tmp_path / 'packed'


@pytest.fixture
def precious(tmp_path):
    """A file of the user next to the folders."""
    path = tmp_path / 'precious'
    path.write_text('mine')
    return path


def fields_of(folder):
    return json.loads((folder / MANIFEST).read_text())


def prepare(out, manifest):
    """Makes `out` a folder in which a run seems to have been killed while it moved its shards."""
    (out / '.packing').mkdir(parents=True)
    (out / '.packing' / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    'name', ['{precious}', '../precious', 'sub/../../precious', 'link', 'notes.txt', SHARD]
)
def test_packing_removes_no_file_that_an_untrusted_manifest_names(tmp_path, source, packed, precious, name):
    out, manifest = tmp_path / 'out', fields_of(packed)
    manifest['shards'][0]['file'] = name.format(precious=precious)
    prepare(out, manifest)
    (out / 'notes.txt').write_text('mine')
    (out / 'link').symlink_to(precious)
    if name == SHARD:  # it has the name, but is another file
        (out / SHARD).write_text('mine')
        with pytest.raises(FlagError, match='already holds shard-00000'):
            pack([source], out, PackSettings(1), quiet)
        assert (out / SHARD).read_text() == 'mine'
    else:
        pack([source], out, PackSettings(1), quiet)
        assert check(out).images == 20
    assert precious.read_text() == (out / 'notes.txt').read_text() == 'mine'
    assert (out / 'link').is_symlink()


def test_finished_shards_stay_whatever_is_in_the_hidden_folder(source, packed):
    before = (packed / SHARD).read_bytes()
    prepare(packed, fields_of(packed))
    with pytest.raises(FlagError, match=r'already holds manifest\.json'):
        pack([source], packed, PackSettings(1), quiet)
    assert (packed / SHARD).read_bytes() == before


def test_shards_that_a_killed_run_had_moved_are_removed(source, packed):
    (packed / '.packing').mkdir()
    (packed / MANIFEST).rename(packed / '.packing' / MANIFEST)
    pack([source], packed, PackSettings(2), quiet)
    assert len(check(packed).shards) == 2
    assert not (packed / SHARD).exists() and not (packed / '.packing').exists()


@pytest.mark.parametrize('inside', ['notes.txt', 'sub', 'pile-00000.tar/x', MANIFEST + '/x'])
def test_a_hidden_folder_with_other_files_is_left_alone(tmp_path, source, inside):
    out = tmp_path / 'out'
    path = out / '.packing' / inside
    path.parent.mkdir(parents=True)
    path.write_text('mine')
    with pytest.raises(FlagError, match=r'\.packing holds .*, which is not from an unfinished run: remove '):
        pack([source], out, PackSettings(1), quiet)
    assert path.read_text() == 'mine'


def test_a_hidden_folder_that_is_a_link_or_a_file(tmp_path, source, packed):
    for number, make in enumerate((lambda p: p.symlink_to(packed), lambda p: p.write_text('mine'))):
        out = tmp_path / f'out{number}'
        out.mkdir()
        make(out / '.packing')
        with pytest.raises(FlagError, match=r'holds \.packing, which is not the folder of an unfinished run'):
            pack([source], out, PackSettings(1), quiet)
        assert os.path.lexists(out / '.packing') and check(packed).images == 20


def test_links_and_pipes_in_a_hidden_folder_are_left_alone(tmp_path, source, precious):
    out = tmp_path / 'out'
    (out / '.packing').mkdir(parents=True)
    (out / '.packing' / MANIFEST).symlink_to(precious)
    with pytest.raises(FlagError, match=r"holds 'manifest\.json', which is not from an unfinished run"):
        pack([source], out, PackSettings(1), quiet)
    (out / '.packing' / MANIFEST).unlink()
    os.mkfifo(out / '.packing' / MANIFEST)
    with pytest.raises(FlagError, match='which is not from an unfinished run'):
        pack([source], out, PackSettings(1), quiet)


def test_a_link_that_leads_nowhere_counts_as_a_file(tmp_path, source):
    out = tmp_path / 'out'
    out.mkdir()
    (out / MANIFEST).symlink_to(tmp_path / 'nowhere')
    with pytest.raises(FlagError, match=r'already holds manifest\.json'):
        pack([source], out, PackSettings(1), quiet)


# Manifests.


def of_shard(**changes):
    return lambda fields: {**fields, 'shards': [{**fields['shards'][0], **changes}]}


def fields(**changes):
    return lambda fields: {**fields, **changes}


NAMES = ['/etc/passwd', f'../packed/{SHARD}', f'./{SHARD}', f'sub/{SHARD}', '', '.', 'x.tar', f'{SHARD}\n']


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        *((of_shard(file=name), 'not shard-NUMBER-of-COUNT') for name in NAMES),
        (of_shard(images='20'), r"its shards\[0\]\.images is '20', not a whole number"),
        (of_shard(images=True), r'its shards\[0\]\.images is True'),
        (of_shard(images=-20), 'has -20 images'),
        (of_shard(images=19), 'the images of its shards do not add up to the 20'),
        (of_shard(bytes=1e3), r'its shards\[0\]\.bytes is 1000\.0'),
        (of_shard(bytes=2**70), 'not a whole number of at most 63 bits'),
        (of_shard(bytes=-1), 'in -1 bytes'),
        (of_shard(sha256=7), r'its shards\[0\]\.sha256 is 7, not a text'),
        (of_shard(sha256='x' * 64), 'the sha256 of shard'),
        (of_shard(colour='red'), r"its shards\[0\] has an unknown field 'colour'"),
        (fields(labels={'a': 'many'}), r"its labels\['a'\] is 'many'"),
        (fields(labels={'n000': 21, 'a': -1}), 'the images of its labels do not add up'),
        (fields(labels={}), 'the images of its labels do not add up'),
        (fields(shards={}), r'its shards is \{\}, not a list'),
        (fields(shards=[7]), r'its shards\[0\] is 7, not an object'),
        (lambda fields: {**fields, 'shards': 2 * fields['shards']}, f'it names {SHARD} twice'),
        (fields(format=3), 'its format is 3, not a text'),
        (fields(format='shards 9'), "has the format 'shards 9', not 'estimator_lab shards 1'"),
        (fields(settings=None), 'its settings is None'),
        (fields(skipped=[1]), r'its skipped\[0\] is 1'),
        (lambda fields: {}, 'has no field'),
        (lambda fields: [], 'not an object'),
    ],
)
def test_every_field_of_a_manifest_is_checked(packed, change, words):
    (packed / MANIFEST).write_text(json.dumps(change(fields_of(packed))))
    with pytest.raises(DataError, match=words) as caught:
        check(packed)
    assert str(caught.value).startswith(str(packed / MANIFEST)) and '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('[' * 100_000, 'nested more than'),
        ('{"images": NaN}', 'NaN'),
        ('{"format": "1", "format": "2"}', 'twice'),
        ('{', 'cannot be read as a manifest of shards'),
        (None, '^There is no file'),
    ],
)
def test_invalid_or_missing_manifests(packed, text, words):
    (packed / MANIFEST).write_text(text) if text else (packed / MANIFEST).unlink()
    with pytest.raises(DataError, match=words):
        check(packed)


def test_a_manifest_of_a_gigabyte(packed):
    with (packed / MANIFEST).open('r+b') as file:
        file.truncate(10**9)
    with pytest.raises(DataError, match='it has 1,000,000,000 bytes, 67,108,864 are allowed'):
        check(packed)


# Verifying.


def test_a_link_is_not_a_shard_even_if_it_leads_to_the_right_bytes(tmp_path, packed):
    (packed / SHARD).rename(tmp_path / 'elsewhere.tar')
    (packed / SHARD).symlink_to(tmp_path / 'elsewhere.tar')
    with pytest.raises(DataError, match=f'{SHARD} is not a shard: it is a link'):
        check(packed)


def test_a_pipe_instead_of_a_shard_does_not_block(packed):
    (packed / SHARD).unlink()
    os.mkfifo(packed / SHARD)
    caught = []

    def verify_it():
        with pytest.raises(DataError) as error:
            check(packed)
        caught.append(str(error.value))

    thread = threading.Thread(target=verify_it, daemon=True)
    thread.start()
    thread.join(20)
    assert caught and 'is not a shard: it is not a regular file' in caught[0]


def test_published_shards_stay_if_the_program_is_stopped_afterwards(tmp_path, source, monkeypatch):
    out, publish = tmp_path / 'out', packing._publish

    def stop(*arguments):
        publish(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, '_publish', stop)
    with pytest.raises(KeyboardInterrupt):
        pack([source], out, PackSettings(1), quiet)
    assert check(out).images == 20
