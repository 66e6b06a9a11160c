"""Archives on a web server that fails as servers and networks do, and in object stores."""

import gzip
import pickle
import random
import re
import time
from unittest import mock

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.archives.index_file import SUFFIX
from estimator_lab.data.archives.opened import open_stream
from estimator_lab.data.examples.member import read_members
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources import reading, remote, room, stores
from tests.support.archive_files import tar_bytes
from tests.support.streams import build_index, found_in, names, opened, read_all, scan_headers, stream_members
from tests.support.web_server import Meeting

pytestmark = pytest.mark.usefixtures('short_pauses')

ANSWER, ASKED = 'the server answers', 'to a request for its bytes 0 to 511'
REMEDY = 'check the URL and the connection, or download the file'
_RNG = random.Random(1)
MEMBERS = {
    f'{"abc"[number % 3]}/{number:03}.jpg': _RNG.randbytes(_RNG.randrange(20_000, 60_000))
    for number in range(60)
}
PLAIN = tar_bytes(MEMBERS)


@pytest.fixture
def url(web):
    return web.put('/a.tar', PLAIN)


@pytest.fixture
def local(tmp_path):
    path = tmp_path / 'local.tar'
    path.write_bytes(PLAIN)
    return str(path)


def test_it_is_indexed_shuffled_and_read_as_a_file_is(web, url, local):
    archives, expected = opened(url), opened(local)
    assert archives.has_random_access
    assert archives.identities[0].fingerprint == expected.identities[0].fingerprint
    assert read_all(archives) == read_all(expected)
    assert found_in(stream_members(url)) == found_in(stream_members(local))
    assert names(scan_headers(url)) == names(scan_headers(local))


def shards(web, count):
    """Serves archives; returns a pattern for their URLs."""
    for number in range(count):
        members = {f'{number}/{name}': data for name, data in MEMBERS.items()}
        web.put(f'/s-{number:02}.tar', tar_bytes(members))
    return f'{web.address}/s-{{00..{count - 1:02}}}.tar'


@pytest.mark.slow
@pytest.mark.parametrize('megabytes', [0, 100])
def test_several_are_opened_side_by_side_and_by_one_request_each_later(web, megabytes):
    remote.keep(megabytes * 2**20)
    pattern = shards(web, 12)
    web.meeting = Meeting(12)
    first = opened(pattern)
    assert web.meeting.complete.is_set()
    assert first.total == 12 * len(MEMBERS)
    assert list(first.paths) == [f'{web.address}/s-{number:02}.tar' for number in range(12)]
    assert [index.source.name for index in first.indexes] == list(first.paths)
    web.headers.clear()
    remote.opened.clear()
    again = opened(pattern)
    assert again.has_random_access and again.identities == first.identities
    assert sorted(path for path, _ in web.headers) == [f'/s-{number:02}.tar' for number in range(12)]


def test_an_archive_is_read_once_to_index_it(web):
    """Skips over small members go on with the pieces under way; other openings read little of it."""
    large = tar_bytes({f'a/{number:04}.jpg': bytes(11_000) for number in range(1500)})
    archives = opened(web.put('/large.tar', large))
    assert archives.total == 1500 and len(large) > 2**24
    assert web.bytes_sent <= 1.3 * len(large) and len(web.requests) < 40


def test_adjacent_members_are_read_by_one_request(web, url):
    members = list(opened(url).order().epoch(0))
    web.requests.clear()
    chosen = [*members[:20], members[40], members[25], members[41]]
    assert read_members(chosen) == [MEMBERS[member.name] for member in chosen]
    assert len(web.requests) == 3


def test_archives_are_read_side_by_side(web):
    archives = opened(shards(web, 12))
    members = [archives.indexes[number].member(7) for number in range(12)]
    web.meeting = Meeting(12)
    assert len(set(read_members(members))) == 1
    assert web.meeting.complete.is_set()


