"""Archives in an object store: moto's S3, and a store that knows no conditions."""

import time

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.sources import remote, stores
from tests.support.archive_files import tar_bytes
from tests.support.streams import opened, read_all

pytestmark = [pytest.mark.once, pytest.mark.usefixtures('short_pauses')]


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


@pytest.mark.parametrize('megabytes', [0, 10])
@pytest.mark.parametrize('pattern', ['a-*.tar', 'a-{0..1}.tar', 'a-?.tar'])
def test_archives_in_s3(bucket, pattern, megabytes):
    remote.MEGABYTES_KEPT = megabytes
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
    from fsspec.implementations.memory import MemoryFileSystem

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
