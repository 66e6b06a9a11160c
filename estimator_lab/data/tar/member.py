"""What is handed on of an archive or a folder: members, and which of them are examples."""

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

from estimator_lab.console.printable import escaped
from estimator_lab.data.label_table import LabelTable
from estimator_lab.data.labels import label_of
from estimator_lab.data.tar.lines import NameOfLine

MAX_MEMBER_BYTES = 256 * 2**20
"""A larger image is a bad one: its header is lying, and believing it would eat the memory."""

IMAGE_SUFFIXES = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo'),
    *('.png', '.apng', '.bmp', '.dib', '.gif', '.webp', '.tif', '.tiff'),
    *('.ppm', '.pgm', '.pbm', '.pnm'),
    *('.jp2', '.j2k', '.jpc', '.jpf', '.jpx', '.j2c'),
    *('.tga', '.pcx', '.psd', '.qoi', '.dds', '.sgi', '.rgb', '.ras', '.xbm', '.xpm'),
)
"""Of what every Pillow reads, and `images.decode` lets it; '.avif' is one where this Pillow has AVIF."""

HEAD_BYTES = 32
"""First bytes of a file by which an image is told from others."""

_AVIF = '.avif'
_HIDDEN = re.compile(r'(?:^|/)(?:\.(?!\.?/)|__MACOSX/)')  # './' and '../' hide nothing
_IMAGE_MAGIC = re.compile(
    rb'\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|P[1-6]\s|'
    rb'BM....\0\0\0\0....[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0|\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51|qoif|8BPS',
    re.DOTALL,
)
_AVIF_MAGIC = re.compile(rb'....ftypavi[fs]', re.DOTALL)


class Member(NamedTuple):
    """One image file of an archive or a folder.

    `offset` is the byte offset of the member's first header block in the uncompressed tar stream, the
    number of the file in a folder, whose `archive` ends in a slash; `data` holds the encoded image. `name`
    has no leading './'; bytes in it that are not UTF-8, control characters and such are backslash escapes
    (`printable.escaped`), so that it can always be printed and stored. `problem` says why there is no data,
    and is empty where there is.
    `given_label` is a label from elsewhere than the name; None where there is none.
    """

    archive: str
    name: str
    offset: int
    data: bytes
    problem: str = ''
    given_label: str | None = None

    @property
    def key(self) -> str:
        return key_of(self.archive, self.name)

    @property
    def place(self) -> str:
        """Where it lies, as sentences say it."""
        return place_of(self.archive, self.name, self.offset)

    @property
    def label(self) -> str:
        """Its label, '' where it has none."""
        return label_of(self.name) if self.given_label is None else self.given_label


class Wanted(NamedTuple):
    """Which members are examples.

    Attributes:
      name: of that kind, as an index holds it.
      noun: what people call some of them.
      accepts: whether a file of a name is one.
      name_of_line: of an example that is a line of a text, made up from its number and bytes, such as
        'LABEL/line_12.tree'; None where examples are no lines.
      recognises: whether a file without a suffix is one, by its first HEAD_BYTES; None where none is.
      labels: the table that their labels stand in; None for their folders, or files beside them.
    """

    name: str
    noun: str
    accepts: Callable[[str], bool]
    name_of_line: NameOfLine | None = None
    recognises: Callable[[bytes], bool] | None = None
    labels: LabelTable | None = None

    def may_be(self, name: str) -> bool:
        """Whether a file of that name, which is not accepted by it, is to be told by its first bytes."""
        return self.recognises is not None and '.' not in name.rpartition('/')[2] and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Whether a file of that name is nobody's example: hidden, or what a Mac writes into archives."""
    return _HIDDEN.search(name) is not None


def is_image_name(name: str) -> bool:
    """Whether a file of that name in an archive or a folder is an image, and not hidden."""
    lower = name.lower()
    if lower.endswith(IMAGE_SUFFIXES) or (lower.endswith(_AVIF) and reads_avif()):
        return not is_hidden(name)
    return False


def is_image_head(head: bytes) -> bool:
    """Whether a file with these first bytes is an image of a known format."""
    return bool(_IMAGE_MAGIC.match(head)) or (bool(_AVIF_MAGIC.match(head)) and reads_avif())


@functools.cache
def reads_avif() -> bool:
    """Whether this Pillow reads AVIF, which it does from 11.3 on where it was built with it."""
    from PIL import features

    return 'avif' in features.modules and bool(features.check('avif'))


IMAGES = Wanted('image', 'images', is_image_name, recognises=is_image_head)


def key_of(archive: str, name: str) -> str:
    """Returns what tells a member from others, for people; of a file in a folder its path."""
    return f'{escaped(archive)}{"" if archive.endswith("/") else ":"}{name}'


def place_of(archive: str, name: str, offset: int) -> str:
    """Returns where a member lies, as sentences say it."""
    if archive.endswith('/'):
        return repr(f'{archive}{name}')
    return f'{archive!r}: member {name!r} at byte {offset}'


def problem_of(size: int) -> str:
    """Returns why a member of so many bytes has no data, '' where it has."""
    if size <= MAX_MEMBER_BYTES:
        return ''
    return f'it claims {size} bytes, more than the {MAX_MEMBER_BYTES} allowed for one example'
