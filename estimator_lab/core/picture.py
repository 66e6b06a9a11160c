"""Pictures for people: a grid of images with their labels. No TensorFlow."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_COLUMNS = 8
_TILE = 96  # pixels; small images are enlarged to it, so that the text below them can be read
_TEXT = 14
_GAP = 4
_BACKGROUND, _INK = 'white', 'black'


def labelled_grid(images: np.ndarray, texts: Sequence[str]) -> Image.Image:
    """Draws images in rows of eight, the text of each below it.

    Args:
      images: float [n, height, width, channels] in [0, 1], channels 1 or 3; n may be 0.
      texts: n labels; what does not fit below its image is cut.

    Returns:
      An RGB picture.
    """
    rows = max(-(-len(images) // _COLUMNS), 1)
    cell_width, cell_height = _TILE + _GAP, _TILE + _TEXT + _GAP
    picture = Image.new('RGB', (_COLUMNS * cell_width + _GAP, rows * cell_height + _GAP), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default()
    for number, (image, text) in enumerate(zip(images, texts, strict=True)):
        row, column = divmod(number, _COLUMNS)
        left, top = _GAP + column * cell_width, _GAP + row * cell_height
        picture.paste(_tile(image), (left, top))
        draw.text((left, top + _TILE), _cut(text, font), fill=_INK, font=font)
    return picture


def png_bytes(picture: Image.Image) -> bytes:
    """Returns the picture as a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, 'PNG')
    return buffer.getvalue()


def picture_of(image: np.ndarray) -> Image.Image:
    """Returns an image as an RGB picture of the same size.

    Args:
      image: float [height, width, channels] in [0, 1], channels 1 or 3; what lies outside is clipped.
    """
    pixels = np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert('RGB')


def _tile(image: np.ndarray) -> Image.Image:
    return picture_of(image).resize((_TILE, _TILE), Image.Resampling.NEAREST)


def _cut(text: str, font: 'ImageFont.ImageFont | ImageFont.FreeTypeFont') -> str:
    # The default bitmap font of older Pillows knows Latin-1 only.
    text = text.encode('latin-1', 'replace').decode('latin-1')
    while text and font.getlength(text) > _TILE:
        text = text[:-1]
    return text
