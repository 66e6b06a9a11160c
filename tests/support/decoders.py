"""The decoders of images, of one image at a time."""

import functools

from estimator_lab.data.examples.member import BadExampleError
from estimator_lab.data.images import reader
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.options import ImageOptions


def _decoded(name, data, *shape, **options):
    (pixels,) = reader.DECODERS[name]([data], ImageOptions(ImageShape(*shape), **options))
    if isinstance(pixels, BadExampleError):
        del data  # which the error would keep alive
        raise pixels
    return pixels


DECODERS = {name: functools.partial(_decoded, name) for name in reader.DECODERS}
"""By value of --decode: functions of an encoded image, its height, its width and so on, as `decode_image`."""
