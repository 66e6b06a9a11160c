"""Archives for the tests of streams, and functions that read them."""

import tarfile

from estimator_lab.data.index import scan_members
from estimator_lab.errors import DataError

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


def read_until_error(archive, read=stream_members):
    """Returns the members that were read, and the DataError that ended reading, or None."""
    members = []
    try:
        members.extend(read(archive))  # `extend` keeps what came before an exception
    except DataError as error:
        return members, error
    return members, None


def names(members):
    return [member.name for member in members]


def members_of(index):
    """Returns all members of an index, read one by one."""
    return [index.member(row).read() for row in range(len(index))]
