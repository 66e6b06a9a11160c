"""Files that are passed over though a person might take them for examples: counted, and reported once."""

import re
from collections import Counter
from collections.abc import Callable

from estimator_lab.data.kind import is_hidden

_PICTURES = {
    **dict.fromkeys(('.heic', '.heif'), 'convert them to JPEG, such as by `heif-convert`'),
    '.avif': 'this Pillow reads no AVIF: `pip install -U pillow`',
    **dict.fromkeys(('.jxl',), 'convert them to JPEG or PNG, such as by `djxl`'),
    **dict.fromkeys(('.svg', '.eps', '.pdf', '.ai'), 'they are drawings: convert them to PNG'),
    **dict.fromkeys(
        ('.cr2', '.cr3', '.nef', '.arw', '.dng', '.orf', '.rw2', '.raf'), 'they are raw: develop them first'
    ),
    **dict.fromkeys(('.mp4', '.mov', '.avi', '.mkv', '.webm'), 'films, of which `ffmpeg` makes frames'),
    **dict.fromkeys(('.npy', '.npz', '.pt', '.mat', '.h5'), 'they are arrays, and no encoded images'),
}
_ARCHIVES = ('.tar', '.tgz', '.tar.gz', '.tbz2', '.tar.bz2', '.txz', '.tar.xz', '.zip')
_SUFFIX = re.compile(r'(\.[A-Za-z0-9]{1,8})$')
_MOST_SUFFIXES = 100
_NAMED = 4
NO_SUFFIX = ''


class SkippedFiles:
    """Counts them by suffix.

    Args:
      noun: what people call examples.
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._counts: Counter[str] = Counter()
        self.first_archive = ''

    def count(self, name: str) -> None:
        """Counts a file that is no example by its name, nor by its first bytes where these were asked."""
        if is_hidden(name):
            return
        found = _SUFFIX.search(name.lower())
        suffix = found[1] if found else NO_SUFFIX
        if suffix in self._counts or len(self._counts) < _MOST_SUFFIXES:
            self._counts[suffix] += 1
        if not self.first_archive and name.lower().endswith(_ARCHIVES):
            self.first_archive = name

    def tell(self, note: Callable[[str], None]) -> None:
        """Tells, in words that follow the archive's name, of pictures that can't be read, if any."""
        found = [suffix for suffix, _ in self._counts.most_common() if suffix in _PICTURES]
        nameless = self._counts[NO_SUFFIX]
        if not found and not nameless:
            return
        what = [f'{self._counts[suffix]:,} {suffix}' for suffix in found[:_NAMED]]
        if nameless:
            what.append(f'{nameless:,} without a suffix that begin like no image')
        remedy = f' ({_PICTURES[found[0]]})' if found else ''
        note(f'holds files that are passed over: {", ".join(what)}{remedy}.')

    def why_none(self) -> str:
        """Returns what there is instead of examples, as the end of a sentence; '' where there is nothing."""
        if not self._counts:
            return ''
        parts = [
            f'{count:,} {suffix or "without a suffix"}' for suffix, count in self._counts.most_common(_NAMED)
        ]
        more = len(self._counts) - _NAMED
        first = self._counts.most_common(1)[0][0]
        remedy = f'; {_PICTURES[first]}' if first in _PICTURES else ''
        return f'but other files: {", ".join(parts)}{f" and {more} kinds more" if more > 0 else ""}{remedy}'
