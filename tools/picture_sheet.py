"""Arranges pictures with captions and a title, as in docs/images.

    python tools/picture_sheet.py dreams.jpg --title='Dreams of two networks' --columns=2 --width=360 \\
        'conv2 of a small network=small.jpg' 'conv4_3 of VGG-16=large.jpg'

Each picture keeps its shape and gets the width of its column. A caption may be empty: '=photo.jpg'.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1]))
from estimator_lab.core.fonts import Line, fitted

_GAP = 6
_QUALITY = 75
_LEADING = 1.4  # pixels from line to line, for each pixel of the size of the texts


class Captioned(NamedTuple):
    """A picture and its caption."""

    text: str
    picture: Image.Image


def sheet(title: str, tiles: Sequence[Captioned], columns: int, width: int, size: int) -> Image.Image:
    """Returns pictures in rows, with their captions below and the title above.

    Args:
      title: one line; '' for none.
      tiles: at least one.
      columns: pictures in a row.
      width: of each picture in pixels.
      size: of the texts in pixels.
    """
    line = round(_LEADING * size)
    scaled = [_scaled(tile.picture, width) for tile in tiles]
    starts = range(0, len(tiles), columns)
    heights = [
        max(picture.height for picture in scaled[start : start + columns])
        + (line if any(tile.text for tile in tiles[start : start + columns]) else _GAP)
        for start in starts
    ]
    top = line if title else _GAP
    picture = Image.new('RGB', (columns * (width + _GAP) + _GAP, top + sum(heights)), 'white')
    draw = ImageDraw.Draw(picture)
    _whole(title, picture.width - 2 * _GAP, size).draw(draw, (_GAP, (line - size) // 2 - 2))
    for start, height in zip(starts, heights, strict=True):
        for column, (tile, image) in enumerate(zip(tiles[start:][:columns], scaled[start:], strict=False)):
            left = _GAP + column * (width + _GAP)
            picture.paste(image, (left, top))
            _whole(tile.text, width, size).draw(draw, (left, top + image.height))
        top += height
    return picture


def _scaled(picture: Image.Image, width: int) -> Image.Image:
    height = round(picture.height * width / picture.width)
    return picture.convert('RGB').resize((width, height), Image.Resampling.LANCZOS)


def _whole(text: str, width: int, size: int) -> Line:
    """Returns a text that fits into a width; ends the program if it does not."""
    line = fitted(text, width, size)
    if line.text != fitted(text, sys.maxsize, size).text:
        sys.exit(
            f'error: {text!r} is wider than {width} pixels: shorten it, or choose a smaller --text_size.'
        )
    return line


def captioned(text: str) -> Captioned:
    """Returns the picture of an argument CAPTION=FILE."""
    caption, _, path = text.rpartition('=')
    with Image.open(path) as picture:
        return Captioned(caption, picture.convert('RGB'))


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path, help='output file, .jpg or .png')
    parser.add_argument('pictures', nargs='+', type=captioned, help='CAPTION=FILE')
    parser.add_argument('--title', default='', help='line above all pictures')
    parser.add_argument('--columns', type=int, default=2, help='pictures in a row')
    parser.add_argument('--width', type=int, default=360, help='of each picture in pixels')
    parser.add_argument('--text_size', type=int, default=22, help='in pixels')
    given = parser.parse_args()
    made = sheet(given.title, given.pictures, given.columns, given.width, given.text_size)
    made.save(given.out, quality=_QUALITY, optimize=True)


if __name__ == '__main__':
    main()
