"""Archives on a web server that fails as servers and networks do; read as local ones are."""

import gzip
import random
import re

import pytest
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.pipeline.paths import ExampleInput
from estimator_lab.data.storage import files, http
from estimator_lab.data.tar.index import build_index
from estimator_lab.data.tar.sources import expand_archives
from estimator_lab.data.tar.stream import scan_members, stream_members

from estimator_lab.data.member import read_members
from estimator_lab.data.tar import skipping_file
from estimator_lab.errors import DataError
from tests.archive_files import tar_bytes
from tests.meeting import Meeting

_RNG = random.Random(1)
MEMBERS = {
    f'{"abc"[number % 3]}/{number:03}.jpg': _RNG.randbytes(_RNG.randrange(20_000, 60_000))
    for number in range(60)
}
PLAIN = tar_bytes(MEMBERS)


@pytest.fixture
def url(web):
    return web.put('/a.tar', PLAIN)


def local(tmp_path, data=PLAIN):
    path = tmp_path / 'local.tar'
    path.write_bytes(data)
    return str(path)


def read_all(archives):
    members = list(archives.order(shuffle_buffer=2, seed=3).epoch(0))
    return [(member.name, member.label, member.data) for member in read_members(members)]


def test_it_is_indexed_shuffled_and_read_as_a_file_is(web, url, tmp_path):
    opened, expected = open_archives([url]), open_archives([local(tmp_path)])
    assert opened.has_random_access and opened.sources[0].fingerprint == expected.sources[0].fingerprint
    assert read_all(opened) == read_all(expected)
    assert [m[1:] for m in stream_members(url)] == [m[1:] for m in stream_members(local(tmp_path))]


def test_a_second_start_reads_almost_nothing(web, url):
    open_archives([url])
    web.requests.clear()
    member = next(open_archives([url]).order(shuffle_buffer=2).onwards(31))
    assert member.read().data
    assert web.bytes_sent < 100_000


@pytest.mark.parametrize('are_close', [True, False])
def test_its_headers_are_found_by_many_reads_at_once(web, url, tmp_path, monkeypatch, are_close):
    monkeypatch.setattr(skipping_file, '_FIRST_BYTES_ELSEWHERE', 100_000)
    monkeypatch.setattr(skipping_file, '_CLOSE', 10**6 if are_close else 0)
    assert list(scan_members(url)) == list(scan_members(local(tmp_path)))
    sent = web.bytes_sent / len(PLAIN)
    assert 0.9 < sent < 1.3 if are_close else sent < 0.9  # here each 4 MB are searched for a header


@pytest.mark.parametrize('fault', ['resets', 'cuts', 'wholes'])
def test_faults_change_nothing(web, url, tmp_path, fault):
    setattr(web, fault, 0.05)
    assert read_all(open_archives([url])) == read_all(open_archives([local(tmp_path)]))
    assert [m.data for m in stream_members(url)] == list(MEMBERS.values())


def test_a_connection_that_stalls_is_replaced(web, url, monkeypatch):
    monkeypatch.setattr(http, 'SILENT_SECONDS', 0.3)
    web.stalls = 0.05
    assert len(read_all(open_archives([url]))) == 60


@pytest.mark.parametrize('fault', ['resets', 'cuts', 'wholes'])
def test_attempts_are_bounded(web, url, fault):
    archives = open_archives([url])
    setattr(web, fault, 1.0)
    with pytest.raises(DataError, match=r"a\.tar' cannot be read any more: .*, 8 times\.$"):
        read_all(archives)


@pytest.mark.parametrize('compress', [bytes, gzip.compress])
def test_a_server_without_ranges_is_read_from_the_beginning(web, compress):
    web.has_ranges = False
    url = web.put('/b.tar', compress(PLAIN))
    archives = open_archives([url])
    assert archives.total == 60 and not archives.has_random_access
    web.cuts = web.resets = 0.2
    assert [m.data for m in archives.order().epoch(0)] == list(MEMBERS.values())
    web.cuts = web.resets = 0
    assert [m.data for m in ExampleInput([url]).epoch(0)] == list(MEMBERS.values())


def test_compressed(web):
    archives = open_archives([web.put('/c.tar.gz', gzip.compress(PLAIN))])
    assert not archives.has_random_access
    web.resets = web.cuts = 0.05
    assert [m.data for m in archives.order().epoch(0)] == list(MEMBERS.values())


def test_a_file_that_changes_is_an_error_and_then_indexed_anew(web, url):
    archives = open_archives([url])
    before = build_index(url).fingerprint
    web.put('/a.tar', tar_bytes({name: data[::-1] for name, data in MEMBERS.items()}))
    with pytest.raises(DataError, match='it has changed since it was opened: start again'):
        read_all(archives)
    assert read_all(open_archives([url]))[0][2][::-1] in MEMBERS.values()
    web.put('/a.tar', tar_bytes({'a/1.jpg': b'1', 'b/2.jpg': b'2'}))
    assert open_archives([url]).total == 2 and build_index(url).fingerprint != before


def test_without_an_etag_the_size_and_the_headers_are_compared(web, url):
    del web.etags['/a.tar']
    archives = open_archives([url])
    web.files['/a.tar'] = PLAIN[:-1024]
    with pytest.raises(DataError, match='it has changed'):
        read_all(archives)
    web.files['/a.tar'] = PLAIN.replace(b'.jpg', b'.png')
    with pytest.raises(DataError, match=r'has changed since it was indexed: .* Start again'):
        read_all(archives)


