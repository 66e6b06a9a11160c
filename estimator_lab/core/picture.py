"""Pictures of images and numbers: labelled grids, tiles, overlays, heat maps, matrices. No TensorFlow.

Texts are drawn in Pillow's own font, which has the letters of ASCII only: see `spelled`.
"""

import functools
import io
import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from estimator_lab.base.errors import FlagError
from estimator_lab.base.json_input import shown
from estimator_lab.base.keys import to_bytes

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

SIZE = 15
"""Pixels of a text, readable where a page or a card of TensorBoard scales a picture to two thirds."""

LINE = 19
"""Pixels from one line of text to the next."""

_BREAKS = '/ ', '_-'  # the first marks in a line are preferred
_LONGEST = 1000  # letters; what follows is not even measured
_WORD = re.compile(r'\S+')
_SPELLED = 'ae oe ue ss aa ae oe oe d d th l h i ng'
_TRANSLITERATED = dict(zip('äöüßåæœøðđþłħıŋ', _SPELLED.split(' '), strict=True))

COLUMNS = 8
"""Images in a row."""

PNG_EFFORT = 1
"""PNG compression level during training: a quarter of the usual time, for files of the same size."""

_TILE = 96  # pixels; small images are enlarged to leave space for their labels
_MOST_LINES = 3  # of a part of a caption
_GAP = 4
_BACKGROUND, _INK = 'white', 'black'
_FULL_HEAT = 99  # percentile
BRIGHT = 98
"""Percentile of an activation map that is white: a few values are often far above the others."""

_OPACITY = 0.8

_VALUE = 12  # pixels of a value in a heat map, at most
_SIDE = 900  # pixels of a confusion matrix, if its cells allow
_CELLS = (17, 48)  # smallest and largest side of its cells in pixels
_LABEL = 120
_TITLE = 2 * LINE
_SMALL = 11  # pixels of a number in a cell that is too narrow for the usual size
_MATRIX_GAP = 6
_RIGHT, _WRONG = np.array([8, 81, 156]), np.array([179, 0, 0])  # colours of a cell with its whole row
_LINE_COLOUR, _DARK = '#cccccc', 0.5


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
    font, (readable,) = _font(size), spelled([text])
    fits, too_long = 0, len(readable) + 1  # letters
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if font.getlength(readable[:middle]) <= width:
            fits = middle
        else:
            too_long = middle
    return Line(readable[:fits], font)


def wrapped(text: str, width: float, most: int) -> list[Line]:
    """Returns a text in ASCII as lines that fit into a width in pixels, at most `most`; the last one is cut.

    They are broken after a '/' or a space if possible, otherwise after a '_' or '-'.
    """
    lines: list[Line] = []
    while text and len(lines) < most - 1:
        line = fitted(text, width)
        taken = len(line.text)
        if taken == len(text):
            break
        ends = [max(text.rfind(mark, 0, taken) for mark in marks) + 1 for marks in _BREAKS]
        end = next(filter(None, ends), max(taken, 1))
        lines.append(line._replace(text=text[:end]))
        text = text[end:]
    return [*lines, fitted(text, width)] if text or not lines else lines


def spelled(texts: Sequence[str]) -> list[str]:
    """Returns the texts of a picture in ASCII; different words stay different.

    Latin letters are transliterated. All others become their Unicode numbers, as do the letters of a word
    that would otherwise be spelled like another.

    Examples:
        >>> spelled(['große Bären', 'Bar', '猫'])
        ['grosse Baeren', 'Bar', 'U+732B']
        >>> spelled(['Bär', 'Baer'])
        ['BU+00E4r', 'Baer']
    """
    texts = [text[:_LONGEST] for text in texts]
    words = {word for text in texts for word in _WORD.findall(text)}
    plain = {word: ''.join(map(_in_ascii, unicodedata.normalize('NFC', word))) for word in words}
    words_of = Counter(plain.values())

    def readable(found: re.Match[str]) -> str:
        word = found[0]
        return plain[word] if words_of[plain[word]] == 1 else ''.join(map(_numbered, word))

    return [_WORD.sub(readable, text) for text in texts]


def _in_ascii(letter: str) -> str:
    if letter.isascii():
        return letter
    if letters := _TRANSLITERATED.get(letter.lower()):
        return letters if letter.islower() else letters.capitalize()
    plain = ''.join(c for c in unicodedata.normalize('NFKD', letter) if not unicodedata.combining(c))
    return ''.join(map(_in_ascii, plain)) if plain not in ('', letter) else _numbered(letter)


def _numbered(letter: str) -> str:
    return letter if letter.isascii() else f'U+{ord(letter):04X}'


@functools.cache
def _font(size: int) -> Font:
    try:
        return ImageFont.load_default(size)
    except (ImportError, TypeError):  # a Pillow without FreeType, or before 10.1: small letters only
        return ImageFont.load_default()


