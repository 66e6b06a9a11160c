"""What a file is, by its name and first bytes; which files of an archive were skipped."""

import functools
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

HEAD_BYTES = 32
"""First bytes of a file by which its type is recognised."""


class _FileType(NamedTuple):
    """A type of file.

    Attributes:
      name: with its article.
      magic: matches its first bytes; None if they are not distinctive.
      suffixes: of its names.
      remedy: how a user gets examples out of it.
      is_image: whether Pillow reads it.
    """

    name: str
    magic: re.Pattern[bytes] | None
    suffixes: tuple[str, ...] = ()
    remedy: str = ''
    is_image: bool = False


def _image(name: str, magic: bytes, *suffixes: str) -> _FileType:
    remedy = 'name the folder that it is in, or pack its folder with `tar`'
    return _other(name, magic, remedy, *suffixes)._replace(is_image=True)


def _other(name: str, magic: bytes, remedy: str = '', *suffixes: str) -> _FileType:
    return _FileType(name, re.compile(magic, re.DOTALL) if magic else None, suffixes, remedy)


_UNPACK = 'unpack it, and name the folder'
_FFMPEG = '`ffmpeg` extracts images from it'
_AVIF = _image('an AVIF image', rb'....ftypavi[fs]', '.avif')
_TYPES = (
    _image('a JPEG image', rb'\xff\xd8\xff', '.jpg', '.jpeg', '.jpe', '.jfif', '.mpo'),
    _image('a PNG image', rb'\x89PNG\r\n\x1a\n', '.png', '.apng'),
    _image('a GIF image', rb'GIF8[79]a', '.gif'),
    _image('a WebP image', rb'RIFF....WEBP', '.webp'),
    _image('a TIFF image', rb'II\*\0|MM\0\*', '.tif', '.tiff'),
    _image('a BMP image', rb'BM....\0\0\0\0....[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0', '.bmp', '.dib'),
    _image('a Netpbm image', rb'P[1-6]\s', '.ppm', '.pgm', '.pbm', '.pnm'),
    _image(
        'a JPEG 2000 image',
        rb'\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51',
        *('.jp2', '.j2k', '.jpc', '.jpf', '.jpx', '.j2c'),
    ),
    _image('a QOI image', rb'qoif', '.qoi'),
    _image('a Photoshop image', rb'8BPS', '.psd'),
    _image('an image', rb'', '.tga', '.pcx', '.dds', '.sgi', '.rgb', '.ras', '.xbm', '.xpm'),
    _AVIF,
    _other(
        'a HEIC image',
        rb'....ftyp(hei|hev|mif1|msf1)',
        'convert to JPEG, for example with `heif-convert`',
        *('.heic', '.heif'),
    ),
    _other(
        'a JPEG XL image',
        rb'\xff\x0a|\0\0\0\x0cJXL ',
        'convert to JPEG or PNG, for example with `djxl`',
        '.jxl',
    ),
    _other('a raw photo', rb'', 'develop raw photos first', '.cr2', '.cr3', '.nef', '.arw', '.dng', '.orf'),
    _other('a raw photo', rb'', 'develop raw photos first', '.rw2', '.raf'),
    _other('a PDF document', rb'%PDF', 'convert drawings to PNG', '.pdf', '.ai'),
    _other('a PostScript file', rb'%!PS', 'convert drawings to PNG', '.eps'),
    _other('an SVG drawing', rb'\s*<svg', 'convert drawings to PNG', '.svg'),
    _other('a film (MP4 or QuickTime)', rb'....ftyp|....(moov|mdat)', _FFMPEG, '.mp4', '.mov'),
    _other('a film (Matroska or WebM)', rb'\x1a\x45\xdf\xa3', _FFMPEG, '.mkv', '.webm'),
    _other('a film (AVI)', rb'RIFF....AVI ', _FFMPEG, '.avi'),
    _other('a sound', rb'RIFF....WAVE|ID3|OggS|fLaC'),
    _other('a NumPy array (.npy)', rb'\x93NUMPY', 'arrays are not encoded images', '.npy'),
    _other('an HDF5 file', rb'\x89HDF\r\n', 'arrays are not encoded images', '.h5', '.mat'),
    _other('a ZIP file', rb'PK(\x03\x04|\x05\x06|\x07\x08)', _UNPACK),
    _other('an archive of arrays', rb'', 'arrays are not encoded images', '.npz', '.pt'),
    _other('a 7-Zip file', rb"7z\xbc\xaf'\x1c", _UNPACK),
    _other('a RAR file', rb'Rar!\x1a\x07', _UNPACK),
    _other('compressed with Zstandard', rb'\x28\xb5\x2f\xfd', 'pipe it in, `zstd -dc FILE | ... --data=-`'),
    _other('compressed with LZ4', rb'\x04\x22\x4d\x18', 'pipe it in, `lz4 -dc FILE | ... --data=-`'),
    _other('compressed with `compress`', rb'\x1f\x9d', 'pipe it in, `zcat FILE | ... --data=-`'),
    _other('a Parquet file', rb'PAR1'),
    _other('an SQLite database', rb'SQLite format 3'),
    _other('a Python pickle, such as the batches of CIFAR-10', rb'\x80[\x02-\x05]'),
    _other(
        'a file of the MNIST database',
        rb'\0\0\x08[\x01\x03]',
        '`python -m estimator_lab.data.demo FOLDER --set=mnist` makes archives of its four',
    ),
    _other('a web page or XML, perhaps from a server instead of the file', rb'\s*(<!DOCTYPE|<html|<\?xml)'),
    _other(
        'a pointer of Git LFS, not the file itself',
        rb'version https://git-lfs',
        '`git lfs pull` fetches the file',
    ),
    _other('a program', rb'\x7fELF|MZ'),
)
_TEXT = re.compile(rb'[\t\r\n\x20-\x7e\x80-\xff]+')
_HIDDEN = re.compile(r'(?:^|/)(?:\.(?!\.?/)|__MACOSX/)')  # './' and '../' hide nothing
_BY_SUFFIX = {suffix: known for known in _TYPES for suffix in known.suffixes}
_ARCHIVES = ('.tar', '.tgz', '.tar.gz', '.tbz2', '.tar.bz2', '.txz', '.tar.xz', '.zip')
_SUFFIX = re.compile(r'(\.[A-Za-z0-9]{1,8})$')
_MOST_SUFFIXES = 100
_NAMED = 4
_NO_SUFFIX = ''


