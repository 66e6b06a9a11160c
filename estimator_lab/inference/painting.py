"""Paintings of photos by a style transfer network, each at its photo's size."""

import dataclasses
import io
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.json_input import shown
from estimator_lab.base.settings import check_given
from estimator_lab.core import keys
from estimator_lab.core.abilities import Paints
from estimator_lab.core.picture import as_picture
from estimator_lab.data.archives.one_example import read_example
from estimator_lab.data.archives.order import Order
from estimator_lab.data.examples.labels import UNKNOWN_ID
from estimator_lab.data.examples.member import BadExampleError
from estimator_lab.data.images.decode import open_image
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.batches import BadExample, Batch
from estimator_lab.data.sources.arrays import check_values
from estimator_lab.inference.settings import PaintingSettings
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.trained import Trained

MOST_PIXELS = 2**24
"""Of a photo: the network needs 250 bytes for each, 4 GB."""

_ORIENTATION = 0x0112  # in EXIF


def with_painting_settings(run: Trained, settings: PaintingSettings) -> Trained:
    """Returns the model with other parameters of its paintings.

    A model that does not paint is returned unchanged if no setting is given.

    Raises:
      FlagError: the model does not paint, or not in that style; the strength is out of range.
    """
    chosen: dict[str, Any] = {
        'mix': settings.style,
        'strength': settings.strength,
        'preserve_colour': settings.preserve_colour,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    if not given:
        return run
    if not isinstance(run.architecture, Paints):
        raise FlagError(
            f'{option.style}, {option.strength} and {option.preserve_colour} are for paintings, but '
            f'{option.model_dir}={run.model_dir} holds {option.model}={run.model}.'
        )
    if settings.strength is not None and not 0 <= settings.strength <= 1:
        raise FlagError(f'{option.strength}={settings.strength:g} is not allowed: a share in [0, 1].')
    params = dataclasses.replace(run.params, **given)
    try:
        _ = params.shares
    except FlagError as error:
        raise FlagError(f'{option.style}={settings.style}: {error.marked}') from error
    return dataclasses.replace(run, params=params)


def paint(
    run: Trained, photo: str | Path | Image.Image | np.ndarray, settings: PaintingSettings
) -> Image.Image:
    """Returns a photo painted in a learned style, at its own size; see `Run.paint`."""
    check_given(photo=photo)
    run = with_painting_settings(run, settings)
    if not isinstance(run.architecture, Paints):
        raise FlagError(f'{run.model_dir} holds {option.model}={run.model}, which does not paint.')
    if isinstance(photo, np.ndarray):
        check_values(photo)
        photo = as_picture(photo)
    if not isinstance(photo, str | os.PathLike | Image.Image):
        raise FlagError(
            f'photo={shown(photo)} must be a path, a picture of Pillow, or an array [height, width, 1 or 3].'
        )
    if not isinstance(photo, Image.Image):
        try:
            photo = upright(read_example(str(photo), run.kind).data)
        except BadExampleError as reason:
            raise DataError(f'{photo} cannot be painted: {reason}.') from reason
    with tensorflow_errors_as_sentences(), run.architecture.painter(run) as painted:
        return as_picture(painted(photo))


def painted_batches(run: Trained, images: Order, report: InputReport) -> Generator[Batch, None, None]:
    """Yields the paintings of encoded photos in their order: 'painted', uint8 [1, height, width, channels].

    Raises:
      DataError: the photos can't be read any further, after the paintings of earlier ones.
      LabError: TensorFlow fails.
    """
    assert isinstance(run.architecture, Paints), 'a model that paints'
    with tensorflow_errors_as_sentences(), run.architecture.painter(run) as painted:
        no_ids = np.empty(0, np.int64)
        nothing = {keys.PAINTED: np.empty((0, 1, 1, run.shape.channels), np.uint8)}
        for member in report.until_error(images.epoch(0)):
            try:
                photo = upright(member.read().data)
            except BadExampleError as reason:
                report.count(1)
                report.add_bad(member, reason)
                yield Batch({}, [], [], no_ids, [BadExample(0, member.key, str(reason))], nothing)
                continue
            report.count(1)
            values = {keys.PAINTED: painted(photo)[np.newaxis]}
            yield Batch({}, [member.label], [member.key], np.array([UNKNOWN_ID]), values=values)
    report.raise_error()


def upright(data: bytes) -> Image.Image:
    """Decodes a photo and turns a JPEG upright, as its EXIF data say, which are one segment of 64 kB.

    Raises:
      BadExampleError: it can't be decoded, or is too large to be painted.
    """
    photo = open_image(data)
    if photo.width * photo.height > MOST_PIXELS:
        raise BadExampleError(
            f'it has {photo.width}x{photo.height} pixels, paintings have up to {MOST_PIXELS:,}'
        )
    if data.count(b'Exif') > 1:  # Pillow would join the segments, and make an object of each number
        return photo
    try:
        camera = Image.open(io.BytesIO(data), formats=['JPEG']).getexif()
        photo.getexif()[_ORIENTATION] = camera.get(_ORIENTATION, 1)
        return ImageOps.exif_transpose(photo)
    except Exception:  # noqa: BLE001 - Pillow's EXIF parser raises anything on damaged metadata
        return photo
