"""Random tar archives in every dialect, written field by field, and what other programs read in them."""

import ctypes
import ctypes.util
import os
import random
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512
_FILES = b'0\x007'  # usual, oldest, and contiguous, which is read as usual
_OTHERS = {'folder': b'5', 'link': b'2', 'hard link': b'1', 'pipe': b'6', 'device': b'3'}
_WITH_TIMES = 'gnu, with times'
_MAGICS = {'ustar': b'ustar\x0000', 'v7': bytes(8), 'gnu': b'ustar  \0', _WITH_TIMES: b'ustar  \0'}
_REGULAR = 0o100000
_TIME = b'15304132774'

Members = list[tuple[bytes, bytes]]
"""Regular files in their order: name and data."""


@dataclass(frozen=True)
class Archive:
    """A random archive.

    Attributes:
      data: its bytes.
      members: the regular files that were written into it.
    """

    data: bytes
    members: Members


def padded(data: bytes) -> bytes:
    """Returns data with zeros up to the next block."""
    return data + bytes(-len(data) % BLOCK)


class Writer:
    """Writes random archives.

    Args:
      seed: of the random numbers.
      times: whether headers of GNU tar may have the times of `tar --listed-incremental`.
    """

    def __init__(self, seed: int, times: bool = False) -> None:
        self._rng, self._times = random.Random(seed), times

    def archive(self) -> Archive:
        """Returns a random archive that follows the rules of its dialect."""
        rng = self._rng
        data, members = b'', Members()
        for _ in range(rng.choice([1, 1, 1, 2])):  # two, as `cat a.tar b.tar` makes
            parts = [self._entry(members, number) for number in range(rng.randrange(1, 7))]
            # Without an end, an archive that follows would not begin a new set of global records.
            data += b''.join(parts) + bytes(BLOCK * rng.choice([2, 2, 3, 20]))
        return Archive(data, members)

    def _entry(self, members: Members, number: int) -> bytes:
        rng = self._rng
        if rng.random() < 0.25:
            name, link = b'other/%d' % number, b'' if rng.random() < 0.5 else b'a/%d' % number
            kind = rng.choice(list(_OTHERS))
            return self._header(name, 0, _OTHERS[kind], link if 'link' in kind else b'')
        name, data = self._name(number), rng.randbytes(rng.choice([0, 1, 100, 511, 512, 513, 1500]))
        members.append((name, data))
        return self._file(name, data)

    def _file(self, name: bytes, data: bytes) -> bytes:
        """Returns the headers and the data of a regular file, its name in one of the ways that it fits."""
        rng, kind = self._rng, bytes([self._rng.choice(_FILES)])
        size, before, short = len(data), b'', name
        prefix = self._prefix(name)
        ways: list[str] = ['pax', 'gnu']
        if len(name) <= 100:
            ways += ['plain'] * 4
        if prefix:
            ways.append('prefix')
        way = rng.choice(ways)
        if way == 'pax':
            records = [(b'path', name)]
            if rng.random() < 0.3:
                records, size = [*records, (b'size', b'%d' % len(data))], rng.choice([0, len(data), 7])
            if rng.random() < 0.3:
                records.append((b'comment', rng.choice([b'=', b'a\nb', b'1 x=y\n', b'\xc3\xa9'])))
            rng.shuffle(records)
            before, short = self._pax(records), name[:100]
        elif way == 'gnu':
            before = self._header(b'././@LongLink', len(name) + 1, b'L', magic='gnu') + padded(name + b'\0')
            short = name[:100]
        if rng.random() < 0.1:
            before = self._pax([(b'comment', b'of all')], b'g') + before
        if way == 'prefix':
            return (
                before + self._header(prefix[1], size, kind, magic='ustar', prefix=prefix[0]) + padded(data)
            )
        magics = [name for name in _MAGICS if name != _WITH_TIMES or (self._times and not before)]
        magic = rng.choice(magics) if way == 'plain' else 'gnu' if way == 'gnu' else 'ustar'
        return before + self._header(short, size, kind, magic=magic) + padded(data)

    def _prefix(self, name: bytes) -> tuple[bytes, bytes] | None:
        places = [
            at for at, letter in enumerate(name) if letter == 47 and 0 < at <= 155 and len(name) - at <= 101
        ]
        at = self._rng.choice(places) if places else 0
        return (name[:at], name[at + 1 :]) if at and name[at + 1 :] else None

    def _name(self, number: int) -> bytes:
        rng = self._rng
        part = rng.choice(
            [
                b'a',
                b'B b',
                'é'.encode(),
                'ähre\u0301'.encode(),
                '猫'.encode() * 12,
                b'n' * 90,
                b'x.y.z',
                b"it's",
            ]
        )
        more = rng.choice([b'', b'', b'', b'd' * 60 + b'/', b'd/' * 120, b'./', b'././', b'../'])
        return more + part + b'/%d' % number + rng.choice([b'.jpg', b'.tar', b'', b'.j pg', b'\\n'])

    def _pax(self, records: list[tuple[bytes, bytes]], kind: bytes = b'x') -> bytes:
        body = b''
        for keyword, value in records:
            rest = len(keyword) + len(value) + 3
            length = next(n for n in range(rest, rest + 20) if n == rest + len(str(n)))
            body += b'%d %b=%b\n' % (length, keyword, value)
        return self._header(b'PaxHeaders/x', len(body), kind, magic='ustar') + padded(body)

    def _number(self, value: int, width: int, magic: str) -> bytes:
        rng = self._rng
        if magic in ('gnu', _WITH_TIMES) and rng.random() < 0.1:
            return (0x80 << 8 * (width - 1) | value).to_bytes(width, 'big')
        digits = b'%0*o' % (width - 1, value)
        if rng.random() < 0.1:
            digits = (b'%o' % value).rjust(width - 1)
        return digits + rng.choice([b'\0', b' '])

    def _header(
        self, name: bytes, size: int, kind: bytes, link: bytes = b'', magic: str = '', prefix: bytes = b''
    ) -> bytes:
        rng, magic = self._rng, magic or self._rng.choice(['ustar', 'gnu'])
        fields = [
            (name, 100), (b'0000644\0', 8), (self._number(rng.choice([0, 1000]), 8, magic), 8),
            (self._number(0, 8, magic), 8), (self._number(size, 12, magic), 12),
            (self._number(rng.choice([0, 10**9]), 12, magic), 12), (b' ' * 8, 8), (kind, 1), (link, 100),
            (_MAGICS[magic], 8), (b'root', 32), (b'', 32), (b'', 8), (b'', 8), (prefix, 155),
        ]  # fmt: skip
        block = b''.join(value.ljust(width, b'\0') for value, width in fields).ljust(BLOCK, b'\0')
        if magic == _WITH_TIMES:
            block = block[:345] + _TIME + b'\0' + _TIME + block[368:]
        total = sum(block)
        if rng.random() < 0.1:  # as the oldest writers, which summed signed bytes
            total = max(sum(value - 256 if value > 127 else value for value in block), 0) or total
        return block[:148] + rng.choice([b'%06o\0 ', b'%06o \0', b'%07o\0']) % total + block[156:]


