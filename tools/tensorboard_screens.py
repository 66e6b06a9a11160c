"""Combines screenshots of all TensorBoard pages of a run into one picture, as in docs/images.

    python tools/tensorboard_screens.py runs/cnn docs/images/pages_cnn.jpg

It needs Chromium, and the package with its test extra.
"""

import argparse
import io
import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser import Browser, find_chromium
from tests.tensorboard_server import launched

PAGES = ('scalars', 'images', 'graphs', 'distributions', 'histograms', 'hparams', 'pr_curves', 'projector')
_WIDTH, _HEIGHT, _COLUMNS = 1200, 800, 2
_SHOWN = 560  # pixels of a page's width in the picture
_QUALITY = 65
_BAR = 64  # pixels of TensorBoard's bar, which is never blank
_BLANK_SHARE = 0.9  # of pixels of one colour; in docs/images, the emptiest page has 0.76
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


def screens(address: str, chromium: str) -> list[Image.Image]:
    """Returns a screenshot of each page."""
    pictures = []
    with Browser(chromium, _WIDTH, _HEIGHT) as browser:
        for page in active_pages(address):
            browser.open(f'{address}/#{page}')
            pictures.append(settled(browser))
            if is_blank(pictures[-1]):
                sys.exit(f'error: The page {page} stayed blank.')
            print(page, flush=True)
    return pictures


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


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """Returns one picture with the screenshots in rows of two."""
    height = _SHOWN * _HEIGHT // _WIDTH
    rows = -(-len(pictures) // _COLUMNS)
    whole = Image.new('RGB', (_COLUMNS * _SHOWN, rows * height), 'white')
    for number, picture in enumerate(pictures):
        row, column = divmod(number, _COLUMNS)
        small = picture.resize((_SHOWN, height), Image.Resampling.LANCZOS)
        whole.paste(small, (column * _SHOWN, row * height))
    return whole


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('run', type=Path, help='folder of the run')
    parser.add_argument('out', type=Path, help='output file, .jpg or .png')
    given = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        parser.error('no Chromium on this machine: apt-get install chromium')
    sheet(screens(launched(given.run), chromium)).save(given.out, quality=_QUALITY)


if __name__ == '__main__':
    main()
