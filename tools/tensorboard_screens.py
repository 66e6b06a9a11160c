"""Takes a screenshot of a TensorBoard page of a run, as in docs/images.

    python tools/tensorboard_screens.py runs/cnn images tensorboard_cnn.png
    python tools/tensorboard_screens.py runs/cnn images tensorboard_cnn.png --tags='activation|confusion'
    python tools/tensorboard_screens.py runs/cnn graphs graph.png --crop=320,120,800,700

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
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser import Browser, find_chromium
from tests.tensorboard_server import launched

PAGES = ('scalars', 'images', 'graphs', 'distributions', 'histograms', 'hparams', 'pr_curves', 'projector')
_WIDTH, _HEIGHT = 1200, 800
_COLOURS, _QUALITY = 128, 80
_BAR = 64  # pixels of TensorBoard's bar, which is never blank
_BLANK_SHARE = 0.9  # of pixels of one colour; the emptiest page had 0.76
_LOADED_SECONDS, _SETTLED_SECONDS = 60, 10
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


def screen(address: str, page: str, tags: str, chromium: str) -> Image.Image:
    """Returns a screenshot of a page, with the cards whose tags match a regular expression."""
    with Browser(chromium) as browser:
        browser.resize(_WIDTH, _HEIGHT)
        pages = active_pages(address)
        if page not in pages:
            sys.exit(f'error: The run has no data for the page {page}, but for {", ".join(pages)}.')
        chosen = f'&tagFilter={urllib.parse.quote(tags)}' if tags else ''
        browser.open(f'{address}/#{page}{chosen}')
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


def box(text: str) -> tuple[int, ...]:
    """Returns the numbers of --crop."""
    numbers = tuple(map(int, text.split(',')))
    if len(numbers) != 4:
        raise ValueError
    return numbers


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
    parser.add_argument(
        '--crop', type=box, help='LEFT,TOP,RIGHT,BOTTOM in pixels of 1200x800; all if missing'
    )
    given = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        parser.error('no Chromium on this machine: apt-get install chromium')
    picture = screen(launched(given.run), given.page, given.tags, chromium)
    save(picture.crop(given.crop) if given.crop else picture, given.out)


if __name__ == '__main__':
    main()
