"""Keeps off the screen what Pillow and the libraries beneath it say about an image.

Here an image is fine or it is a BadExampleError; that Pillow warns of odd metadata and large images, and
libtiff prints what is wrong with a damaged file, would only be shown over the progress of a training.
"""

import contextlib
import ctypes
import logging
import warnings

from PIL import Image


def silence_decoders() -> None:
    """Silences them for the whole process.

    To be called once, before threads decode: `warnings.catch_warnings` around each image would not be safe
    in them, nor would be to redirect the standard error stream.
    """
    warnings.filterwarnings('ignore', module=r'PIL\.')
    logging.getLogger('PIL').setLevel(logging.CRITICAL)
    _silence_libtiff()


def _silence_libtiff() -> None:
    """Takes libtiff's error handler away, as Pillow does with the one for warnings.

    The function is looked up in Pillow's own extension module, which leads to the libtiff that it is linked
    with and no other. Where that one is linked into it and hidden, as on Windows, what it prints stays.
    """
    with contextlib.suppress(OSError, AttributeError):
        set_error_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
        set_error_handler.argtypes = [ctypes.c_void_p]
        set_error_handler.restype = ctypes.c_void_p
        set_error_handler(None)
