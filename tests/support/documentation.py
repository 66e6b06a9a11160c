"""Extracts commands, flags and links from README, docs and CONTRIBUTING."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from tests.support.places import ROOT

PROGRAMS = ('python ', 'python3 ', 'make ', 'pip ', 'tensorboard ', '.venv/bin/')
_BLOCK = re.compile(r'^ *```.*?^ *```', re.DOTALL | re.MULTILINE)


def all_pages() -> list[Path]:
    """Returns the pages: README, docs by path, CONTRIBUTING."""
    return [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md')), ROOT / 'CONTRIBUTING.md']


def commands_of(page: Path) -> Iterator[str]:
    """Yields the commands of a page: those in `sh` blocks, then those in inline code."""
    yield from commands_in_blocks(page)
    yield from (span for span in spans(page) if span.startswith(PROGRAMS))


def commands_in_blocks(page: Path) -> Iterator[str]:
    """Yields the commands in the `sh` blocks of a page."""
    for block in re.findall(r'^ *```sh\n(.*?)^ *```', page.read_text(), re.DOTALL | re.MULTILINE):
        yield from _lines(textwrap.dedent(block))


def programs_of(page: Path) -> list[str]:
    """Returns the programs of a page: its `python` blocks."""
    return re.findall(r'^```python\n(.*?)^```', page.read_text(), re.DOTALL | re.MULTILINE)


def spans(page: Path) -> Iterator[str]:
    """Yields inline code, with line breaks replaced by spaces."""
    for span in re.findall(r'`([^`]+)`', _BLOCK.sub('', page.read_text())):
        yield ' '.join(span.split())


def links(page: Path) -> Iterator[str]:
    """Yields the targets of links and images on a page, without those on other sites."""
    for target in re.findall(r'\]\(([^)]+)\)|<img src="([^"]+)"', page.read_text()):
        if not ''.join(target).startswith('http'):
            yield ''.join(target)


def anchors(page: Path) -> set[str]:
    """Returns the anchors of the headings of a page, as GitHub names them."""
    headings = re.findall(r'^#+ (.*)$', _BLOCK.sub('', page.read_text()), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def _lines(block: str) -> Iterator[str]:
    """Yields the commands of a block, with continuation lines joined and comments removed."""
    pending = ''
    for line in block.splitlines():
        pending += line.removesuffix('\\')
        if line.endswith('\\') or pending.count("'") % 2:
            continue
        command = ' '.join(re.sub(r'(^|\s+)#.*$', '', pending).split())
        pending = ''
        if command:
            yield command
