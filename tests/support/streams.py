"""Archives for the tests of sources, and functions that read them by their paths."""

import tarfile
from collections import Counter

from estimator_lab.base.errors import DataError
from estimator_lab.data.archives import indexing
from estimator_lab.data.archives.opened import Archives, open_archives
from estimator_lab.data.archives.order import StreamOrder
from estimator_lab.data.examples.member import BadExampleError, read_members
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources import formats
from estimator_lab.data.sources.reading import Scan
from estimator_lab.data.sources.source import source_of
from tests.support.archive_files import write_tar

FILES = {
    'train/a/1.jpg': b'one',
    'train/a/2.PNG': b'',
    'train/b/3.jpeg': bytes(range(256)) * 5,
    'train/b/4.jpg': b'x' * 512,
    'train/c/5.jpg': b'five',
}


def special(name, type, linkname=''):
    info = tarfile.TarInfo(name)
    info.type = type
    info.linkname = linkname
    return info


def stream_members(path, kind=IMAGES, note=lambda words: None):
    """Yields the members of a source with their data."""
    scan = Scan(note=note)
    yield from formats.scan_members(source_of(path), kind, scan)
    scan.skipped.report(note)


def scan_headers(path, kind=IMAGES, note=lambda words: None, table=None):
    """Yields the members of a source without their data."""
    scan = Scan(headers_only=True, note=note)
    yield from formats.scan_members(source_of(path)._replace(table=table), kind, scan)
    scan.skipped.report(note)


def build_index(path, kind=IMAGES, table=None, **options):
    return indexing.build_index(source_of(path)._replace(table=table), kind, **options)


def open_index(path, kind=IMAGES, table=None, **options):
    return indexing.open_index(source_of(path)._replace(table=table), kind, **options)


def read_until_error(archive, read=stream_members, **options):
    """Returns the members that were read, and the DataError that ended reading, or None."""
    members = []
    try:
        members.extend(read(archive, **options))  # `extend` keeps what came before an exception
    except DataError as error:
        return members, error
    return members, None


def names(members):
    return [member.name for member in members]


def keys(examples):
    return [example.key for example in examples]


def keys_of(batches):
    return [key for batch in batches for key in batch.keys]


def names_of(index):
    """Returns the names of all members of an index."""
    return [index.name(row) for row in range(len(index))]


def data_of(member):
    """Returns the data of a member, or why it has none."""
    try:
        return member.read().data
    except BadExampleError as reason:
        return str(reason)


def found_in(members):
    """Returns what is known of members, with their data."""
    return [(m.name, m.offset, m.label, m.size, data_of(m)) for m in members]


def members_of(index):
    """Returns what is known of all members of an index, read one by one."""
    return found_in(index.member(row) for row in range(len(index)))


def counts_of(index):
    """Returns the number of members of an index by label."""
    return Counter(index.labels[number] for number in index.label_ids.tolist())


def opened(*paths, **options):
    """Returns opened archives of images."""
    return open_archives(paths, IMAGES, **options)


def stream_order(archive, shuffle_buffer=1, seed=0):
    """Returns the order of an archive's images without an index."""
    return StreamOrder(Archives((source_of(archive),), IMAGES), shuffle_buffer, seed)


def read_all(archives):
    """Returns name, label and data of all members, shuffled."""
    members = list(archives.order(shuffle_buffer=2, seed=3).epoch(0))
    return [
        (member.name, member.label, data) for member, data in zip(members, read_members(members), strict=True)
    ]


def rewrite(archive, path, rename=lambda n, name: name, data=lambda n, data: data):
    """Writes the members of an archive again under other names or with other bytes; returns the path."""
    members = enumerate(stream_members(archive))
    return str(write_tar(path, [(rename(n, each.name), data(n, each.data)) for n, each in members]))