def damaged(archive: Archive, rng: random.Random) -> bytes:
    """Returns the bytes of an archive with a few of them changed, or cut off."""
    data = bytearray(archive.data)
    if rng.random() < 0.3:
        return bytes(data[: rng.randrange(1, len(data))])
    for _ in range(rng.choice([1, 1, 3])):
        at = rng.randrange(len(data))
        if at % BLOCK not in (154, 155):  # of a checksum, this package reads the six digits alone
            data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


# What others read: members, and whether they end without an error.


def python(path: Path) -> tuple[Members, bool]:
    """Reads an archive by Python's `tarfile`."""
    members = Members()
    try:
        with tarfile.open(path, 'r:', ignore_zeros=True, encoding='utf-8', errors='surrogateescape') as tar:
            for info in tar:
                if info.isreg():
                    data = tar.extractfile(info)
                    assert data is not None
                    # It takes the times of GNU tar for a prefix of the name.
                    members.append((os.fsencode(info.name).removeprefix(_TIME + b'/'), data.read()))
    except (tarfile.TarError, ValueError, OverflowError, EOFError):
        return members, False
    return members, True


_LINE = re.compile(rb'^(.)[^"]*"((?:[^"\\]|\\.)*)"', re.MULTILINE)
_ESCAPE = re.compile(rb'\\([0-7]{3}|.)')
_LETTERS = dict(zip(b'abfnrtv', b'\a\b\f\n\r\t\v', strict=True))


