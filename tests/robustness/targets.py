"""Readers of untrusted bytes, as functions that a coverage-guided fuzzer calls with bytes of its choice.

Inputs that reach different code are in corpus/TARGET. A checksum would stop the fuzzer: if the first byte of
an input is odd, it is corrected.
"""

import contextlib
import csv
import functools
import io
import json
import os
import shutil
import struct
import tempfile
import weakref
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from estimator_lab.base.errors import DataError, LabError
from estimator_lab.base.json_input import as_object, parse_json
from estimator_lab.base.printable import csv_writer, escaped, is_clean, json_escaped, printable, unescaped
from estimator_lab.core.params import parse_hparams, resolve
from estimator_lab.core.registry import MODELS, find_model
from estimator_lab.data.archives.index import Index
from estimator_lab.data.archives.index_file import (
    ROW,
    Header,
    IndexContents,
    read_index_file,
    write_index_file,
)
from estimator_lab.data.archives.kinds import KINDS
from estimator_lab.data.examples.labels import (
    Vocabulary,
    label_of,
    read_label_table,
    read_vocabulary,
    sidecar_label,
)
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources.source import source_of
from estimator_lab.data.sources.tar import TAR
from estimator_lab.data.trees.kind import TREES
from estimator_lab.data.trees.parse import line_name, tokens_of
from estimator_lab.data.trees.reader import TreeReader
from estimator_lab.data.trees.tokens import Tokens, read_tokens
from estimator_lab.inference.report.history import read_history
from estimator_lab.inference.report.html import html, table
from estimator_lab.runs.record import read_record
from estimator_lab.training.cluster import MIRRORED, MULTI_WORKER, NONE, PARAMETER_SERVER, read_cluster
from tests.robustness.corruption import fix_checksum
from tests.support.streams import stream_members

_BLOCK = 512
_TREES = TreeReader(Tokens(('a', 'b')), Vocabulary(('0', '1')))
_PARAMS = functools.cache(lambda: [find_model(name).params for name in MODELS])


def framed(data: bytes, length: int) -> bytes:
    """Returns a record of an event file that claims to have `length` bytes, with valid checksums."""
    head = struct.pack('<Q', length)
    return head + struct.pack('<I', masked_crc32c(head)) + data + struct.pack('<I', masked_crc32c(data))


