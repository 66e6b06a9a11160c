"""Pages of the site that are not in docs/: README and the like, the examples, the Python reference."""

import ast
import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
# Pages by the files at the top that they are made of.
_TOP = {
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'SECURITY.md': 'security.md',
    'CHANGELOG.md': 'changelog.md',
}
_SHOWN = {'Dockerfile': 'dockerfile.md', 'docs/kubernetes.yaml': 'kubernetes.md'}
_PUBLIC = {
    'Python API': ('estimator_lab.api',),
    'Results that show themselves': tuple(
        f'estimator_lab.notebook.views.{name}'
        for name in ('EvaluationResult', 'InspectionResult', 'Samples', 'Report')
    ),
    'Optimizers': ('estimator_lab.optimizers',),
}
_LINK = re.compile(r'(\]\(|src=")(?!https?:|#|mailto:)([^)"#]+)')


def on_config(config: Any) -> Any:
    """Fills the menus of the examples and of the messages, and shows the version in the header."""
    version = re.search(
        r"__version__ = '(.*)'", (ROOT / 'estimator_lab/__init__.py').read_text(encoding='utf-8')
    )
    assert version
    config.site_name = f'estimator_lab {version[1]}'
    menus = {'EXAMPLES': _examples_menu(), 'MESSAGES': _messages_menu()}
    for entry in config.nav:
        for title, pages in entry.items():
            if isinstance(pages, str) and pages in menus:
                entry[title] = menus[pages]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages."""
    pages = {page: (ROOT / name).read_text(encoding='utf-8') for name, page in _TOP.items()}
    for name, page in _SHOWN.items():
        pages[page] = f'# {Path(name).name}\n\n```\n{(ROOT / name).read_text(encoding="utf-8")}```\n'
    for path in _examples():
        pages[f'examples/{path.stem}.md'] = _notebook(path) if path.suffix == '.ipynb' else _script(path)
    pages['reference.md'] = _reference()
    for uri, text in pages.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turns links between the files of the repository into links between pages."""
    uri = page.file.src_uri
    here = {page: name for name, page in _TOP.items()}.get(
        uri, uri if uri.startswith('examples/') else f'docs/{uri}'
    )

    def page_link(found: re.Match[str]) -> str:
        before, target = found.groups()
        other = _uri((ROOT / here).parent.joinpath(target).resolve())
        if other is None:
            return found[0]
        up = '../' * uri.count('/')
        # Markdown's links are between sources; an image in HTML is relative to the page's own folder.
        nested = '../' if before.startswith('src') and uri != 'index.md' else ''
        return f'{before}{nested}{up}{other}'

    return _LINK.sub(page_link, markdown)


def _uri(path: Path) -> str | None:
    """Returns the page or picture that stands for a file of the repository; None if there is none."""
    if not path.is_relative_to(ROOT):
        return None
    name = path.relative_to(ROOT).as_posix()
    if name in _TOP or name in _SHOWN:
        return {**_TOP, **_SHOWN}[name]
    if name.startswith('examples/'):
        return f'{name.rsplit(".", 1)[0]}.md'
    return name.removeprefix('docs/') if name.startswith('docs/') else None


def _examples() -> list[Path]:
    return [ROOT / 'examples/tour.ipynb', *sorted((ROOT / 'examples').glob('*.py'))]


def _examples_menu() -> list[dict[str, str]]:
    return [{path.stem.replace('_', ' ').capitalize(): f'examples/{path.stem}.md'} for path in _examples()]


def _messages_menu() -> list[str]:
    first = 'messages/README.md'
    others = sorted(f'messages/{path.name}' for path in (ROOT / 'docs/messages').glob('*.md'))
    return [first, *(page for page in others if page != first)]


def _script(path: Path) -> str:
    """Returns the page of an example: what it is, and its code."""
    code = path.read_text(encoding='utf-8')
    tree = ast.parse(code)
    about = ast.get_docstring(tree) or ''
    rest = code.splitlines()[tree.body[0].end_lineno :] if about else code.splitlines()
    shown = '\n'.join(rest).strip()
    return f'# {path.name}\n\n{_about(about)}\n\n```python\n{shown}\n```\n'


def _about(text: str) -> str:
    """Returns a docstring as Markdown: its indented commands are code already."""
    return text.replace('``', '`')


def _notebook(path: Path) -> str:
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    parts = [(cell['cell_type'], ''.join(cell['source'])) for cell in cells]
    return '\n\n'.join(text if kind == 'markdown' else f'```python\n{text}\n```' for kind, text in parts)


def _reference() -> str:
    parts = ['# Python reference']
    for title, names in _PUBLIC.items():
        parts += [f'## {title}', *(f'::: {name}\n    options:\n      heading_level: 3' for name in names)]
    return '\n\n'.join(parts)
