"""Examples as HTML, for notebooks: their pictures, if they have pixels, with their labels."""

import base64
import io
import itertools
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.base.keys import to_bytes

_MOST_SHOWN = 24


def as_html(text: str, data: Iterable[Any], labels: Sequence[str]) -> str:
    """Returns a text and the pictures of the first examples that are pixels, [height, width, 1 or 3]."""
    shown = [
        f'<img src="data:image/png;base64,{_png(pixels)}" title="{escape(label)}">'
        for pixels, label in zip(itertools.islice(data, _MOST_SHOWN), labels, strict=False)
        if isinstance(pixels, np.ndarray) and pixels.ndim == 3 and pixels.shape[2] in (1, 3)
    ]
    return f'<p>{escape(text)}</p>{" ".join(shown)}'


def _png(pixels: np.ndarray) -> str:
    bytes_of = pixels if pixels.dtype == np.uint8 else to_bytes(pixels)
    file = io.BytesIO()
    Image.fromarray(bytes_of.squeeze(axis=2) if pixels.shape[2] == 1 else bytes_of).save(file, 'PNG')
    return base64.b64encode(file.getvalue()).decode()
