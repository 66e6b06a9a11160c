"""Paintings of photos by a style transfer network, each at its photo's size, in tiles if that is large."""

import dataclasses
import io
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.base.errors import FlagError
from estimator_lab.base.keys import IMAGE, to_bytes, to_unit_range
from estimator_lab.core import keys
from estimator_lab.core.params import sizes
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import BadExample
from estimator_lab.data.images.decode import open_image
from estimator_lab.data.member import BadExampleError
from estimator_lab.data.order import Order
from estimator_lab.inference.prediction import Predicted
from estimator_lab.inference.settings import PaintingSettings
from estimator_lab.models.style.transform_net import SMALLEST_SIDE, STATISTICS, reach_of
from estimator_lab.runs.model import Trained
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.tf1 import tf

WHOLE_PIXELS = 2**21
"""Pixels up to which a photo is painted as a whole: the default network then needs half a gigabyte."""

_TILE = 1024  # pixels of its side, without its margins
_ORIENTATION = 0x0112  # in EXIF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def with_painting_settings(trained: Trained, settings: PaintingSettings) -> Trained:
    """Returns the model with other parameters of its paintings.

    Args:
      trained: a model; one that does not paint is returned unchanged if no setting is given.
      settings: the parameters.

    Raises:
      FlagError: the model does not paint, or not in that style; the strength is out of range.
    """
    names = {'style': 'mix', 'strength': 'strength', 'preserve_colour': 'preserve_colour'}
    chosen = {parameter: getattr(settings, name) for name, parameter in names.items()}
    given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    if not given:
        return trained
    if trained.model.transform_net is None:
        raise FlagError(
            f'--style, --strength and --preserve_colour are for paintings, but --model_dir='
            f'{trained.model_dir} holds --model={trained.model.name}.'
        )
    if settings.strength is not None and not 0 <= settings.strength <= 1:
        raise FlagError(f'--strength={settings.strength:g} is not allowed: a share in [0, 1].')
    params = dataclasses.replace(trained.params, **given)
    try:
        _ = params.shares
    except FlagError as error:
        raise FlagError(f'--style={settings.style}: {error}') from error
    return dataclasses.replace(trained, params=params)


def painted_batches(trained: Trained, images: Order, report: InputReport) -> Generator[Predicted, None, None]:
    """Yields the paintings of encoded photos in their order: 'painted', uint8 [1, height, width, channels].

    Raises:
      DataError: the photos can't be read any further, after the paintings of those before.
      LabError: TensorFlow fails.
    """
    with tensorflow_errors_as_sentences(), Artist(trained) as artist:
        none = np.empty((0, 1, 1, artist.channels), np.uint8)
        for member in report.until_error(images.epoch(0)):
            try:
                photo = upright(member.read().data)
            except BadExampleError as reason:
                report.count(member, reason)
                yield Predicted([], [BadExample(0, member.key, str(reason))], {keys.PAINTED: none})
                continue
            report.count(member, None)
            pixels = np.asarray(photo.convert('L' if artist.channels == 1 else 'RGB'))
            painted = artist.paint(pixels.reshape(photo.height, photo.width, artist.channels))
            yield Predicted([member.key], [], {keys.PAINTED: painted[np.newaxis]})
    report.raise_error()


def upright(data: bytes) -> Image.Image:
    """Decodes a photo and turns it upright, as its EXIF data say.

    Raises:
      BadExampleError: it can't be decoded.
    """
    photo = open_image(data)
    try:
        turn = Image.open(io.BytesIO(data), formats=['JPEG']).getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - Pillow's EXIF parser raises anything on damaged metadata
        return photo
    return photo.transpose(_UPRIGHT[turn]) if turn in _UPRIGHT else photo


class Artist:
    """A style transfer network in its own session, which ends with the `with` block.

    Args:
      trained: a model with a `transform_net`.

    Attributes:
      channels: of the photos.

    Raises:
      LabError: its checkpoint can't be restored.
    """

    def __init__(self, trained: Trained) -> None:
        self.channels = trained.shape.channels
        filters = sizes(trained.params.filters)
        self._unit = 2 ** (len(filters) - 1)  # tiles begin at a pixel of the smallest maps
        self._margin = -(-reach_of(filters, trained.params.blocks) // self._unit) * self._unit
        with tf.Graph().as_default() as graph:
            self._photos = tf.placeholder(tf.float32, [None, None, None, self.channels])
            self._painted = trained.predictions({IMAGE: self._photos}).predictions[keys.PAINTED]
            self._statistics = graph.get_collection(STATISTICS)
            self._session = trained.session()

    def __enter__(self) -> 'Artist':
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def paint(self, photo: np.ndarray) -> np.ndarray:
        """Returns the painting of a photo, uint8 of its shape.

        A photo of more than `WHOLE_PIXELS` is painted in overlapping tiles, all normalized by the means and
        variances of a smaller copy of the photo (Chen et al. 2022, 'Towards ultra-resolution neural style
        transfer via thumbnail instance normalization'): with those of each tile, the tiles would be visible.

        Args:
          photo: uint8 [height, width, channels].
        """
        height, width, _ = photo.shape
        if min(height, width) < SMALLEST_SIDE:
            margins = [(0, max(SMALLEST_SIDE - side, 0)) for side in (height, width)]
            return self.paint(np.pad(photo, [*margins, (0, 0)], 'edge'))[:height, :width]
        if height * width <= WHOLE_PIXELS:
            return to_bytes(self._run(self._painted, photo))
        scale = (WHOLE_PIXELS / (height * width)) ** 0.5
        small = Image.fromarray(photo[:, :, 0] if self.channels == 1 else photo).resize(
            (max(int(width * scale), 1), max(int(height * scale), 1)), Image.Resampling.BOX
        )
        pixels = np.asarray(small).reshape(small.height, small.width, self.channels)
        return self.paint_tiles(photo, pixels, _TILE)

    def paint_tiles(self, photo: np.ndarray, small: np.ndarray, side: int) -> np.ndarray:
        """Returns the painting of a photo, made in tiles.

        Args:
          photo: uint8 [height, width, channels].
          small: the photo scaled down; its means and variances are used.
          side: of a tile in pixels.
        """
        statistics = dict(zip(self._statistics, self._run(self._statistics, small), strict=True))
        painted = np.empty_like(photo)
        for inner, outer in self._tiles(photo.shape[0], photo.shape[1], side):
            tile = to_bytes(self._run(self._painted, photo[outer], statistics))
            rows, columns = (
                slice(one.start - around.start, one.stop - around.start)
                for one, around in zip(inner, outer, strict=True)
            )
            painted[inner] = tile[rows, columns]
        return painted

    def _tiles(self, height: int, width: int, side: int) -> Iterator[tuple[tuple[slice, slice], Any]]:
        """Yields rows and columns of each tile, and the same with its margins."""
        side = -(-side // self._unit) * self._unit
        for top in range(0, height, side):
            for left in range(0, width, side):
                ends = (min(top + side, height), min(left + side, width))
                inner = (slice(top, ends[0]), slice(left, ends[1]))
                outer = tuple(
                    slice(max(start - self._margin, 0), min(end + self._margin, most))
                    for start, end, most in zip((top, left), ends, (height, width), strict=True)
                )
                yield inner, outer

    def _run(self, fetched: Any, photo: np.ndarray, fed: dict[Any, np.ndarray] | None = None) -> Any:
        found = self._session.run(fetched, {self._photos: to_unit_range(photo)[np.newaxis], **(fed or {})})
        return found if isinstance(fetched, list) else found[0]
