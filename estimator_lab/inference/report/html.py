"""HTML made from untrusted text: `html` escapes every text that becomes part of markup."""

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image

from estimator_lab.base.printable import printable
from estimator_lab.core.picture import png_bytes

_TEMPLATE = Path(__file__).with_name('page.html')  # its policy lets a browser load nothing and run nothing
_TALL = 600  # pixels of a frame
_SHOWN_WIDTH = 480  # pixels to which small pictures are enlarged


class Html(str):
    """Markup; any other string is text."""

    __slots__ = ()


def html(template: str, *parts: Any) -> Html:
    """Returns markup: a constant template of `str.format`, filled in."""
    return Html(template.format(*map(_markup, parts)))


def note(text: str) -> Html:
    """Returns a paragraph that explains what follows it."""
    return html('<p class="note">{}</p>', text)


def table(rows: Iterable[Sequence[Any]]) -> Html:
    """Returns a table that scrolls on narrow screens; numbers are aligned right, missing values are '-'."""
    lines = [[_cell(value) for value in row] for row in rows]
    return html('<div class="wide"><table>{}</table></div>', [html('<tr>{}</tr>', line) for line in lines])


def shown_number(value: float) -> float | str:
    """Returns a number with five digits, for a table."""
    return float(f'{value:.5g}') if math.isfinite(value) else str(value)


def figure(picture: Image.Image, caption: str, alternative: str = '') -> Html:
    """Returns a picture with its caption; a small one is enlarged, its pixels as squares."""
    scale = max(round(_SHOWN_WIDTH / max(picture.width, 1)), 1)
    return html(
        '<figure{}><img src="data:image/png;base64,{}" width="{}" height="{}" alt="{}" class="{}">'
        '<figcaption>{}</figcaption></figure>',
        Html(' class="broad"' if picture.width > _SHOWN_WIDTH else ''),
        base64.b64encode(png_bytes(picture)).decode('ascii'),
        picture.width * scale,
        picture.height * scale,
        alternative or caption,
        'small' if scale > 1 else 'large',
        caption,
    )


def page(title: str, body: Iterable[Html]) -> str:
    """Returns a whole page, complete in itself."""
    template = Template(_TEMPLATE.read_text(encoding='utf-8'))
    return template.substitute(title=_markup(title), body=_markup(body))


def framed(title: str, parts: Iterable[Html]) -> str:
    """Returns markup as a page in a frame, which keeps its style from a notebook's."""
    return frame(page(title, parts))


def frame(text: str) -> str:
    """Returns a whole page in a frame."""
    return f'<iframe srcdoc="{escape(text)}" style="width: 100%; height: {_TALL}px; border: 0"></iframe>'


def _markup(part: Any) -> str:
    if isinstance(part, Html):
        return part
    if isinstance(part, str | int | float):
        return escape(printable(str(part)))
    return ''.join(map(_markup, part))


def _cell(value: Any) -> Html:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    shown = '-' if value in ('', None) else str(value)
    return html('<td{}>{}</td>', Html(' class="number"' if is_number else ''), shown)
