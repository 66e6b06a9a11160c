"""Pictures for people: a grid of images with their labels. No TensorFlow."""

import io
import unicodedata
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TILE = 96  # pixels; small images are enlarged to it, so that the text below them can be read
_LINE = 14
_GAP = 4
_BACKGROUND, _INK = 'white', 'black'

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def labelled_grid(
    images: np.ndarray, texts: Sequence[str], columns: int = 8, tile: int = _TILE
) -> Image.Image:
    """Draws images in rows, the text of each below it.

    Args:
      images: [n, height, width, channels] as `as_picture` takes them; n may be 0.
      texts: n texts, of one line or more; what does not fit below its image is cut.
      columns: images in a row.
      tile: pixels that each is drawn large.

    Returns:
      An RGB picture.
    """
    rows = max(-(-len(images) // columns), 1)
    lines = max((text.count('\n') for text in texts), default=0) + 1
    cell_width, cell_height = tile + _GAP, tile + lines * _LINE + _GAP
    picture = Image.new('RGB', (columns * cell_width + _GAP, rows * cell_height + _GAP), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default()
    for number, (image, text) in enumerate(zip(images, texts, strict=True)):
        row, column = divmod(number, columns)
        left, top = _GAP + column * cell_width, _GAP + row * cell_height
        picture.paste(enlarged(image, tile, tile), (left, top))
        for place, line in enumerate(text.split('\n')):
            draw.text((left, top + tile + place * _LINE), cut(line, font, tile), fill=_INK, font=font)
    return picture


def as_picture(image: np.ndarray) -> Image.Image:
    """Returns an image [height, width, channels] as a picture: grey for one channel, RGB for three.

    Args:
      image: float in [0, 1], beyond which it is cut; or uint8.
    """
    if image.dtype != np.uint8:
        image = np.clip(np.rint(np.nan_to_num(image) * 255), 0, 255).astype(np.uint8)
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def png_bytes(picture: Image.Image) -> bytes:
    """Returns the picture as a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, 'PNG')
    return buffer.getvalue()


def enlarged(image: np.ndarray, width: int, height: int) -> Image.Image:
    """Returns the image in RGB and another size, its pixels as squares where it grows."""
    return as_picture(image).convert('RGB').resize((width, height), Image.Resampling.NEAREST)


def cut(text: str, font: Font, width: int) -> str:
    """Returns as much of the text as fits into so many pixels, in letters that the font has."""
    # Pillow's own font knows ASCII only: accents are taken off, and what is left becomes '?'.
    plain = (c for c in unicodedata.normalize('NFKD', text) if not unicodedata.combining(c))
    text = ''.join(plain).encode('ascii', 'replace').decode('ascii')
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text
