"""Archives in an object store: moto's S3, and a store that knows no conditions."""

import time

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.sources import remote, stores
from tests.support.archive_files import tar_bytes
from tests.support.streams import opened, read_all

pytestmark = pytest.mark.usefixtures('short_pauses')
MemoryFileSystem = pytest.importorskip('fsspec.implementations.memory').MemoryFileSystem


@pytest.fixture(scope='module')
def endpoint():
    pytest.importorskip('s3fs')
    pytest.importorskip('flask_cors')
    server = pytest.importorskip('moto.server').ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f'http://{host}:{port}'
    server.stop()


SMALL = {f'{"ab"[number % 2]}/{number}.jpg': bytes([number]) * 5000 for number in range(20)}


@pytest.fixture
def bucket(endpoint, monkeypatch):
    """A bucket with two archives; the client that fills it."""
    import boto3
    import fsspec

    settings = {'AWS_ACCESS_KEY_ID': 'id', 'AWS_SECRET_ACCESS_KEY': 'SECRET', 'AWS_ENDPOINT_URL': endpoint}
    for name, value in {**settings, 'AWS_DEFAULT_REGION': 'us-east-1'}.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem('s3').clear_instance_cache()
    client = boto3.client('s3', endpoint_url=endpoint)
    client.create_bucket(Bucket='bucket')
    for name in ('a-0.tar', 'a-1.tar'):
        client.put_object(Bucket='bucket', Key=name, Body=tar_bytes(SMALL))
    return client


@pytest.mark.slow
@pytest.mark.parametrize('megabytes', [0, 10])
@pytest.mark.parametrize('pattern', ['a-*.tar', 'a-{0..1}.tar', 'a-?.tar'])
def test_archives_in_s3(bucket, pattern, megabytes):
    remote.keep(megabytes * 2**20)
    archives = opened(f's3://bucket/{pattern}')
    assert archives.paths == ('s3://bucket/a-0.tar', 's3://bucket/a-1.tar') and archives.has_random_access
    assert sorted((name, data) for name, _, data in read_all(archives)) == sorted(2 * [*SMALL.items()])


OTHERS = {name: data[::-1].replace(data[:1], b'x') for name, data in SMALL.items()}


def test_an_object_that_is_replaced_during_an_epoch(bucket):
    """By one of the same size, with the same names and headers."""
    assert len(tar_bytes(OTHERS)) == len(tar_bytes(SMALL))
    archives = opened('s3://bucket/a-0.tar')
    members = archives.order(shuffle_buffer=2).onwards(0)
    assert next(members).read().data in SMALL.values()
    bucket.put_object(Bucket='bucket', Key='a-0.tar', Body=tar_bytes(OTHERS))
    with pytest.raises(DataError, match='it has changed since it was opened: start again'):
        next(members).read()
    assert {data for _, _, data in read_all(opened('s3://bucket/a-0.tar'))} == set(OTHERS.values())


def test_a_store_without_conditions_is_asked_now_and_then(monkeypatch):
    info, etags = MemoryFileSystem.info, ['one']
    monkeypatch.setattr(
        MemoryFileSystem, 'info', lambda self, path, **options: {**info(self, path), 'ETag': etags[0]}
    )
    MemoryFileSystem().pipe_file('/a.tar', tar_bytes(SMALL))
    members = opened('memory://a.tar').order().onwards(0)
    assert next(members).read().data in SMALL.values()
    etags[0] = 'two'
    assert next(members).read().data in SMALL.values()
    now = time.monotonic()
    monkeypatch.setattr(stores.time, 'monotonic', lambda: now + 11)
    with pytest.raises(DataError, match='it has changed since it was opened: start again'):
        next(members).read()


@pytest.fixture
def memory():
    """A store in memory with archives in folders."""
    store = MemoryFileSystem()
    for name in ('top.tar', 'a/1.tar', 'a/2.tar', 'b/1.tar', 'b/c/3.tar', '.d/4.tar', 'e[1]/5.tar'):
        store.pipe_file(f'/globs/{name}', tar_bytes(SMALL))
    yield store
    store.rm('/globs', recursive=True)


