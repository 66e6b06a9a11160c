"""A page of HTML as a tree of elements: what is text stays text, whatever a stranger has put into it.

ElementTree escapes texts and attributes when it writes them; there is no way to put markup in by a text.
"""

import base64
from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

from PIL import Image

from estimator_lab.console.printable import printable
from estimator_lab.core.display.picture import png_bytes

Element = ElementTree.Element
Part = str | Element

# Nothing is loaded or run, even if something should get in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_SHOWN_WIDTH = 480  # pixels to which small pictures are enlarged

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1f24; --faint: #5b6570; --line: #d5dae0;
  --card: #f6f8fa; --right: 31, 119, 180; --wrong: 214, 39, 40;
  --c0: #1f6fb4; --c1: #c8501e; --c2: #2c8a3d; --c3: #8050b0; --c4: #9a6a00; --c5: #c2407f; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171b; --ink: #e6e9ed; --faint: #9aa5b1; --line: #343b44; --card: #1d2228;
    --right: 80, 160, 225; --wrong: 235, 95, 85;
    --c0: #6cb2f0; --c1: #f29a63; --c2: #74cf84; --c3: #c09bf0; --c4: #e0b64a; --c5: #f28ab8; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1160px; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: .5rem 0 0; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem;
  padding-bottom: .2rem; border-bottom: 1px solid var(--line); }
.lead { font-size: 1.15rem; margin: .4rem 0; }
.note, figcaption, .legend { color: var(--faint); font-size: .875rem; }
nav a { color: var(--c0); margin-right: 1rem; }
.charts, .pictures { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
.tiles { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); }
figure.broad { grid-column: 1 / -1; justify-self: start; }
figure { margin: 0; padding: .7rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 6px; }
img { display: block; max-width: 100%; height: auto; background: #fff; }
img.small { image-rendering: pixelated; }
.tiles img { width: 100%; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--faint); font: 11px system-ui, sans-serif; }
svg .title { fill: var(--ink); font-size: 13px; font-weight: 600; }
svg .grid { stroke: var(--line); }
svg path { fill: none; stroke-width: 2; stroke-linejoin: round; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin-top: .3rem; }
.legend i { display: inline-block; width: 1.2em; height: 3px; vertical-align: middle; margin-right: .4em; }
table { border-collapse: collapse; font-size: .9375rem; }
td:first-child { white-space: nowrap; }
th, td { padding: .25rem .6rem; border: 1px solid var(--line); text-align: left; vertical-align: top; }
td.number, table.matrix td { text-align: right; font-variant-numeric: tabular-nums; }
table.matrix th[scope=col] { writing-mode: vertical-rl; max-height: 12rem; }
.wide { overflow-x: auto; }
"""


def element(tag: str, *parts: Part, **attributes: Any) -> Element:
    """Returns an element.

    Args:
      tag: its name.
      parts: texts and elements in it, in their order.
      attributes: by name; `class_` stands for 'class', '_' within a name for '-'.
    """
    made = Element(tag, {name.rstrip('_').replace('_', '-'): str(v) for name, v in attributes.items()})
    for part in parts:
        if not isinstance(part, str):
            made.append(part)
        elif len(made):
            made[-1].tail = (made[-1].tail or '') + printable(part)
        else:
            made.text = (made.text or '') + printable(part)
    return made


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Element:
    """Returns a table that scrolls where a screen is too narrow; numbers stand to the right."""
    cells = [
        [element('td', '-' if v in ('', None) else str(v), **_alignment(v)) for v in row] for row in rows
    ]
    return element(
        'div',
        element(
            'table',
            *([element('tr', *(element('th', text, scope='col') for text in head))] if head else []),
            *(element('tr', *row) for row in cells),
        ),
        class_='wide',
    )


def figure(picture: Image.Image, caption: str, alternative: str = '') -> Element:
    """Returns a picture with words below it; a small one is enlarged, its pixels as squares."""
    scale = max(round(_SHOWN_WIDTH / max(picture.width, 1)), 1)
    data = base64.b64encode(png_bytes(picture)).decode('ascii')
    shown = element(
        'img',
        src=f'data:image/png;base64,{data}',
        width=picture.width * scale,
        height=picture.height * scale,
        alt=printable(alternative or caption),
        class_='small' if scale > 1 else 'large',
    )
    broad = {'class_': 'broad'} if picture.width > _SHOWN_WIDTH else {}
    return element('figure', shown, element('figcaption', caption), **broad)


def page(title: str, parts: Iterable[Part]) -> str:
    """Returns a whole page, which loads nothing."""
    head = element(
        'head',
        element('meta', charset='utf-8'),
        Element('meta', {'http-equiv': 'Content-Security-Policy', 'content': _POLICY}),
        element('meta', name='viewport', content='width=device-width, initial-scale=1'),
        element('title', title),
        element('style', _STYLE.replace('\n', ' ')),
    )
    tree = element('html', head, element('body', *parts), lang='en')
    return '<!DOCTYPE html>\n' + ElementTree.tostring(tree, encoding='unicode', method='html') + '\n'


def _alignment(value: Any) -> dict[str, str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {'class_': 'number'} if is_number else {}