class _Scratch:
    """A folder in memory, where there is one, that is removed at the end of the process."""

    def __init__(self) -> None:
        memory = Path('/dev/shm')
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        weakref.finalize(self, shutil.rmtree, self.folder)

    def file(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path


_scratch = functools.cache(_Scratch)


def tar(data: bytes) -> None:
    """A tar stream, for images or trees; headers with a name have their checksums corrected."""
    flags, stream = data[:1], bytearray(data[1:])
    if _is_odd(flags):
        for offset in range(0, len(stream) - _BLOCK + 1, _BLOCK):
            if stream[offset] and stream[offset + 257 : offset + 262] == b'ustar':
                fix_checksum(stream, offset)
    kind = TREES if flags and flags[0] & 2 else IMAGES
    notes: list[str] = []
    path = str(_scratch().file('a.tar', bytes(stream)))
    for member in stream_members(path, kind, notes.append):
        _check(is_clean(member.name) and is_clean(member.label), 'a name that cannot be printed')
        _check(escaped(unescaped(member.name)) == member.name, 'a name that another one may have')
        str(member.key), str(member.place)
    _check(all(map(is_clean, notes)), 'a note that cannot be printed')


def index(data: bytes) -> None:
    """The index of an archive; an odd one gets its checksum."""
    path = _scratch().folder / 'a.tar.index'
    if _is_odd(data):
        line, _, rest = data[1:].partition(b'\n')
        with contextlib.suppress(ValueError, UnicodeEncodeError):
            header = as_object(parse_json(line), Header)
            end = max(header.members, 0) * ROW.itemsize
            rows = np.frombuffer(rest[:end][: len(rest[:end]) // ROW.itemsize * ROW.itemsize], ROW)
            write_index_file(path, IndexContents(header, rows, memoryview(rest[end:])))
    else:
        path.write_bytes(data[1:])
    contents = read_index_file(path)
    if contents is None:
        return
    found = Index(source_of('a.tar'), KINDS.get(contents.header.kind, IMAGES), TAR, contents)
    members = found.members(range(len(found)))
    for member in members:
        _check(is_clean(member.name), 'a name that cannot be printed')
        _check(bool(contents.header.labels_from) or member.label == label_of(member.name), 'another label')
    str(found.fingerprint), found.name_hashes


def trees(data: bytes) -> None:
    """A bracketed text, as a member and as a line."""
    tokens_of(data)
    name = line_name(1, data)
    _check(is_clean(name) and name.count('/') < 2, 'a line with a wrong name')
    tree = _TREES.parsed(data)
    _TREES.collate([tree])
    nodes = range(len(tree.left))
    _check(all(left < node for node, left in enumerate(tree.left)), 'a child after its node')
    _check(len(tree.token) == len(tree.level) == len(tree.node_label) == len(nodes) > 0, 'a ragged tree')


def json_text(data: bytes) -> None:
    """JSON."""
    try:
        value = parse_json(data)
    except ValueError as error:
        raise DataError(str(error)) from error
    _check(value == json.loads(data), 'another value than that of the json module')
    _check(parse_json(json_escaped(json.dumps(value, indent=1))) == value, 'a value that does not survive')


def record(data: bytes) -> None:
    """experiment.json of a model_dir."""
    found = read_record(_scratch().file('experiment.json', data).parent)
    if found:
        _check(found.input.position >= 0, 'a place before the beginning')


def events(data: bytes) -> None:
    """An event file; an odd one is made of valid records, a byte and their bytes each."""
    records = data[1:]
    if _is_odd(data):
        records = b''.join(framed(piece, len(piece)) for piece in _pieces(data[1:]))
    folder = _scratch().file('events.out.tfevents.1.a', records).parent
    read_history(folder).last()


def tf_config(data: bytes) -> None:
    """The environment variable TF_CONFIG, in UTF-8."""
    os.environ['TF_CONFIG'] = data.replace(b'\0', b'').decode('utf-8', 'surrogateescape')
    try:
        for distribution in (MIRRORED, MULTI_WORKER, PARAMETER_SERVER):
            with contextlib.suppress(LabError):
                cluster = read_cluster(distribution)
                str(cluster), cluster.shard(64)
                _check(0 <= cluster.rank < cluster.workers, 'a share of none')
        read_cluster(NONE)
    finally:
        del os.environ['TF_CONFIG']


def hparams(data: bytes) -> None:
    """The value of --hparams; its first byte chooses the model."""
    params = _PARAMS()[data[0] % len(MODELS)] if data else _PARAMS()[0]
    resolve(params, parse_hparams(params, data[1:].decode('utf-8', 'surrogateescape')))


def labels(data: bytes) -> None:
    """A table of names and labels, a vocabulary, a list of tokens, or a sidecar file."""
    kind, path = data[:1], _scratch().file('labels', data[1:])
    if kind == b'v':
        _check(all(map(is_clean, read_vocabulary(path).labels)), 'a label that cannot be printed')
    elif kind == b't':
        read_tokens(path)
    elif kind in (b'c', b'j'):
        label = sidecar_label('a.cls' if kind == b'c' else 'a.json', data[1:])
        _check(label is None or is_clean(label), 'a label that cannot be printed')
    else:
        found = read_label_table(path)
        _check(all(map(is_clean, found.distinct)), 'a label that cannot be printed')
        found.of('a/b.jpg')


def escaping(data: bytes) -> None:
    """Untrusted text in HTML, on a terminal, and as a name."""
    text = data.decode('utf-8', 'surrogateescape')
    shown = printable(text)
    _check(is_clean(shown) and is_clean(escaped(text)), 'a text that cannot be printed')
    _check(unescaped(escaped(text)) == text, 'a name that does not survive')
    parser = _Parser()
    parser.feed(html('<p title="{}">{}</p>{}', text, text, table([(text,)])))
    parser.close()
    _check(parser.attributes == [('title', shown), ('class', 'wide')], 'other attributes')
    _check(parser.tags == ['p', 'div', 'table', 'tr', 'td'], 'other markup')
    _check(''.join(parser.texts) == shown + (shown or '-'), 'another text')
    stream = io.StringIO(newline='')
    csv_writer(stream)(['key', text])
    (row,) = csv.reader(io.StringIO(stream.getvalue(), newline=''))
    for cell, written in zip(shown.split(';'), row[1].split(';'), strict=True):
        _check(written in (cell, f"'{cell}"), 'another cell')
        _check(cell.lstrip()[:1] not in ('=', '@') or written != cell, 'a formula')


class _Parser(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (*(tar, index, trees, json_text, record, events, tf_config, hparams, labels, escaping),)
}


def _check(condition: bool, problem: str) -> None:
    if not condition:
        raise AssertionError(problem)


def _is_odd(data: bytes) -> bool:
    return bool(data) and data[0] % 2 == 1


def _pieces(data: bytes) -> Iterator[bytes]:
    while data:
        yield data[1 : 1 + data[0]]
        data = data[1 + data[0] :]