GLOBS = ['*.tar', '*/1.tar', '*/*.tar', '**/*.tar', '**/**/3.tar', 'b/**/?.tar', '[ab]/c/*', 'no/*.tar']


@pytest.mark.parametrize('pattern', GLOBS)
def test_a_glob_means_what_it_means_to_fsspec(memory, pattern):
    found = remote.matches(f'memory:///globs/{pattern}')
    assert found == [f'memory://{name}' for name in memory.glob(f'/globs/{pattern}')]


def test_a_glob_keeps_the_host_and_the_account(monkeypatch):
    """Which the path in a store lacks, as in az://container@account/x.tar and ssh://host/x.tar."""
    import fsspec

    class Hosted(MemoryFileSystem):
        protocol = ('hosted',)

        @classmethod
        def _strip_protocol(cls, path):
            host, _, inside = path.removeprefix('hosted://').partition('/')
            container = host.partition('@')[0] if '@' in host else ''
            return f'/{container}/{inside}'.replace('//', '/') if '://' in path else path.rstrip('/')

    fsspec.register_implementation('hosted', Hosted, clobber=True)
    monkeypatch.setattr(Hosted, 'store', {})
    monkeypatch.setattr(Hosted, 'pseudo_dirs', [''])
    for folder in ('/box/x', '/x'):
        Hosted().pipe_file(f'{folder}/1.tar', tar_bytes(SMALL))
    for pattern in ('box@acct.example/x/*.tar', 'host/x/*.tar', 'host/**/1.tar', 'box@acct.example/**'):
        first = remote.matches(f'hosted://{pattern}')[-1]
        assert first == f'hosted://{pattern.partition("/")[0]}/x/1.tar'
        assert len(opened(first).indexes[0]) == len(SMALL)


def test_two_stars_at_the_end_are_files(memory):
    assert remote.matches('memory:///globs/b/**') == ['memory:///globs/b/1.tar', 'memory:///globs/b/c/3.tar']


@pytest.mark.parametrize('pattern', ['*/1.tar', '**/1.tar', 'b/*.tar'])
def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(memory, monkeypatch, pattern):
    listing = type(memory).ls

    def ls(self, path, **options):
        if path.startswith('/globs/b'):
            raise PermissionError('Forbidden')
        return listing(self, path, **options)

    monkeypatch.setattr(type(memory), 'ls', ls)
    with pytest.raises(DataError, match=r'cannot be read: access is denied \(Forbidden\)'):
        opened(f'memory:///globs/{pattern}')


def test_a_folder_that_contains_itself(memory, monkeypatch):
    def ls(self, path, **options):
        return [{'name': f'{path.rstrip("/")}/again', 'type': 'directory'}]

    monkeypatch.setattr(type(memory), 'ls', ls)
    with pytest.raises(DataError, match='cannot be read: it has folders more than 100 levels deep'):
        opened('memory:///globs/**/*.tar')


def test_globs_of_folders_in_s3(bucket):
    for name in ('x/1.tar', 'y/1.tar', 'y/z/2.tar', 'y/'):
        bucket.put_object(Bucket='bucket', Key=f'globs/{name}', Body=b'')
    assert remote.matches('s3://bucket/globs/*/*.tar') == [f's3://bucket/globs/{n}/1.tar' for n in 'xy']
    assert remote.matches('s3://bucket/globs/y/*') == ['s3://bucket/globs/y/1.tar', 's3://bucket/globs/y/z']
    assert remote.matches('s3://bucket/globs/**/2.tar') == ['s3://bucket/globs/y/z/2.tar']


def test_a_folder_of_a_store_is_no_archive_and_missing_bytes_are_an_error(monkeypatch):
    MemoryFileSystem().pipe_file('/folder.tar/inner', b'x')
    with pytest.raises(DataError, match='it is a folder, not a file'):
        opened('memory://folder.tar')
    MemoryFileSystem().pipe_file('/b.tar', tar_bytes(SMALL))
    members = opened('memory://b.tar').order().onwards(0)
    cat = MemoryFileSystem.cat_file
    monkeypatch.setattr(MemoryFileSystem, 'cat_file', lambda *given, **more: cat(*given, **more)[:-1])
    with pytest.raises(DataError, match=r'[\d,]+ bytes arrived of [\d,]+'):
        next(members).read()
