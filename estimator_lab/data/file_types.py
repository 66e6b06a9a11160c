"""What a file is that is no tar archive, by its first bytes, and what to do with it."""

import re
from typing import NamedTuple


class _Kind(NamedTuple):
    magic: re.Pattern[bytes]
    words: str


def _kind(magic: bytes, words: str) -> _Kind:
    return _Kind(re.compile(magic, re.DOTALL), words)


_IMAGE = ': name the folder that it lies in, or pack its folder with `tar`'
_UNPACK = ': unpack it, and name the folder'
_KINDS = (
    _kind(rb'PK(\x03\x04|\x05\x06|\x07\x08)', f'a ZIP file{_UNPACK}'),
    _kind(rb"7z\xbc\xaf'\x1c", f'a 7-Zip file{_UNPACK}'),
    _kind(rb'Rar!\x1a\x07', f'a RAR file{_UNPACK}'),
    _kind(rb'\x28\xb5\x2f\xfd', 'compressed with Zstandard: pipe it in, `zstd -dc FILE | ... --data=-`'),
    _kind(rb'\x04\x22\x4d\x18', 'compressed with LZ4: pipe it in, `lz4 -dc FILE | ... --data=-`'),
    _kind(rb'\x1f\x9d', 'compressed with `compress`: pipe it in, `zcat FILE | ... --data=-`'),
    _kind(rb'\xff\xd8\xff', f'a JPEG image{_IMAGE}'),
    _kind(rb'\x89PNG', f'a PNG image{_IMAGE}'),
    _kind(rb'GIF8[79]a', f'a GIF image{_IMAGE}'),
    _kind(rb'BM....\0\0\0\0', f'a BMP image{_IMAGE}'),
    _kind(rb'RIFF....WEBP', f'a WebP image{_IMAGE}'),
    _kind(rb'II\*\0|MM\0\*', f'a TIFF image{_IMAGE}'),
    _kind(rb'....ftypavi[fs]', f'an AVIF image{_IMAGE}'),
    _kind(rb'....ftyp(hei|hev|mif1|msf1)', 'a HEIC image: convert it to JPEG, such as by `heif-convert`'),
    _kind(rb'....ftyp|....(moov|mdat)', 'a film (MP4 or QuickTime): `ffmpeg` makes frames of it'),
    _kind(rb'\x1a\x45\xdf\xa3', 'a film (Matroska or WebM): `ffmpeg` makes frames of it'),
    _kind(rb'RIFF....AVI ', 'a film (AVI): `ffmpeg` makes frames of it'),
    _kind(rb'RIFF....WAVE|ID3|OggS|fLaC', 'a sound'),
    _kind(rb'%PDF', 'a PDF document'),
    _kind(rb'\x89HDF\r\n', 'an HDF5 file'),
    _kind(rb'\x93NUMPY', 'a NumPy array (.npy)'),
    _kind(rb'PAR1', 'a Parquet file'),
    _kind(rb'SQLite format 3', 'an SQLite database'),
    _kind(rb'\x80[\x02-\x05]', 'a Python pickle, such as the batches of CIFAR-10'),
    _kind(
        rb'\0\0\x08[\x01\x03]',
        'a file of the MNIST database: `python -m estimator_lab.data.demo FOLDER --set=mnist` makes archives '
        'of its four',
    ),
    _kind(rb'\s*(<!DOCTYPE|<html|<\?xml)', 'a web page or XML, perhaps from a server instead of the file'),
    _kind(rb'version https://git-lfs', 'a pointer of Git LFS, not the file itself: `git lfs pull` brings it'),
    _kind(rb'\x7fELF|MZ', 'a program'),
)
_TEXT = re.compile(rb'[\t\r\n\x20-\x7e\x80-\xff]+')


def file_type(head: bytes, or_text: str = 'a text') -> str:
    """Returns what a file that begins so is, and a remedy, as the end of a sentence; '' if unknown."""
    for kind in _KINDS:
        if kind.magic.match(head):
            return kind.words
    is_text = bool(head) and _TEXT.fullmatch(head)
    return or_text if is_text else ''
