"""Images as arrays: what ``scipy.misc`` had up to SciPy 1.1, for programs that `run` runs. Needs Pillow."""

from typing import Any

import numpy as np
from PIL import Image

_FILTERS = {'nearest': 0, 'lanczos': 1, 'bilinear': 2, 'bicubic': 3, 'cubic': 3}


def imread(name: Any, flatten: bool = False, mode: str | None = None) -> np.ndarray:
    """Returns the pixels of a file, [height, width] or [height, width, channels]; float32 if `flatten`."""
    return fromimage(Image.open(name), flatten, mode)


def imsave(name: Any, arr: Any, format: str | None = None) -> None:
    """Writes an array [height, width] or [height, width, 3 or 4] to a file; see `bytescale`."""
    toimage(arr, channel_axis=2).save(name, format)


def imresize(arr: Any, size: Any, interp: str = 'bilinear', mode: str | None = None) -> np.ndarray:
    """Returns the scaled image; `size` is an integer in percent, a float as a share, or (height, width)."""
    image = toimage(arr, mode=mode)
    if np.ndim(size):
        height, width = size[:2]
    else:
        share = size / 100 if isinstance(size, int | np.integer) else size
        width, height = (int(side * share) for side in image.size)
    return fromimage(image.resize((int(width), int(height)), _FILTERS[interp]))


def imrotate(arr: Any, angle: float, interp: str = 'bilinear') -> np.ndarray:
    """Returns the image turned counter-clockwise by an angle in degrees; corners that are new are black."""
    return fromimage(toimage(arr).rotate(angle, _FILTERS[interp]))


def fromimage(im: Any, flatten: bool = False, mode: str | None = None) -> np.ndarray:
    """Returns the pixels of an image of Pillow, converted to `mode`, and to grey float32 if `flatten`."""
    if mode is None and im.mode == 'P':
        mode = 'RGBA' if 'transparency' in im.info else 'RGB'
    im = im.convert(mode) if mode else im
    if flatten or im.mode == '1':
        im = im.convert('F' if flatten else 'L')
    return np.array(im)


def toimage(
    arr: Any,
    high: int = 255,
    low: int = 0,
    cmin: float | None = None,
    cmax: float | None = None,
    pal: None = None,
    mode: str | None = None,
    channel_axis: int | None = None,
) -> Any:
    """Returns an image of Pillow; see `bytescale`. By default, the channels are the first axis of 3, or 4.

    Raises:
      ValueError: if the array has no such axis, or there is a palette.
    """
    data = np.asarray(arr)
    if pal is not None:
        raise ValueError('A palette is not supported: use Image.putpalette.')
    if data.ndim == 2 and mode == 'F':
        return Image.fromarray(data.astype(np.float32))
    if data.ndim == 3:
        axes = [data.shape.index(count) for count in (3, 4) if count in data.shape]
        if channel_axis is None and axes:
            channel_axis = axes[0]
        data = np.moveaxis(data, 2 if channel_axis is None else channel_axis, 2)
    if data.ndim not in (2, 3) or (data.ndim == 3 and data.shape[2] not in (3, 4)):
        raise ValueError("'arr' does not have a suitable array shape for any mode.")
    pixels = bytescale(data, cmin, cmax, high, low)
    mode = mode or ('L' if data.ndim == 2 else 'RGB' if data.shape[2] == 3 else 'RGBA')
    return Image.frombytes(mode, data.shape[1::-1], np.ascontiguousarray(pixels).tobytes())


def bytescale(
    data: Any, cmin: float | None = None, cmax: float | None = None, high: int = 255, low: int = 0
) -> np.ndarray:
    """Returns uint8 unchanged; scales other numbers, from `cmin` to `cmax` or all, to `low` to `high`."""
    if data.dtype == np.uint8:
        return data
    least, most = data.min() if cmin is None else cmin, data.max() if cmax is None else cmax
    if most < least:
        raise ValueError('`cmax` should be larger than `cmin`.')
    scaled = (data - least) * ((high - low) / ((most - least) or 1)) + low
    return (scaled.clip(low, high) + 0.5).astype(np.uint8)
