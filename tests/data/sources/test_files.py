"""The cache folder of a user who has none."""

import gzip
import io
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.sources.entries import Forward, HeaderError
from estimator_lab.data.sources.files import SkippedFiles, _temporary_cache, cache_folder
from estimator_lab.data.sources.reading import open_stored
from estimator_lab.data.sources.source import DamagedError, Source, decompressed, expand, source_of
from estimator_lab.data.sources.stores import RemoteError
from tests.support.archive_files import encoded, picture, tar_bytes, write_folder
from tests.support.streams import names, opened, read_all, stream_members


def test_a_user_without_home_and_entry_in_passwd_gets_a_temporary_cache(monkeypatch, capsys):
    """Containers run so: `docker run --user=12345`."""

    def unknown(number):
        raise KeyError(f'getpwuid(): uid not found: {number}')

    monkeypatch.setattr(pwd, 'getpwuid', unknown)
    for name in ('HOME', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    _temporary_cache.cache_clear()
    folder = cache_folder()
    assert folder == cache_folder() and folder.parent.is_dir()
    err = capsys.readouterr().err
    assert err.count('There is no home folder: caches are in') == 1
    with pytest.raises(DataError, match=r"There is no file '~/x\.tar'"):
        expand(['~/x.tar'])


def test_the_temporary_cache_ends_with_its_process():
    code = 'from estimator_lab.data.sources import files; print(files._temporary_cache().name)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert 'estimator_lab_' in done.stdout
    assert not Path(done.stdout.strip()).exists()


def test_skipped_files_are_counted_by_suffix_up_to_a_number_of_them():
    skipped, said = SkippedFiles(), []
    for number in range(2000):
        skipped.count(f'a.s{number}')
    for name in ('a.s7', 'b.heic', '.hidden'):
        skipped.count(name)
    skipped.report(said.append)
    assert said == [] and 's7' in skipped.instead()


def test_files_without_a_suffix_are_examples_by_their_first_bytes(tmp_path):
    png = encoded(picture(1))
    write_folder(
        tmp_path / 'folder', {'a/one': png, 'a/two': b'a text', 'b/three.png': b'', 'b/four.txt': png}
    )
    assert names(stream_members(f'{tmp_path}/folder/')) == ['a/one', 'b/three.png']


def test_a_pattern_whose_last_part_is_no_pattern(tmp_path):
    write_folder(tmp_path, {'a/x.tar': b'', 'b/y.tar': b''})
    assert [source.name for source in expand([f'{tmp_path}/*/x.tar'])] == [f'{tmp_path}/a/x.tar']


def test_a_pipe_has_no_random_access_and_a_stream_goes_forward_only():
    assert open_stored(source_of('-')) is None
    stream = Forward(io.BytesIO(bytes(900)), None)
    stream.seek(600)
    with pytest.raises(HeaderError, match='a header points back to byte 599'):
        stream.seek(599)
    stream.seek(600)


def failing(data, error):
    """Returns a file that ends with an error."""

    class Failing(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            nonlocal data
            if not data:
                raise error
            part, data = data[: len(buffer)], data[len(buffer) :]
            buffer[: len(part)] = part
            return len(part)

    return io.BufferedReader(Failing())


@pytest.mark.parametrize(
    ('error', 'raised'), [(OSError(5, 'Input/output error'), OSError), (ValueError('no'), DamagedError)]
)
def test_a_file_that_cannot_be_read_is_not_a_damaged_one(error, raised):
    file = decompressed(failing(gzip.compress(bytes(range(256)) * 99)[:300], error))
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the type is compared
        file.read()
    assert type(caught.value) is raised


def test_an_empty_member_is_not_requested(web):
    web.put('/a.tar', tar_bytes({'a/1.jpg': b'', 'a/2.jpg': b'two'}))
    found = read_all(opened(f'{web.address}/a.tar'))
    assert sorted((name, data) for name, _, data in found) == [('a/1.jpg', b''), ('a/2.jpg', b'two')]


@pytest.mark.parametrize(
    ('bytes_sent', 'words'),
    [
        (0, r'cannot be read: it is gone\.'),
        (2000, r'is not readable any further at byte \d+ of its tar .*: it is gone'),
    ],
)
def test_a_server_that_fails_is_no_damaged_archive(monkeypatch, bytes_sent, words):
    data = tar_bytes({'a/1.jpg': b'1', 'a/2.jpg': bytes(9000)})[:bytes_sent]
    monkeypatch.setattr(Source, 'open', lambda source: failing(data, RemoteError('it is gone')))
    with pytest.raises(DataError, match=rf"^'https://example\.com/a\.tar' {words}"):
        list(stream_members('https://example.com/a.tar'))