@pytest.mark.parametrize(
    ('status', 'body', 'words'),
    [
        (403, 'Forbidden', 'cannot be read: the server answers 403 Forbidden: check the credentials'),
        (401, '', 'cannot be read: the server answers 401 Unauthorized: check the credentials'),
        (403, '<Message>Request has expired</Message>', 'have expired: renew them'),
        (400, '<Code>ExpiredToken</Code>', 'have expired: renew them'),
        (404, '', "^There is no file '"),
        (410, '', "^There is no file '"),
        (418, '', "cannot be read: the server answers 418 I'm a Teapot"),
        (503, '', 'cannot be read: the server answers 503 Service Unavailable, 8 times'),
    ],
)
def test_an_answer_that_is_an_error(web, url, status, body, words):
    web.statuses['/a.tar'] = status, body
    for read in (lambda: open_archives([url]), lambda: list(stream_members(url))):
        with pytest.raises(DataError, match=words) as caught:
            read()
        assert str(caught.value).endswith('.') and url in str(caught.value)


def test_credentials_that_expire_in_the_middle(web, url):
    archives = open_archives([url])
    web.statuses['/a.tar'] = 403, 'The provided token has expired.'
    with pytest.raises(DataError, match=r'cannot be read any more: .*have expired: renew them'):
        read_all(archives)


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (b'<!DOCTYPE html><html>Not here</html>' * 50, 'is not a tar archive'),
        (b'', 'is an empty file'),
        (PLAIN[:100_000], 'is cut off'),
    ],
)
def test_a_file_that_is_no_archive(web, data, words):
    with pytest.raises(DataError, match=words):
        open_archives([web.put('/x.tar', data)])


def test_a_server_that_is_not_there(monkeypatch):
    pytest.importorskip('aiohttp')
    monkeypatch.setattr(files, 'FIRST_PAUSES', (0.001,))
    with pytest.raises(
        DataError, match=r'cannot be read: the connection failed \(Connection refused\), 2 times'
    ):
        open_archives(['http://127.0.0.1:9/a.tar'])


def test_credentials_are_sent_and_never_shown(web, url, tmp_path, capsys):
    secret = re.sub('//', '//user:PASSWORD@', url) + '?X-Amz-Signature=SIGNATURE&X-Amz-Expires=9'
    said = []
    archives = open_archives([secret], say=said.append)
    assert web.headers[-1] == (
        '/a.tar?X-Amz-Signature=SIGNATURE&X-Amz-Expires=9',
        'Basic dXNlcjpQQVNTV09SRA==',
    )
    texts = [*said, *archives.paths, *(m.key for m in archives.order().epoch(0)), *map(str, archives.sources)]
    web.statuses['/a.tar'] = 403, 'token has expired'
    with pytest.raises(DataError) as caught:
        read_all(archives)
    texts.append(str(caught.value))
    for text in texts:
        assert 'PASSWORD' not in text and 'SIGNATURE' not in text and 'user' not in text
    assert archives.paths == (f'{url}?...',)


def test_passwords_and_proxies_of_the_environment(web, url, tmp_path, monkeypatch):
    (tmp_path / 'netrc').write_text('machine 127.0.0.1 login user password PASSWORD\n')
    monkeypatch.setenv('NETRC', str(tmp_path / 'netrc'))
    open_archives([url])
    assert web.headers[-1] == ('/a.tar', 'Basic dXNlcjpQQVNTV09SRA==')
    monkeypatch.setenv('http_proxy', web.address)
    monkeypatch.setenv('NO_PROXY', 'example.com')
    monkeypatch.setenv('no_proxy', 'example.com')
    with pytest.raises(DataError, match='There is no file'):
        open_archives(['http://127.0.0.1:9/b.tar'])
    assert web.headers[-1][0] == 'http://127.0.0.1:9/b.tar'  # as a proxy is asked


@pytest.mark.parametrize(
    'url', ['http://', 'http://[::1/a.tar', 'http://h:port/a.tar', 'https://user:pass/w@h/a']
)
def test_a_url_that_is_none(web, url):
    with pytest.raises(DataError, match='cannot be read: it is not a valid URL') as caught:
        open_archives([url])
    assert 'pass' not in str(caught.value)


def test_the_same_file_signed_again_has_the_same_index(web, url):
    open_archives([f'{url}?part=1&Signature=one&Expires=1'])
    web.requests.clear()
    open_archives([f'{url}?part=1&Signature=two&Expires=2'])
    assert len(web.requests) == 1


def test_urls_that_differ_in_their_query_are_two_archives(web, url):
    first, second = expand_archives([f'{url}?id=1,{url}?id=2'])
    assert (first, second) == (f'{url}?...', f'{url}?...#2')
    assert expand_archives([f'{url}?id=1']) == [first] and expand_archives([second]) == [second]
    assert len(list(stream_members(second))) == 60
    assert [path for path, _ in web.headers][-1].endswith('?id=2')


def test_many_ranges_are_under_way(web, url):
    archives = open_archives([url])
    members = list(archives.order(shuffle_buffer=2).epoch(0))
    web.meeting = Meeting(4)
    assert len(read_members(members)) == 60
    assert web.meeting.complete.is_set()
