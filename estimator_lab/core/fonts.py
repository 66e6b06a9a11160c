"""Texts in pictures, in Pillow's own font. No TensorFlow.

It has the letters of ASCII only. Accents are removed, and other letters become their Unicode numbers, such as
'U+732B', so that different labels stay different.
"""

import functools
import unicodedata
from typing import NamedTuple

from PIL import ImageDraw, ImageFont

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

SIZE = 15
"""Pixels of a text, readable where a page or a card of TensorBoard scales a picture to two thirds."""

LINE = 19
"""Pixels from one line of text to the next."""

_BREAKS = '/ ', '_-'  # the first marks in a line are preferred
_LONGEST = 1000  # letters; what follows is not even measured


class Line(NamedTuple):
    """A text and the font to draw it in.

    Attributes:
      text: one line.
      font: the font.
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
    font, readable = _font(size), ''.join(map(_spelled, text[:_LONGEST]))
    fits, too_long = 0, len(readable) + 1  # letters
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if font.getlength(readable[:middle]) <= width:
            fits = middle
        else:
            too_long = middle
    return Line(readable[:fits], font)


def wrapped(text: str, width: float, most: int) -> list[Line]:
    """Returns a text as lines that fit into a width in pixels, at most `most`; the last one is cut.

    They are broken after a '/' or a space if possible, otherwise after a '_' or '-'.
    """
    lines: list[Line] = []
    while text and len(lines) < most - 1:
        line = fitted(text, width)
        taken = len(line.text)
        if line.text != text[:taken] or taken == len(text):  # letters that the font lacks are spelled out
            break
        ends = [max(text.rfind(mark, 0, taken) for mark in marks) + 1 for marks in _BREAKS]
        end = next(filter(None, ends), max(taken, 1))
        lines.append(line._replace(text=text[:end]))
        text = text[end:]
    return [*lines, fitted(text, width)] if text or not lines else lines


def _spelled(letter: str) -> str:
    """Returns a letter, or what is written for it in ASCII."""
    if letter.isascii():
        return letter
    plain = [c for c in unicodedata.normalize('NFKD', letter) if not unicodedata.combining(c)]
    return ''.join(plain) if plain and all(c.isascii() for c in plain) else f'U+{ord(letter):04X}'


@functools.cache
def _font(size: int) -> Font:
    try:
        return ImageFont.load_default(size)
    except (ImportError, TypeError):  # a Pillow without FreeType, or before 10.1: small letters only
        return ImageFont.load_default()
