"""Archives to pack, and the members of packed ones."""

import hashlib
import io
import json
import random
import tarfile

from estimator_lab.data import pack
from estimator_lab.data.sources.source import expand
from tests.support.streams import stream_members

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


def all_bytes(folder):
    """Returns {name: bytes} of the shards in a folder."""
    return {path.name: path.read_bytes() for path in folder.glob('*.tar')}


def quiet(line):
    """Shows nothing."""


def packed(folder):
    """(name, data) of all members, shard by shard."""
    return [
        [(member.name, member.data) for member in stream_members(path)]
        for path in sorted(folder.glob('*.tar'))
    ]


def verified(folder):
    """Returns the manifest of shards, which has to describe all of them as they are."""
    manifest = json.loads((folder / 'manifest.json').read_text())
    shards = manifest['shards']
    assert sorted(shard['file'] for shard in shards) == sorted(path.name for path in folder.glob('*.tar'))
    for shard in shards:
        data = (folder / shard['file']).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard['bytes'], shard['sha256'])
    assert sum(shard['images'] for shard in shards) == manifest['images'] == sum(manifest['labels'].values())
    return manifest


def packing(paths, out, settings, say, table=None):
    """Packs archives that are named by paths."""
    return pack.pack(expand(paths, say, table=table), out, settings, say)
