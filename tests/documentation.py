"""Extracts the commands shown in README, docs, examples and benchmarks."""

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.places import ROOT

_PROGRAMS = ('python ', 'python3 ', 'make ', 'pip ', 'tensorboard ', '.venv/bin/')


class Command(NamedTuple):
    """A command line, and the file that shows it."""

    file: str
    text: str

    def __str__(self) -> str:
        return f'{self.file}: {self.text}'


def all_pages() -> list[Path]:
    """Returns the pages: README, docs by path, CONTRIBUTING."""
    return [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md')), ROOT / 'CONTRIBUTING.md']


def all_commands() -> list[Command]:
    """Returns every command once, in the order of the pages."""
    pages = all_pages()
    scripts = [*sorted((ROOT / 'examples').glob('*.py')), *sorted((ROOT / 'benchmarks').glob('*.py'))]
    found = [Command(_name(page), text) for page in pages for text in commands_of_page(page.read_text())]
    found += [Command(_name(script), text) for script in scripts for text in _in_header(script.read_text())]
    first: dict[str, Command] = {}
    for command in found:
        first.setdefault(command.text, command)
    return list(first.values())


def flags_of_training(page: Path) -> list[str]:
    """Returns inline code with flags of train but no command, such as `--model=rbm --epochs=50`."""
    return [span for span in _spans(page.read_text()) if re.match(r'--(model|hparams|augment|export)=', span)]


def flags_named(page: Path) -> set[str]:
    """Returns the names of all flags in inline code of a page."""
    return {name for span in _spans(page.read_text()) for name in re.findall(r'(?:^|\s)--([a-z_]+)', span)}


def links(page: Path) -> Iterator[str]:
    """Yields the targets of links and images on a page, without those on other sites."""
    for target in re.findall(r'\]\(([^)]+)\)|<img src="([^"]+)"', page.read_text()):
        if not ''.join(target).startswith('http'):
            yield ''.join(target)


def anchors(page: Path) -> set[str]:
    """Returns the anchors of the headings of a page, as GitHub names them."""
    without_blocks = re.sub(r'^ *```.*?^ *```', '', page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r'^#+ (.*)$', without_blocks, re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def commands_of_page(text: str) -> Iterator[str]:
    """Yields the commands of a page: those in `sh` blocks, then those in inline code."""
    for block in re.findall(r'^ *```sh\n(.*?)^ *```', text, re.DOTALL | re.MULTILINE):
        yield from _lines(textwrap.dedent(block))
    yield from (span for span in _spans(text) if span.startswith(_PROGRAMS))


def _spans(text: str) -> Iterator[str]:
    """Yields inline code, with line breaks replaced by spaces."""
    without_blocks = re.sub(r'^ *```.*?^ *```', '', text, flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r'`([^`]+)`', without_blocks):
        yield ' '.join(span.split())


def _lines(block: str) -> Iterator[str]:
    """Yields the commands of a block, with continuation lines joined and comments removed."""
    pending = ''
    for line in block.splitlines():
        pending += line.removesuffix('\\')
        if line.endswith('\\') or pending.count("'") % 2:
            continue
        command = ' '.join(re.sub(r'\s+#.*$', '', pending).split())
        pending = ''
        if command:
            yield command


def _in_header(source: str) -> Iterator[str]:
    """Yields the commands in a script's docstring: lines indented by four spaces, without remarks."""
    header = ast.get_docstring(ast.parse(source)) or ''
    for line in header.splitlines():
        if re.match(r' {4}python ', line):
            yield re.sub(r'[\[\]]', '', re.split(r'\s{2,}', line.strip())[0])


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
