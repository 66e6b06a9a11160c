"""Takes a screenshot of a TensorBoard page of a run, as in docs/images.

    python tools/tensorboard_screens.py runs/cnn images tensorboard_cnn.png
    python tools/tensorboard_screens.py runs/cnn images tensorboard_cnn.png --tags='activation|confusion'
    python tools/tensorboard_screens.py runs/cnn images large.png --actual_size --crop=310,126,960,780
    python tools/tensorboard_screens.py runs/cnn graphs graph.png --size=1200,1100 --crop=320,120,1000,1050

It needs Chromium, and the package with its test extra.
"""

import argparse
import io
import json
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser import Browser, find_chromium
from tests.tensorboard_server import launched

PAGES = ('scalars', 'images', 'graphs', 'distributions', 'histograms', 'hparams', 'pr_curves', 'projector')
_WIDTH, _HEIGHT = 1200, 800
_COLOURS, _QUALITY = 256, 80
_BAR = 64  # pixels of TensorBoard's bar, which is never blank
_BLANK_SHARE = 0.9  # of pixels of one colour; the emptiest page had 0.76
_LOADED_SECONDS, _SETTLED_SECONDS = 60, 10
# Clicks the box on TensorBoard's page of images that shows them in their own size.
_ACTUAL_SIZE = """
(function click(node) {
  if (node.id === 'actual-size' || (node.matches && node.matches('paper-checkbox')
      && node.textContent.includes('actual image size'))) { node.click(); return true; }
  return [...(node.shadowRoot ? node.shadowRoot.childNodes : []), ...node.childNodes].some(click);
})(document)
"""
_BETWEEN_LOOKS, _SAME_LOOKS = 2, 4


def active_pages(address: str) -> list[str]:
    """Returns the pages for which the run has data, in the order of PAGES, once no further ones appear."""
    end, before = time.monotonic() + _LOADED_SECONDS, ['']
    while True:
        with urllib.request.urlopen(f'{address}/data/plugins_listing') as answer:
            listing = json.load(answer)
        found = [page for page in PAGES if listing.get(page, {}).get('enabled')]
        if (found and found == before) or time.monotonic() > end:
            return found
        before = found
        time.sleep(_SETTLED_SECONDS)


def screen(address: str, given: argparse.Namespace, chromium: str) -> Image.Image:
    """Returns a screenshot of a page, with the cards whose tags match a regular expression."""
    page, tags = given.page, given.tags
    with Browser(chromium) as browser:
        browser.resize(*given.size)
        pages = active_pages(address)
        if page not in pages:
            sys.exit(f'error: The run has no data for the page {page}, but for {", ".join(pages)}.')
        chosen = f'&tagFilter={urllib.parse.quote(tags)}' if tags else ''
        browser.open(f'{address}/#{page}{chosen}')
        picture = settled(browser)
        if given.actual_size:
            if not browser.run(_ACTUAL_SIZE):
                sys.exit(f'error: The page {page} does not offer the actual size of images.')
            picture = settled(browser)
        if is_blank(picture):
            sys.exit(f'error: The page {page} stayed blank.')
    return picture


def settled(browser: Browser) -> Image.Image:
    """Returns a screenshot of the page once it stops changing, or after a minute."""
    end, looks = time.monotonic() + _LOADED_SECONDS, [b'']
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'page.png')
        while len(looks) < _SAME_LOOKS or len(set(looks[-_SAME_LOOKS:])) > 1:
            if time.monotonic() > end:
                break
            time.sleep(_BETWEEN_LOOKS)
            browser.screenshot(path)
            looks.append(path.read_bytes())
    return Image.open(io.BytesIO(looks[-1])).convert('RGB')


def is_blank(picture: Image.Image) -> bool:
    """Returns whether a page is blank below TensorBoard's bar: nearly all pixels have the same colour."""
    content = picture.convert('L').crop((0, _BAR, picture.width, picture.height))
    return max(content.histogram()) > _BLANK_SHARE * content.width * content.height


def numbers(count: int) -> Callable[[str], tuple[int, ...]]:
    """Returns a function that reads that many numbers, separated by commas."""

    def read(text: str) -> tuple[int, ...]:
        found = tuple(map(int, text.split(',')))
        if len(found) != count:
            raise ValueError
        return found

    return read


def save(picture: Image.Image, path: Path) -> None:
    """Writes a picture as a small file: a PNG with a palette, or a JPEG."""
    if path.suffix == '.png':
        picture = picture.quantize(_COLOURS, dither=Image.Dither.NONE)
    picture.save(path, quality=_QUALITY, optimize=True)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('run', type=Path, help='folder of the run')
    parser.add_argument('page', choices=PAGES)
    parser.add_argument('out', type=Path, help='output file, .jpg or .png')
    parser.add_argument('--tags', default='', help='regular expression of the tags to show')
    parser.add_argument('--actual_size', action='store_true', help='images in their own size, not as cards')
    parser.add_argument(
        '--size',
        type=numbers(2),
        default=(_WIDTH, _HEIGHT),
        help='WIDTH,HEIGHT of the page; default 1200,800',
    )
    parser.add_argument('--crop', type=numbers(4), help='LEFT,TOP,RIGHT,BOTTOM of the page; all if missing')
    given = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        parser.error('no Chromium on this machine: apt-get install chromium')
    picture = screen(launched(given.run), given, chromium)
    save(picture.crop(given.crop) if given.crop else picture, given.out)


if __name__ == '__main__':
    main()
