"""Which files are images or texts, by name or first bytes; which files of a source were skipped."""

import fnmatch
import functools
import itertools
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from estimator_lab.base.progress import warn

T = TypeVar('T')

FORMATS: dict[str, tuple[str, ...]] = {
    'JPEG': ('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo'),
    'PNG': ('.png', '.apng'),
    'GIF': ('.gif',),
    'BMP': ('.bmp',),
    'DIB': ('.dib',),
    'WEBP': ('.webp',),
    'TIFF': ('.tif', '.tiff'),
    'PPM': ('.ppm', '.pgm', '.pbm', '.pnm'),
    'AVIF': ('.avif',),
    'JPEG2000': ('.jp2', '.j2k', '.jpc', '.jpf', '.jpx', '.j2c'),
}
"""Suffixes of images by Pillow's name of their format, for formats that it decodes in C.

An explicit list, as Pillow goes by content alone and would run Ghostscript for a PostScript 'x.jpg'.
"""

HEAD_BYTES = 32
"""First bytes of a file by which an image without a suffix is recognised."""

TEXT_BYTES = 512
"""First bytes of a file by which a text is recognised."""

_BINARY = re.compile(rb'[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]')  # no tabs, ends of lines and pages, escapes
_HIDDEN = re.compile(r'(?:^|/)(?:\.(?!\.?[/\\])|__MACOSX/)')  # './' and '../' hide nothing
_SUFFIX = re.compile(r'((?:\.tar)?\.[A-Za-z0-9]{1,8})$')
# Pictures that are not decoded, which a user may take for examples.
_OTHER_PICTURES = frozenset(
    (
        *('.heic', '.heif', '.jxl', '.psd', '.tga', '.pcx', '.dds', '.qoi', '.sgi', '.svg', '.pdf', '.eps'),
        *('.cr2', '.cr3', '.nef', '.arw', '.dng', '.npy', '.npz'),
    )
)
_MOST_SUFFIXES = 100
_MOST_SHARDS = 100_000
_SHARD = re.compile(r'(.*/)?shard-\d{5}-of-(\d{5})-part-\d{5}-of-(\d{5})\.tar', re.ASCII)
_NAMED = 4


def cache_folder() -> Path:
    """Returns this package's folder in $XDG_CACHE_HOME, ~/.cache or else /tmp; it may not exist yet."""
    try:
        home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    except RuntimeError:  # no HOME, and a user without an entry in passwd, as in a container
        home = _temporary_cache().name
    return Path(home) / 'estimator_lab'


@functools.cache
def _temporary_cache() -> tempfile.TemporaryDirectory[str]:
    """Returns a folder for this process, which is removed at its end; says so, once."""
    made = tempfile.TemporaryDirectory(prefix='estimator_lab_', ignore_cleanup_errors=True)
    warn(f'There is no home folder: caches are in {made.name} until this ends; XDG_CACHE_HOME names another.')
    return made


def is_hidden(name: str) -> bool:
    """Whether a file of that name is hidden, or metadata that macOS writes into archives."""
    return _HIDDEN.search(name) is not None


def lacks_suffix(name: str) -> bool:
    """Whether a file of that name is to be recognised by its first bytes."""
    return '.' not in name.rpartition('/')[2] and not is_hidden(name)


def is_text(head: bytes) -> bool:
    """Whether a file with these first TEXT_BYTES is a text; every header of a tar holds zeros."""
    return bool(head) and not _BINARY.search(head)


def matches_below(
    folder: T, parts: Sequence[str], inside: Callable[[T, str], Iterable[tuple[T, bool, bool]]]
) -> Iterator[tuple[T, bool]]:
    """Yields what matches the parts of a glob below a folder, some of it twice; `**` stands for any folders.

    Args:
      folder: in which the first part is looked for.
      parts: of the glob.
      inside: yields what is in a folder and matches a part; whether it is a folder, and one that `**` enters.

    Yields:
      A match, and whether it is a folder.
    """
    found: list[tuple[T, bool, Sequence[str]]] = [(folder, True, parts)]
    while found:
        place, is_folder, left = found.pop()
        if not left:
            yield place, is_folder
        elif is_folder:
            part, *rest = left
            if part == '**':
                found.append((place, True, rest))
            for inner, is_inner_folder, is_entered in inside(place, part):
                found.append((inner, is_inner_folder, left if part == '**' and is_entered else rest))


def missing_shard(pattern: str, paths: Sequence[str]) -> str | None:
    """Returns the path of a shard of `pack --part` that a glob would match, but is not among its matches.

    Examples:
        >>> names = [f'shard-00000-of-00001-part-{part}-of-00003.tar' for part in ('00001', '00003')]
        >>> missing_shard('shard-*.tar', names)
        'shard-00000-of-00001-part-00002-of-00003.tar'
        >>> missing_shard('*-part-00001-*.tar', names[:1])
    """
    packings = dict.fromkeys(found.groups('') for path in paths if (found := _SHARD.fullmatch(path)))
    names = (
        (folder, f'shard-{shard:05}-of-{shards}-part-{part:05}-of-{parts}.tar')
        for folder, shards, parts in packings
        for part in range(1, int(parts) + 1)
        for shard in range(int(shards))
    )
    present, last = set(paths), pattern.rpartition('/')[2]
    for folder, name in itertools.islice(names, _MOST_SHARDS):
        if f'{folder}{name}' not in present and fnmatch.fnmatchcase(name, last):
            return f'{folder}{name}'
    return None


class SkippedFiles:
    """Counts the files that are not examples, by suffix.

    Attributes:
      links: number of hard links, whose data is in another member.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.links = 0

    def count(self, name: str) -> None:
        """Counts a file, unless it is hidden."""
        if is_hidden(name):
            return
        found = _SUFFIX.search(name.lower())
        suffix = found[1] if found else 'without a suffix'
        if suffix in self._counts or len(self._counts) < _MOST_SUFFIXES:
            self._counts[suffix] += 1

    def report(self, note: Callable[[str], None]) -> None:
        """Reports skipped pictures and links, in words that follow the source's name."""
        found = [suffix for suffix, _ in self._counts.most_common() if suffix in _OTHER_PICTURES]
        if found:
            what = ', '.join(f'{self._counts[suffix]:,} {suffix}' for suffix in found[:_NAMED])
            note(f'holds pictures that are skipped: {what}; convert them to JPEG or PNG.')
        if self.links:
            note(f'holds {self.links:,} hard links, which are skipped: their data is in other members.')

    def instead(self, folder: str = '') -> str:
        """Returns what there is instead of examples, to end a sentence; '' if there is nothing.

        Args:
          folder: that holds the files, whose archives a glob would name; '' for an archive.
        """
        if not self._counts:
            return ''
        listed = ', '.join(f'{count:,} {suffix}' for suffix, count in self._counts.most_common(_NAMED))
        more = len(self._counts) - _NAMED
        archives = next((suffix for suffix in self._counts if suffix.startswith(('.tar', '.tgz'))), '')
        hint = f": use '{folder}*{archives}'" if folder and archives else ''
        return f'but other files: {listed}{f" and {more} more types" if more > 0 else ""}{hint}'
