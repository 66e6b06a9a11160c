"""The cache folder of a user who has none."""

import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.sources.files import SkippedFiles, _temporary_cache, cache_folder
from estimator_lab.data.sources.source import expand


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