def labelled_grid(
    images: np.ndarray, texts: Sequence[str], columns: int = COLUMNS, tile: int = _TILE, title: str = ''
) -> Image.Image:
    """Draws images in rows, each with a text below it, and a title above all.

    Examples:
        >>> labelled_grid(np.zeros((3, 8, 8, 1)), ['a', 'b', 'c'], columns=3, tile=32).width
        112

    Args:
      images: [n, height, width, channels] in a format of `as_picture`; n may be 0.
      texts: n texts, of one or more lines; lines that are wider than an image go on below. '' for none.
      columns: images in a row.
      tile: side of each image in the picture, in pixels.
      title: text above the images; '' for none.

    Raises:
      FlagError: there are more or fewer texts than images, no columns, or an image is something else.
    """
    count = len(texts) if hasattr(texts, '__len__') else shown(texts)
    if count != len(images):
        raise FlagError(f'{len(images)} images need as many texts, not {count}.')
    if columns < 1 or tile < 1:
        raise FlagError(f'columns={columns} and tile={tile} must be 1 or more.')
    rows = max(-(-len(images) // columns), 1)
    title, *texts = spelled([title, *texts])
    captions = [
        [line for part in text.split('\n') for line in wrapped(part, tile, _MOST_LINES)] if text else []
        for text in texts
    ]
    lines = [max(map(len, captions[row * columns : (row + 1) * columns]), default=0) for row in range(rows)]
    cell_width = tile + _GAP
    width = columns * cell_width + _GAP
    heading = wrapped(title, width - 2 * _GAP, _MOST_LINES) if title else []
    first = _GAP + (len(heading) * LINE + _GAP if heading else 0)
    tops = list(itertools.accumulate((tile + count * LINE + _GAP for count in lines), initial=first))
    picture = Image.new('RGB', (width, tops[-1]), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for place, line in enumerate(heading):
        line.draw(draw, (_GAP, _GAP + place * LINE), _INK)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(number, columns)
        left, top = _GAP + column * cell_width, tops[row]
        picture.paste(enlarged(image, tile, tile), (left, top))
        for place, line in enumerate(caption):
            line.draw(draw, (left, top + tile + place * LINE), _INK)
    return picture


def as_picture(image: np.ndarray) -> Image.Image:
    """Returns an image [height, width, channels] as a picture: grey for one channel, RGB for three.

    Examples:
        >>> as_picture(np.zeros((24, 32, 3), np.uint8)).size
        (32, 24)
        >>> as_picture(np.ones((24, 32, 1))).getpixel((0, 0))
        255

    Args:
      image: float, clipped to [0, 1], or uint8.

    Raises:
      FlagError: it is something else.
    """
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] not in (1, 3):
        given = f'{image.dtype} {list(image.shape)}' if isinstance(image, np.ndarray) else shown(image)
        raise FlagError(f'A picture is made of an array [height, width, 1 or 3], not of {given}.')
    if image.dtype.kind not in 'buif':
        raise FlagError(f'A picture is made of floats in [0, 1] or uint8, not of {image.dtype}.')
    if image.dtype != np.uint8:
        image = to_bytes(image)
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def png_bytes(picture: Image.Image) -> bytes:
    """Returns the picture as a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, 'PNG', compress_level=PNG_EFFORT)
    return buffer.getvalue()


def enlarged(image: np.ndarray, width: int, height: int) -> Image.Image:
    """Returns the image in RGB and another size; if enlarged, its pixels become squares."""
    picture = as_picture(image).convert('RGB')
    grows = max(picture.size) <= max(width, height)
    return picture.resize((width, height), Image.Resampling.NEAREST if grows else Image.Resampling.BOX)


def numbered_tiles(tiles: np.ndarray, most: int, title: str = '') -> Image.Image:
    """Draws filters or activation maps with their numbers, each scaled from black to white.

    Args:
      tiles: float [n, height, width, channels] of any range; channels are averaged unless there are 1 or 3.
      most: maximum number of tiles; the ones with the largest mean absolute value are drawn.
      title: text above the tiles.
    """
    if tiles.shape[3] not in (1, 3):
        tiles = tiles.mean(axis=3, keepdims=True)
    strengths = np.abs(tiles).mean(axis=(1, 2, 3))
    shown = np.sort(np.argsort(-strengths, kind='stable')[:most])
    return labelled_grid(
        stretched(tiles[shown], BRIGHT), list(map(str, shown)), min(len(shown), COLUMNS), title=title
    )


def stretched(tiles: np.ndarray, full: float = 100) -> np.ndarray:
    """Scales each tile [n, height, width, channels] to [0, 1]; a constant one becomes 0.

    Args:
      tiles: of any range.
      full: percentile of a tile's values that becomes 1, as do all above it.
    """
    low, full_value, high = np.percentile(tiles, [0, full, 100], axis=(1, 2, 3), keepdims=True)
    top = np.where(full_value > low, full_value, high)
    return np.minimum((tiles - low) / np.where(top > low, top - low, 1), 1)


def overlay(image: np.ndarray, heat: np.ndarray, side: int) -> Image.Image:
    """Draws an image in grey with a heat map from red to yellow over it.

    Args:
      image: [height, width, channels] in a format of `as_picture`.
      heat: float [rows, columns], at least 0, which covers the image; its 99th percentile is full heat.
      side: longer side of the picture in pixels.
    """
    scale = side / max(image.shape[:2])
    height, width = (max(round(length * scale), 1) for length in image.shape[:2])
    ground = np.asarray(as_picture(image).convert('L').resize((width, height), Image.Resampling.BICUBIC))
    full = np.percentile(heat, _FULL_HEAT) or heat.max() or 1
    small = Image.fromarray(np.clip(heat / full, 0, 1).astype(np.float32))
    share = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))[..., np.newaxis]
    colour = np.concatenate([np.full_like(share, 255), 255 * share, np.zeros_like(share)], axis=2)
    mixed = (1 - _OPACITY * share) * ground[..., np.newaxis] + _OPACITY * share * colour
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def heat_map(values: np.ndarray) -> Image.Image:
    """Draws values over time, one column per step and one row per unit: blue below 0, white at 0, red above.

    The values are float [steps, units]; the largest absolute one has full colour; values that are not finite
    are grey. The picture has about 960x480 pixels at most, unless there are more values.
    """
    steps, units = values.shape
    finite = np.isfinite(values)
    shares = np.where(finite, values, 0)
    shares = (shares / (np.abs(shares).max() or 1)).T[..., np.newaxis]
    red = np.concatenate([np.ones_like(shares), 1 - shares, 1 - shares], axis=2)
    blue = np.concatenate([1 + shares, 1 + shares, np.ones_like(shares)], axis=2)
    pixels = np.where(finite.T[..., np.newaxis], np.where(shares >= 0, red, blue), 0.5)
    picture = Image.fromarray(np.rint(255 * pixels).astype(np.uint8))
    across, down = (max(min(_VALUE, most // count), 1) for most, count in ((960, steps), (480, units)))
    return picture.resize((steps * across, units * down), Image.Resampling.NEAREST)


def confusion_picture(matrix: np.ndarray, labels: Sequence[str], title: str) -> Image.Image:
    """Draws a confusion matrix: correct predictions in blue, mistakes in red, darker for a larger share.

    Args:
      matrix: int [n, n], number of images by true class (row) and predicted class (column).
      labels: n texts.
      title: one line above the matrix; the picture is as wide as both, a longer title than 900 pixels is cut.
    """
    size = len(labels)
    cell = int(np.clip(_SIDE // max(size, 1), *_CELLS))
    lines = [fitted(label, _LABEL) for label in spelled(labels)]
    margin = int(max((line.length for line in lines), default=0)) + 2 * _MATRIX_GAP
    left, top = margin + _MATRIX_GAP, _TITLE + margin
    titles = [fitted(text, _SIDE) for text in (title, 'rows: true, columns: predicted')]
    width = max(left + size * cell, *(_MATRIX_GAP + math.ceil(line.length) for line in titles)) + _MATRIX_GAP
    picture = Image.new('RGB', (width, top + size * cell + _MATRIX_GAP), 'white')
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(titles):
        line.draw(draw, (_MATRIX_GAP, 2 + number * LINE), _INK)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    for row in range(size):
        lines[row].draw(draw, (_MATRIX_GAP, top + row * cell + (cell - SIZE) // 2 - 1), _INK)
        _draw_upright(picture, lines[row], left + row * cell, top - _MATRIX_GAP, cell)
        for column in range(size):
            box = (left + column * cell, top + row * cell)
            _draw_cell(draw, box, cell, int(matrix[row, column]), shares[row, column], row == column)
    return picture


def _draw_cell(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], side: int, images: int, share: float, right: bool
) -> None:
    # The root makes few mistakes among many images visible.
    strength = float(np.sqrt(share))
    colour = (1 - strength) * 255 + strength * (_RIGHT if right else _WRONG)
    x, y = place
    fill = tuple(int(value) for value in colour)
    draw.rectangle((x, y, x + side, y + side), fill=fill, outline=_LINE_COLOUR)
    for size in (SIZE, _SMALL) if images else ():
        line = fitted(str(images), _SIDE, size)
        if line.length < side - 2:
            ink = 'white' if strength > _DARK else _INK
            line.draw(draw, (x + (side - line.length) / 2, y + (side - size) / 2 - 1), ink)
            break


def _draw_upright(picture: Image.Image, text: Line, left: int, bottom: int, width: int) -> None:
    """Draws a text rotated by 90 degrees, to be read from below."""
    line = Image.new('RGB', (max(int(text.length) + 1, 1), _CELLS[0]), 'white')
    text.draw(ImageDraw.Draw(line), (0, -1), _INK)
    line = line.rotate(90, expand=True)
    picture.paste(line, (left + (width - line.width) // 2, bottom - line.height))