def file_type(head: bytes, or_text: str = 'a text') -> str:
    """Returns what a file with these first bytes is, and a remedy, to end a sentence; '' if unknown."""
    if known := _type_of(head):
        remedy = known.remedy if _is_readable(known) or not known.is_image else _PILLOW
        return f'{known.name}: {remedy}' if remedy else known.name
    return or_text if head and _TEXT.fullmatch(head) else ''


def is_image_name(name: str) -> bool:
    """Whether a file of that name has the suffix of an image that this Pillow reads, and is not hidden."""
    known = _BY_SUFFIX.get(name[name.rfind('.') :].lower())
    return known is not None and _is_readable(known) and not is_hidden(name)


def is_image_head(head: bytes) -> bool:
    """Whether a file with these first bytes is an image that this Pillow reads."""
    known = _type_of(head)
    return bool(known and _is_readable(known))


def is_hidden(name: str) -> bool:
    """Whether a file of that name is hidden, or metadata that macOS writes into archives."""
    return _HIDDEN.search(name) is not None


def may_be_recognised(name: str) -> bool:
    """Whether a file of that name is to be recognised by its first bytes: it has no suffix."""
    return '.' not in name.rpartition('/')[2] and not is_hidden(name)


@functools.cache
def reads_avif() -> bool:
    """Whether this Pillow reads AVIF, which it does from 11.3 on if it was built with it."""
    from PIL import features

    return 'avif' in features.modules and bool(features.check('avif'))


def _type_of(head: bytes) -> _FileType | None:
    return next((known for known in _TYPES if known.magic and known.magic.match(head)), None)


def _is_readable(known: _FileType) -> bool:
    return known.is_image and (known is not _AVIF or reads_avif())


_PILLOW = 'this Pillow does not read AVIF: `pip install -U pillow`'


class SkippedFiles:
    """Counts the files that are not examples, by suffix, and reports those that a user may take for some."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.first_archive = ''

    def count(self, name: str) -> None:
        """Counts a file that is not an example by its name, nor by its first bytes."""
        if is_hidden(name):
            return
        found = _SUFFIX.search(name.lower())
        suffix = found[1] if found else _NO_SUFFIX
        if suffix in self._counts or len(self._counts) < _MOST_SUFFIXES:
            self._counts[suffix] += 1
        if not self.first_archive and name.lower().endswith(_ARCHIVES):
            self.first_archive = name

    def tell(self, note: Callable[[str], None]) -> None:
        """Reports pictures that can't be read, in words that follow the archive's name."""
        found = [suffix for suffix, _ in self._counts.most_common() if _remedy(suffix)]
        nameless = self._counts[_NO_SUFFIX]
        if not found and not nameless:
            return
        what = [f'{self._counts[suffix]:,} {suffix}' for suffix in found[:_NAMED]]
        if nameless:
            what.append(f'{nameless:,} without a suffix that are not images')
        remedy = f' ({_remedy(found[0])})' if found else ''
        note(f'holds files that are skipped: {", ".join(what)}{remedy}.')

    def why_none(self) -> str:
        """Returns what there is instead of examples, to end a sentence; '' if there is nothing."""
        if not self._counts:
            return ''
        common = self._counts.most_common(_NAMED)
        parts = [f'{count:,} {suffix or "without a suffix"}' for suffix, count in common]
        more = len(self._counts) - _NAMED
        remedy = _remedy(common[0][0])
        return (
            f'but other files: {", ".join(parts)}{f" and {more} more types" if more > 0 else ""}'
            f'{f"; {remedy}" if remedy else ""}'
        )


def _remedy(suffix: str) -> str:
    """Returns what to do with files that a user may take for examples; '' for any others."""
    known = _BY_SUFFIX.get(suffix)
    if known is None or _is_readable(known):
        return ''
    return _PILLOW if known.is_image else known.remedy