def test_an_index_next_to_each_of_several_is_requested_once(web, tmp_path):
    pattern = shards(web, 3)
    for number in range(3):
        (tmp_path / 'a.tar').write_bytes(web.files[f'/s-{number:02}.tar'])
        build_index(str(tmp_path / 'a.tar')).write(tmp_path / 'index')
        web.put(f'/s-{number:02}.tar{SUFFIX}', (tmp_path / 'index').read_bytes())
    remote.keep(1 * 2**20)  # which the indexes fit, and the archives do not
    first = opened(pattern)
    web.headers.clear()
    remote.opened.clear()
    assert opened(pattern).identities == first.identities and len(web.headers) == 3


def test_of_several_that_fail_the_first_is_reported(web):
    pattern = shards(web, 9)
    for number in (4, 7):
        web.statuses[f'/s-{number:02}.tar'] = 404, ''
    with pytest.raises(DataError, match=r"s-04.tar' cannot be read: there is no such file\.$"):
        opened(pattern)


def test_what_is_unusual_about_several_is_said_in_their_order(web):
    for number in range(9):
        web.put(f'/s-{number:02}.tar', PLAIN[:-1024])  # without its end
    said = []
    opened(f'{web.address}/s-{{00..08}}.tar', say=said.append)
    assert [re.findall(r's-\d\d', line) for line in said] == [[f's-{number:02}'] for number in range(9)]


def test_all_that_are_fetched_at_once_fit_into_the_cache_together(web, tmp_path):
    remote.keep(10 * 2**20)
    opened(shards(web, 12))  # of 2.4 MB each
    kept = [path.stat().st_size for path in (tmp_path / 'cache/estimator_lab/remote').iterdir()]
    assert len(kept) > 1 and sum(kept) <= 10 * 2**20 and not room._reserved


def test_an_archive_that_fits_the_cache_is_fetched_once(web, url, local):
    """While it is indexed; then each epoch, and each start, reads the copy."""
    remote.keep(10 * 2**20)
    for _ in range(2):
        archives = opened(url)
        for _ in range(2):
            assert read_all(archives) == read_all(opened(local))
        assert len(PLAIN) < web.bytes_sent < len(PLAIN) + 4 * 512
        remote.opened.clear()
    web.put('/a.tar', tar_bytes({'a/1.jpg': b'1', 'b/2.jpg': b'2'}))  # under another ETag
    assert opened(url).total == 2


@pytest.mark.parametrize('has_ranges', [True, False])
def test_a_compressed_archive_is_fetched_once_too(web, has_ranges):
    remote.keep(10 * 2**20)
    web.has_ranges = has_ranges
    packed = gzip.compress(PLAIN)
    archives = opened(web.put('/c.tar.gz', packed))
    for _ in range(3):
        assert [m.data for m in archives.order().epoch(0)] == list(MEMBERS.values())
    if has_ranges:
        assert web.bytes_sent < len(packed) + 8 * 512


@pytest.mark.parametrize('megabytes', [0, 10])
@pytest.mark.parametrize('fault', ['resets', 'cuts', 'wholes'])
def test_faults_change_nothing(web, url, local, fault, megabytes):
    remote.keep(megabytes * 2**20)
    setattr(web, fault, 0.05)
    assert read_all(opened(url)) == read_all(opened(local))
    assert [m.data for m in stream_members(url)] == list(MEMBERS.values())


@pytest.mark.parametrize('fault', ['resets', 'cuts', 'wholes'])
def test_attempts_are_bounded(web, url, fault):
    archives = opened(url)
    setattr(web, fault, 1.0)
    with pytest.raises(DataError, match=f"a.tar' cannot be read any more: .*, 8 times: {REMEDY}.$"):
        read_all(archives)


@pytest.mark.parametrize('compress', [bytes, gzip.compress])
def test_a_server_without_ranges_is_read_from_the_beginning(web, compress):
    web.has_ranges = False
    url = web.put('/b.tar', compress(PLAIN))
    archives = opened(url)
    assert archives.total == 60 and not archives.has_random_access
    assert [m.data for m in archives.order().epoch(0)] == list(MEMBERS.values())
    assert [m.data for m in open_stream([url], IMAGES).order().epoch(0)] == list(MEMBERS.values())


