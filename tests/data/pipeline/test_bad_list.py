"""The list of bad images: one row each, from every process, whatever state the file was left in."""

import csv
import os
import threading

import pytest

from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.pipeline.bad_examples import BadExamples
from estimator_lab.data.pipeline.bad_list import BadList
from estimator_lab.data.pipeline.report import InputReport

HEAD = b'archive,member,offset,reason\r\n'
GOOD = b'x.tar,a/1.jpg,512,broken\r\n'
OTHER = b'x.tar,"a/2,""3"".jpg",1024,"odd, too"\n'


def rows(path):
    with path.open(newline='', encoding='utf-8') as file:
        return list(csv.reader(file))


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'bad_members.csv'


def test_training_and_evaluation_list_an_image_once(path):
    shared = BadExamples(listed=BadList(path))
    for report in (InputReport(lambda line: None, bad_examples=shared) for _ in range(2)):
        report.count(Member('x.tar', 'a/1.jpg', 512, b''), BadExampleError('broken'))
    assert path.read_bytes() == HEAD + GOOD


@pytest.mark.parametrize(
    ('damage', 'count'),
    [
        (b'x.tar,a/9.jpg,20', 1),  # killed while it was written
        (b'x.tar,"a/9.jpg', 1),
        (b'x.tar,' + b'y' * 200_000 + b',512,broken\r\n', 2),
        (b'x.tar,\xff\xfe.jpg,512,broken\r\n', 1),
        (b'x.tar,a\0b.jpg,512,broken\r\n', 1),
        (b'x.tar,a.jpg,no number,broken\r\n', 1),
        (b'x.tar,a.jpg,512,broken,x.tar,b.jpg,1024,broken\r\n', 1),
        (b'\r\n', 1),
    ],
)
@pytest.mark.parametrize('at_end', [True, False])
def test_damage_is_reported_and_good_rows_are_kept(path, damage, count, at_end):
    glued = b'' if at_end or damage.endswith(b'\n') else b'\r\n'
    path.write_bytes(HEAD + GOOD + (OTHER + damage if at_end else damage + glued + OTHER))
    lines = []
    BadList(path, lines.append).add('x.tar', 'a/1.jpg', 512, 'broken')
    (line,) = lines
    assert line.startswith(f'Warning: {count} of {count + 3} lines of {path} were damaged and are left out')
    assert path.read_bytes() == HEAD + GOOD + OTHER.replace(b'\n', b'\r\n')
    BadList(path, lines.append).add('x.tar', 'a/9.jpg', 2048, 'broken')
    assert len(lines) == 1 and rows(path)[-1] == ['x.tar', 'a/9.jpg', '2048', 'broken']


def test_every_row_is_a_line_that_can_be_read_again(path):
    lines = []
    listed = BadList(path, lines.append)
    strange = ['y' * 200_000, '\udcff', '=1+1,"', '\r\n', '\u2028']
    strange += [f'a\n{chr(n)}"\0.jpg' for n in range(0x20)]
    for _ in range(2):
        for name in strange:
            listed.add('x.tar', name, 512, 'broken')
        listed = BadList(path, lines.append)
    assert not lines and len(rows(path)) == 1 + len(strange)
    assert all(len(row) == 4 and all(map(str.isprintable, row)) for row in rows(path))
    assert max(len(row[1]) for row in rows(path)) == 4099


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir, None])
def test_a_list_that_cannot_be_written_is_no_error(path, make):
    path = path if make else path / 'of a folder' / 'that is missing.csv'
    if make:
        make(path)
    lines = []
    listed = BadList(path, lines.append)
    for n in range(3):
        listed.add('x.tar', f'{n}.jpg', n, 'broken')
    (line,) = lines
    assert line.startswith(f'{path} cannot be written (') and 'counted, not listed' in line


def test_threads_share_it(path):
    listed = BadList(path)
    threads = [
        threading.Thread(target=lambda: [listed.add('x.tar', f'{n}.jpg', n, 'broken') for n in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row[1] for row in rows(path)[1:]) == sorted(f'{n}.jpg' for n in range(50))


def test_a_row_is_the_same_however_it_is_quoted(path):
    path.write_bytes(HEAD + b'x.tar,"a/1.jpg",512,"broken"\n' + GOOD)
    report = InputReport(lambda line: None, bad_examples=BadExamples(listed=BadList(path)))
    report.count(Member('x.tar', 'a/1.jpg', 512, b''), BadExampleError('broken'))
    assert path.read_bytes() == HEAD + GOOD


def test_rows_of_an_archive_that_was_modified_are_left_out(path, tmp_path):
    """It may have been repaired; of a folder each file counts for itself."""
    archive, folder = tmp_path / 'x.tar', tmp_path / 'photos'
    archive.write_bytes(b'as it was')
    folder.mkdir()
    for name in ('1.jpg', '2.jpg'):
        (folder / name).write_bytes(b'')
    archives = [str(archive), f'{folder}/']
    listed = BadList(path, archives=archives)
    listed.add(str(archive), 'a/1.jpg', 512, 'broken')
    for number in (1, 2):
        listed.add(f'{folder}/', f'{number}.jpg', number, 'empty')
    listed.add('gone.tar', 'a/1.jpg', 512, 'broken')
    assert len(listed.places()) == len(BadList(path, archives=archives).places()) == 3, 'not those of others'
    later = path.stat().st_mtime_ns + 10**9
    os.utime(folder / '2.jpg', ns=(later, later))
    other = BadList(path.with_name('bad_members.worker0.csv'), archives=archives)
    assert {place[1] for place in other.places_of_others()} == {'a/1.jpg', '1.jpg'}
    os.utime(archive, ns=(later, later))
    assert {place[1] for place in BadList(path, archives=archives).places()} == {'1.jpg'}
    assert [row[1] for row in rows(path)[1:]] == ['1.jpg', 'a/1.jpg']
