"""Archives to pack, and the members of packed ones."""

import io
import random
import tarfile

from estimator_lab.data.index import scan_members

FILES = [
    (f'train/n{label:03}/{number:03}.jpg', random.Random(100 * label + number).randbytes(20 + 9 * number))
    for label in range(5)
    for number in range(60)
]


def write_tar(path, files=FILES, compress=bytes):
    """Writes an archive as other programs do, with owners and dates."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mtime, info.uid, info.uname = 1234567890, 7, 'someone'
            archive.addfile(info, io.BytesIO(data))
    path.write_bytes(compress(buffer.getvalue()))
    return str(path)


def quiet(line):
    """Shows nothing."""


def packed(folder):
    """(name, data) of all members, shard by shard."""
    return [
        [(member.name, member.data) for member in stream_members(path)]
        for path in sorted(folder.glob('*.tar'))
    ]