def test_an_index_next_to_the_archive_serves_all_machines(web, url, local, tmp_path):
    remote.keep(1 * 2**20)  # which the index fits, and the archive does not
    build_index(local).write(tmp_path / 'index')
    web.put(f'/a.tar{SUFFIX}', (tmp_path / 'index').read_bytes())
    assert read_all(opened(url)) == read_all(opened(local))
    assert web.bytes_sent < 1.2 * len(PLAIN)  # it was not scanned
    web.requests.clear()
    remote.opened.clear()
    opened(url)
    assert web.bytes_sent < 10_000  # the index is in the cache
    web.put('/b.tar', PLAIN + bytes(512))
    web.put(f'/b.tar{SUFFIX}', (tmp_path / 'index').read_bytes())  # of another size
    web.put('/c.tar', PLAIN)
    web.put(f'/c.tar{SUFFIX}', b'nonsense')
    assert opened(f'{web.address}/b.tar').total == opened(f'{web.address}/c.tar').total == 60


def test_a_file_that_changes_is_an_error_and_then_indexed_anew(web, url):
    archives = opened(url)
    web.put('/a.tar', tar_bytes({name: data[::-1] for name, data in MEMBERS.items()}))
    with pytest.raises(DataError, match='it has changed since it was opened: start again'):
        read_all(archives)
    assert read_all(opened(url))[0][2][::-1] in MEMBERS.values()


def test_without_an_etag_the_size_and_the_headers_are_compared(web, url):
    remote.keep(10 * 2**20)
    del web.etags['/a.tar']
    archives = opened(url)
    web.files['/a.tar'] = PLAIN[:-1024]
    with pytest.raises(DataError, match='another part of the file'):
        read_all(archives)
    web.files['/a.tar'] = PLAIN.replace(b'.jpg', b'.png')
    with pytest.raises(DataError, match='has changed since it was indexed'):
        read_all(archives)


@pytest.mark.parametrize(
    ('status', 'words'),
    [
        (403, f'access is denied .{ANSWER} 403 Forbidden {ASKED}.: check the credentials, or sign the URL'),
        (401, f'access is denied .{ANSWER} 401 Unauthorized {ASKED}.: check the credentials, or'),
        (404, 'there is no such file'),
        (410, 'there is no such file'),
        (418, f"{ANSWER} 418 I'm a Teapot {ASKED}: {REMEDY}"),
        (503, f'{ANSWER} 503 Service Unavailable {ASKED}, 8 times: {REMEDY}'),
        (504, f'{ANSWER} 504 Gateway Timeout {ASKED}, 8 times: {REMEDY}'),
    ],
)
def test_an_answer_that_is_an_error(web, url, status, words):
    web.statuses['/a.tar'] = status, 'words'
    for read in (lambda: opened(url), lambda: list(stream_members(url))):
        with pytest.raises(DataError, match=f"^'{url}' cannot be read: {words}"):
            read()


def test_an_error_of_aiohttp_and_silence_are_clauses(web, url, monkeypatch):
    aiohttp = pytest.importorskip('aiohttp')
    from fsspec.exceptions import FSTimeoutError

    raised = [
        (aiohttp.ClientResponseError(None, (), status=416, message='No Range'), f'{ANSWER} 416 No Range: '),
        (aiohttp.ClientResponseError(None, (), status=0), 'the answer of the server is not HTTP, 8 times: '),
        (FSTimeoutError(), 'the server sent nothing for 15 seconds, 8 times: '),
    ]
    for error, words in raised:
        monkeypatch.setattr(stores.WebFile, 'facts', mock.Mock(side_effect=error))
        with pytest.raises(DataError, match=f"a.tar' cannot be read: {words}{REMEDY}.$"):
            opened(url)