def gnu_tar(path: Path) -> tuple[Members, bool]:
    """Reads an archive by GNU tar; of damaged archives, only whether it accepts them."""

    def run(*flags: str) -> bytes:
        command = [
            'tar',
            '--ignore-zeros',
            '--absolute-names',
            '--quoting-style=c',
            *flags,
            '--file',
            str(path),
        ]
        done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, 'LC_ALL': 'C'})
        accepted.append(done.returncode == 0)
        return done.stdout

    accepted: list[bool] = []
    listed, content = run('--list', '--verbose'), run('--extract', '--to-stdout')
    members = Members()
    for line in listed.splitlines():
        kind, name = _LINE.match(line).groups()  # type: ignore[union-attr]
        if kind in b'-C':
            size = int(line.split()[2])
            members.append((_ESCAPE.sub(_unescaped, name), content[:size]))
            content = content[size:]
    return members, all(accepted) and not content


def _unescaped(match: re.Match[bytes]) -> bytes:
    text = match[1]
    return bytes([int(text, 8) if len(text) == 3 else _LETTERS.get(text[0], text[0])])


def libarchive() -> Callable[[Path], tuple[Members, bool]] | None:
    """Returns the reader of libarchive, which bsdtar uses; None where it is not installed."""
    place = ctypes.util.find_library('archive')
    if place is None:
        return None
    library = ctypes.CDLL(place)
    pointers = 'archive_read_new', 'archive_entry_pathname', 'archive_entry_hardlink'
    for name in pointers:
        getattr(library, name).restype = ctypes.c_void_p
    library.archive_read_data.restype = ctypes.c_ssize_t

    def read(path: Path) -> tuple[Members, bool]:
        reader = ctypes.c_void_p(library.archive_read_new())
        try:
            library.archive_read_support_format_tar(reader)
            library.archive_read_support_filter_none(reader)
            library.archive_read_set_options(reader, b'tar:read_concatenated_archives=1')
            members, status = Members(), library.archive_read_open_filename(reader, os.fsencode(path), BLOCK)
            while status == 0:
                for member in _next(library, reader):
                    members.append(member)
                status = library.status
            return members, status == 1  # the end
        finally:
            library.archive_read_free(reader)

    return read


def _next(library: ctypes.CDLL, reader: ctypes.c_void_p) -> Iterator[tuple[bytes, bytes]]:
    """Yields the next entry if it is a regular file; its status is in `library.status`."""
    entry = ctypes.c_void_p()
    library.status = library.archive_read_next_header(reader, ctypes.byref(entry))
    if library.status != 0:
        return
    is_file = library.archive_entry_filetype(entry) == _REGULAR
    if is_file and not library.archive_entry_hardlink(entry):
        name = ctypes.string_at(library.archive_entry_pathname(entry))
        buffer = ctypes.create_string_buffer(10_000)
        count = library.archive_read_data(reader, buffer, ctypes.c_size_t(10_000))
        library.status = min(count, 0)
        yield name, buffer.raw[: max(count, 0)]
