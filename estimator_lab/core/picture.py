"""Pictures made of images: grids with labels, tiles, overlays, films. No TensorFlow."""

import io
import itertools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from estimator_lab.base.keys import to_bytes
from estimator_lab.core.fonts import LINE, wrapped

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
    """
    rows = max(-(-len(images) // columns), 1)
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
    """
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
    grows = max(image.shape[:2]) <= max(width, height)
    method = Image.Resampling.NEAREST if grows else Image.Resampling.BOX
    return as_picture(image).convert('RGB').resize((width, height), method)


def numbered_tiles(tiles: np.ndarray, most: int, title: str = '') -> Image.Image:
    """Draws filters or activation maps with their numbers, each scaled from black to white.

    Args:
      tiles: float [n, height, width, channels] of any range; channels are averaged unless there are 1 or 3.
      most: maximum number of tiles; those with the largest mean absolute value are drawn.
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
