"""Texts in pictures, in a font that has their letters. No TensorFlow.

Pillow's own font has Latin letters only. Other texts use a system font that has all of their letters. Without
one, accents are removed, and remaining letters become their Unicode numbers, such as 'U+732B'.
"""

import functools
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

# Fonts of Linux, macOS and Windows; the first that has all letters of a text is used.
_SYSTEM = (
    *('DejaVuSans.ttf', 'NotoSans-Regular.ttf', 'LiberationSans-Regular.ttf', 'FreeSans.ttf'),
    *('NotoSansCJK-Regular.ttc', 'wqy-zenhei.ttc', 'wqy-microhei.ttc', 'DroidSansFallbackFull.ttf'),
    *('NotoSansArabic-Regular.ttf', 'NotoSansHebrew-Regular.ttf', 'NotoSansDevanagari-Regular.ttf'),
    *('NotoSansThai-Regular.ttf', 'unifont.otf', 'unifont.ttf'),
    *('Arial Unicode.ttf', 'PingFang.ttc', 'Hiragino Sans GB.ttc', 'AppleGothic.ttf'),
    *('segoeui.ttf', 'msyh.ttc', 'YuGothM.ttc', 'malgun.ttf', 'Nirmala.ttf'),
)
SIZE = 15
"""Pixels of a text, readable where a page or a card of TensorBoard scales a picture to two thirds."""

LINE = 19
"""Pixels from one line of text to the next."""

_BREAKS = '/ ', '_-'  # the first marks in a line are preferred
_NO_LETTER = '\U0010ffff'  # not a character: fonts draw it like any missing letter
_BOX = 4 * SIZE
_MOST_CACHED = 10_000  # letters


class Line(NamedTuple):
    """A text and the font to draw it in.

    Attributes:
      text: one line.
      font: a font with all of its letters.
    """

    text: str
    font: Font

    @property
    def length(self) -> float:
        """Length in pixels."""
        return self.font.getlength(self.text)

    def draw(self, draw: ImageDraw.ImageDraw, place: tuple[float, float], ink: str = 'black') -> None:
        """Draws the text with its upper left corner at a position in pixels."""
        draw.text(place, self.text, fill=ink, font=self.font)


def fitted(text: str, width: float, size: int = SIZE) -> Line:
    """Returns as much of a text as fits into a width in pixels, in available letters of a size in pixels."""
    line = _readable(text, size)
    shown = line.text
    while shown and line.font.getlength(shown) > width:
        shown = shown[:-1]
    return line._replace(text=shown)


def wrapped(text: str, width: float, most: int) -> list[Line]:
    """Returns a text as lines that fit into a width in pixels.

    They are broken after a '/' or a space if possible, otherwise after a '_' or '-'.

    Args:
      text: one line.
      width: of a line in pixels.
      most: lines; the last one is cut.
    """
    lines: list[Line] = []
    while text and len(lines) < most - 1:
        line = fitted(text, width)
        taken = len(line.text)
        if line.text != text[:taken] or taken == len(text):  # letters that no font has are spelled out
            break
        ends = [max(text.rfind(mark, 0, taken) for mark in marks) + 1 for marks in _BREAKS]
        end = next(filter(None, ends), max(taken, 1))
        lines.append(line._replace(text=text[:end]))
        text = text[end:]
    return [*lines, fitted(text, width)] if text or not lines else lines


def _readable(text: str, size: int) -> Line:
    for number, font in enumerate(_fonts(size)):
        if all(_has(number, letter) for letter in set(text)):
            return Line(text, font)
    return Line(''.join(_spelled(text)), _fonts(size)[0])


def _spelled(text: str) -> Iterator[str]:
    """Yields the letters of a text, replaced by ones of Pillow's own font."""
    for letter in text:
        if _has(0, letter):
            yield letter
            continue
        plain = [c for c in unicodedata.normalize('NFKD', letter) if not unicodedata.combining(c)]
        yield ''.join(plain) if plain and all(c.isascii() for c in plain) else f'U+{ord(letter):04X}'


@functools.cache
def _fonts(size: int) -> tuple[Font, ...]:
    """Returns Pillow's own font and the available system fonts, in a size in pixels."""
    found: list[Font] = [_own_font(size)]
    for name in _SYSTEM:
        try:
            found.append(ImageFont.truetype(name, size))
        except (OSError, ImportError):  # missing, or a Pillow without FreeType
            continue
    return tuple(found)


def _own_font(size: int) -> Font:
    try:
        return ImageFont.load_default(size)
    except (ImportError, TypeError):  # a Pillow without FreeType, or before 10.1: small letters only
        return ImageFont.load_default()


@functools.lru_cache(_MOST_CACHED)
def _has(number: int, letter: str) -> bool:
    """Returns whether a font has a letter; `number` is its index in `_fonts`."""
    font = _fonts(SIZE)[number]
    if letter.isascii():
        return True
    if not isinstance(font, ImageFont.FreeTypeFont):
        return False
    return _drawn(font, letter) != _drawn(font, _NO_LETTER)


def _drawn(font: ImageFont.FreeTypeFont, letter: str) -> bytes:
    picture = Image.new('L', (_BOX, _BOX))
    ImageDraw.Draw(picture).text((SIZE, SIZE), letter, fill=255, font=font)
    return picture.tobytes()
