"""Archives in object stores: S3 as moto's server speaks it, and the errors without the packages."""

import importlib.util
from collections.abc import Iterator

import pytest
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.storage import failures, files, object_store, packages
from estimator_lab.data.tar.sources import expand_archives

from estimator_lab.data.member import read_members
from estimator_lab.errors import DataError
from tests.archive_files import tar_bytes

MEMBERS = {f'{"ab"[number % 2]}/{number}.jpg': bytes([number]) * 5000 for number in range(20)}


@pytest.fixture(scope='module')
def endpoint() -> Iterator[str]:
    pytest.importorskip('s3fs')
    pytest.importorskip('flask_cors')
    server = pytest.importorskip('moto.server').ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f'http://{host}:{port}'
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch):
    """A bucket with two archives; the client that fills it."""
    import boto3
    import fsspec

    monkeypatch.setattr(failures, 'PAUSES', (0.001, 0.001))
    monkeypatch.setattr(files, 'FIRST_PAUSES', (0.001, 0.001))
    monkeypatch.setattr(files, '_opened', {})
    settings = {'AWS_ACCESS_KEY_ID': 'id', 'AWS_SECRET_ACCESS_KEY': 'SECRET', 'AWS_ENDPOINT_URL': endpoint}
    for name, value in {**settings, 'AWS_DEFAULT_REGION': 'us-east-1', 'NO_PROXY': '127.0.0.1'}.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem('s3').clear_instance_cache()
    client = boto3.client('s3', endpoint_url=endpoint)
    client.create_bucket(Bucket='bucket')
    for name in ('a-0.tar', 'a-1.tar'):
        client.put_object(Bucket='bucket', Key=name, Body=tar_bytes(MEMBERS))
    return client


def read_all(archives):
    return sorted(
        (m.name, m.data) for m in read_members(list(archives.order(shuffle_buffer=2, seed=1).epoch(0)))
    )


@pytest.mark.parametrize('pattern', ['a-*.tar', 'a-{0..1}.tar', 'a-?.tar'])
def test_archives_in_s3(bucket, pattern):
    archives = open_archives([f's3://bucket/{pattern}'])
    assert archives.paths == ('s3://bucket/a-0.tar', 's3://bucket/a-1.tar')
    assert archives.has_random_access and read_all(archives) == sorted(2 * [*MEMBERS.items()])


def test_an_object_that_changes(bucket, monkeypatch):
    archives = open_archives(['s3://bucket/a-0.tar'])
    monkeypatch.setattr(object_store, '_CHECK_SECONDS', -1.0)
    bucket.put_object(Bucket='bucket', Key='a-0.tar', Body=tar_bytes(dict(reversed(MEMBERS.items()))))
    with pytest.raises(DataError, match='it has changed since it was opened'):
        read_all(archives)
    assert read_all(open_archives(['s3://bucket/a-0.tar'])) == sorted(MEMBERS.items())


def test_what_is_not_there(bucket):
    for url in ('s3://bucket/none.tar', 's3://nobucket/a.tar'):
        with pytest.raises(DataError, match=f"^There is no file '{url}'"):
            open_archives([url])
    with pytest.raises(DataError, match="No file matches 's3://bucket/x"):
        expand_archives(['s3://bucket/x*.tar'])
    bucket.put_object(Bucket='bucket', Key='folder/a.tar', Body=b'')
    with pytest.raises(DataError, match="'s3://bucket/folder' cannot be read: it is a folder, not a file"):
        open_archives(['s3://bucket/folder'])


def test_no_access(bucket, monkeypatch):
    import botocore.exceptions

    for error, words in (
        (PermissionError('The provided token has expired.'), 'have expired .*: renew them'),
        (PermissionError('Access Denied'), r'access is denied \(Access Denied\): check the credentials'),
        (botocore.exceptions.NoCredentialsError(), 'access is denied .*: check the credentials'),
        (botocore.exceptions.EndpointConnectionError(endpoint_url='x'), 'the connection failed .*, 3 times'),
        (botocore.exceptions.ReadTimeoutError(endpoint_url='x'), 'no answer came in time, 3 times'),
    ):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr('s3fs.S3FileSystem.info', fail)
        with pytest.raises(DataError, match=f's3://bucket/a-0.tar. cannot be read: .*{words}'):
            open_archives(['s3://bucket/a-0.tar'])


@pytest.mark.parametrize(
    ('url', 'missing', 'words'),
    [
        ('https://u:SECRET@h/a.tar', 'fsspec', r"fsspec and aiohttp: pip install 'estimator-lab\[remote\]'"),
        ('https://h/a.tar', 'aiohttp', r"'https://h/a\.tar' is read by fsspec and aiohttp: pip install"),
        ('s3://b/a.tar', 's3fs', r"fsspec and s3fs: pip install 'estimator-lab\[remote\]'$"),
        ('az://b/a.tar', 'adlfs', r"adlfs: pip install 'estimator-lab\[remote\]' adlfs$"),
        ('hf://datasets/x/a.tar', 'huggingface_hub', r"'estimator-lab\[remote\]' huggingface_hub$"),
    ],
)
def test_a_missing_package(url, missing, words, monkeypatch):
    def find_spec(name):
        return None if name in (missing, 'tensorflow_io') else importlib.util.find_spec('json')

    monkeypatch.setattr(packages, 'find_spec', find_spec)
    with pytest.raises(DataError, match=words) as caught:
        open_archives([url])
    assert 'SECRET' not in str(caught.value)


def test_tensorflow_reads_google_cloud_storage_without_gcsfs(monkeypatch):
    monkeypatch.setattr(packages, 'find_spec', lambda name: None if name == 'gcsfs' else True)
    assert not packages.uses_fsspec('gs://bucket/a.tar') and not packages.uses_fsspec('ram://a.tar')
    assert packages.uses_fsspec('https://h/a.tar') and packages.uses_fsspec('S3://b/a.tar')
