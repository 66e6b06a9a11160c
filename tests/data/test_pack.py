"""The command that packs archives, and the check of what it packed."""

import gzip
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from estimator_lab.data.packing.packing import pack
from estimator_lab.data.packing.shards import MANIFEST, PackSettings, verify
from estimator_lab.data.tar.sources import expand_archives

from estimator_lab.errors import DataError
from tests.pack_files import FILES, packed, quiet, write_tar
from tests.places import ROOT

# Verifying.


def shown(folder):
    with pytest.raises(DataError) as caught:
        verify(folder, lambda *_: None)
    return str(caught.value)


def test_verify(source, out):
    manifest = pack([source], out, PackSettings(2), quiet)
    shares = []
    assert verify(out, lambda done, share: shares.append(share)) == manifest
    assert shares == sorted(shares)
    assert shares[-1] == 1
    first = out / 'shard-00000-of-00002.tar'
    data = first.read_bytes()
    first.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    assert shown(out).startswith(f'{first} has changed')
    first.write_bytes(data[:-1])
    assert shown(out).startswith(f'{first} has {len(data) - 1:,} bytes')
    first.unlink()
    assert shown(out) == f'{first} is in the manifest, but missing.'
    first.write_bytes(data)
    (out / 'shard-00007-of-00009.tar').write_bytes(data)
    assert shown(out) == f'{out / "shard-00007-of-00009.tar"} is not in {out / MANIFEST}.'


# The command.


@pytest.fixture
def command(run_python):
    return lambda *arguments: run_python('-m', 'estimator_lab.data.pack', *arguments)


def test_the_printed_glob_names_no_other_files_of_the_folder(command, source, out):
    out.mkdir()
    for name in ('test.tar', 'shard.tar'):
        write_tar(out / name, FILES[:1])
    done = command(source, f'--out={out}', '--shards=2')
    (glob,) = (part for part in shlex.split(done.stdout) if part.startswith('--data='))
    assert expand_archives([glob.removeprefix('--data=')]) == [
        str(out / f'shard-0000{number}-of-00002.tar') for number in range(2)
    ]


def test_command(command, source, out):
    done = command(source, f'--out={out}', '--shards=3')
    assert (done.returncode, done.stderr) == (0, '')
    assert 'Images    300 of 5 labels' in done.stdout
    next_line = done.stdout.splitlines()[-1]
    assert f'--data={shlex.quote(f"{out}/shard-*-of-00003.tar")}' in next_line
    done = command('--verify', str(out))
    assert done.stdout == f'OK: {out} holds 300 images in 3 shards, as packed.\n'
    (out / 'shard-00001-of-00003.tar').unlink()
    done = command('--verify', str(out))
    assert done.returncode == 1
    assert done.stderr.startswith(f'error: {out}/shard-00001-of-00003.tar is in the manifest')


def test_standard_input(tmp_path, out):
    source = write_tar(tmp_path / 'a.tar.gz', compress=gzip.compress)
    arguments = [sys.executable, '-m', 'estimator_lab.data.pack', '-', f'--out={out}', '--shards=2']
    with Path(source).open('rb') as file:
        subprocess.run(arguments, stdin=file, cwd=ROOT, check=True, capture_output=True)
    assert Counter(member for shard in packed(out) for member in shard) == Counter(FILES)


@pytest.mark.parametrize(
    ('arguments', 'status', 'sentence'),
    [
        ([], 2, 'ARCHIVE|FOLDER... is missing'),
        (['SOURCE', '--shards=2'], 2, '--out is missing'),
        (['SOURCE', '--out=OUT'], 2, '--shards is missing'),
        (['SOURCE', '--out=OUT', '--shards=0'], 2, '--shards'),
        (['SOURCE', '--out=OUT', '--shards=2', '--quality=80'], 2, '--quality needs --image_size'),
        (['SOURCE', '--out=OUT', '--shards=2', '--image_size=9', '--quality=101'], 2, '--quality'),
        (['SOURCE', '--out=OUT', '--verify'], 2, '--verify and --out exclude each other'),
        (['SOURCE', '--out=SOURCE', '--shards=2'], 2, 'is a file, not a folder'),
        (['gone.tar', '--out=OUT', '--shards=2'], 1, "There is no file 'gone.tar'"),
        (['SOURCE', '--out=/dev/null/x', '--shards=2'], 2, 'cannot be written'),
    ],
)
def test_mistakes_give_one_sentence(command, source, out, arguments, status, sentence):
    filled = [argument.replace('SOURCE', source).replace('OUT', str(out)) for argument in arguments]
    done = command(*filled)
    assert (done.returncode, done.stdout) == (status, '')
    assert done.stderr.startswith('error: ')
    assert done.stderr.count('\n') == 1
    assert sentence in done.stderr
    assert not out.exists()


def test_help_needs_no_tensorflow(run_python):
    done = run_python('-X', 'importtime', '-m', 'estimator_lab.data.pack', '--help')
    assert '--image_size' in done.stdout and len(done.stdout.splitlines()) < 30
    imported = {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}
    assert 'estimator_lab.data' in imported and not imported & {'tensorflow', 'numpy', 'PIL'}