def test_a_server_that_is_not_there():
    pytest.importorskip('aiohttp')
    with pytest.raises(DataError, match=r'cannot be read: Cannot connect to host .*, 8 times'):
        opened('http://127.0.0.1:9/a.tar')


def test_a_missing_package_is_said_at_once(monkeypatch):
    def missing(url):
        raise ImportError('HTTPFileSystem requires "requests" and "aiohttp" to be installed')

    started = time.monotonic()
    monkeypatch.setattr(remote, 'WebFile', missing)
    monkeypatch.setattr(remote, 'PAUSES', (60.0,))
    with pytest.raises(DataError, match=r"aiohttp.*: pip install 'estimator-lab\[remote\]'\.$"):
        opened('https://user:SECRET@h/a.tar')
    assert time.monotonic() - started < 5
    with pytest.raises(DataError, match='cannot be read: '):
        opened('strange://x.tar')


def test_credentials_are_sent_and_never_shown(web, url):
    query, said = 'X-Amz-Signature=SIGNATURE&X-Amz-Expires=9', []
    archives = opened(f'{url.replace("//", "//user:PASSWORD@")}?{query}', say=said.append)
    assert web.headers[-1] == (f'/a.tar?{query}', 'Basic dXNlcjpQQVNTV09SRA==')
    texts = [*said, *map(str, archives.identities), *(m.key for m in archives.order().epoch(0))]
    web.statuses['/a.tar'] = 403, 'token has expired'
    with pytest.raises(DataError) as caught:
        read_all(archives)
    for text in (*texts, str(caught.value)):
        assert 'PASSWORD' not in text and 'SIGNATURE' not in text and 'user' not in text
    assert archives.paths == (f'{url}?...',)


def test_a_second_start_reads_almost_nothing_also_if_signed_again(web, url):
    opened(f'{url}?part=1&Signature=one&Expires=1')
    web.requests.clear()
    remote.opened.clear()
    archives = opened(f'{url}?part=1&Signature=two&Expires=2')
    assert web.bytes_sent < 3000
    assert next(archives.order(shuffle_buffer=2).onwards(31)).read().data and web.bytes_sent < 100_000


def test_the_cache_is_listed_once_for_many_archives(web, monkeypatch):
    remote.keep(100 * 2**20)
    listed, make_room = [], room._make_room
    monkeypatch.setattr(room, '_make_room', lambda *arguments: listed.append(1) or make_room(*arguments))
    opened(shards(web, 12))
    assert len(listed) == 1


@pytest.mark.parametrize('how', ['gone', 'fetched again'])
def test_a_copy_that_another_job_removed_from_the_cache_is_missed_by_none(web, url, tmp_path, how):
    """It is read by ranges, also in a process that gets the archives pickled."""
    remote.keep(100 * 2**20)
    archives = opened(url)
    sent = pickle.dumps(archives.indexes[0])
    expected = archives.indexes[0].member(3).read().data
    (copy,) = (path for path in (tmp_path / 'cache').glob('**/remote/*') if path.stat().st_size == len(PLAIN))
    reading._opened.cache_clear()
    copy.unlink()
    if how == 'fetched again':
        copy.write_bytes(PLAIN)
    web.requests.clear()
    assert archives.indexes[0].member(3).read().data == expected
    assert pickle.loads(sent).member(3).read().data == expected
    assert (how != 'gone' or web.bytes_sent) and web.bytes_sent < len(PLAIN)


def test_a_full_cache_keeps_no_more_than_it_may(web, monkeypatch, tmp_path):
    remote.keep(2 * len(PLAIN) + 2**19)
    monkeypatch.setattr(room, '_COUNTED_SECONDS', (1e9, 1e9))
    opened(shards(web, 12))
    kept = sum(path.stat().st_size for path in (tmp_path / 'cache').glob('**/remote/*'))
    assert len(PLAIN) < kept <= remote.bytes_kept
