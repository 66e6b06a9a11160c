"""Pages of the site that are not in docs/: README and the like, the examples, the Python reference.

The pages of the examples show what tools/gallery.py has stored, in build/gallery or in the folder named by
ESTIMATOR_LAB_GALLERY.
"""

import ast
import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from commands_page import page as commands_page
from gallery import OUT, RESULT, examples
from mkdocs.structure.files import File, Files
from public_names import PUBLIC, TITLES, modules_of, table

ROOT = Path(__file__).resolve().parents[1]
# Pages by the files at the top that they are made of.
_TOP = {
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'SECURITY.md': 'security.md',
    'CODE_OF_CONDUCT.md': 'code_of_conduct.md',
    'CHANGELOG.md': 'changelog.md',
}
_SHOWN = {'Dockerfile': 'dockerfile.md'}
_REFERENCES = {'Python reference': 'reference.md', 'Model files': 'model_files.md'}
_LAST_IN_SEARCH = '---\nsearch:\n  boost: 0.1\n---\n\n'
"""Head of a page of code, which repeats the words of the pages that explain it."""
_LINK = re.compile(r'(\]\(|src=")(?!https?:|#|mailto:)([^)"#]+)')


def on_config(config: Any) -> Any:
    """Fills the menu of the examples, and shows the version in the header."""
    config.site_name = f'estimator_lab {version("estimator_lab")}'
    for entry in config.nav:
        for title, pages in entry.items():
            if pages == 'EXAMPLES':
                entry[title] = _examples_menu()
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages."""
    pages = {page: (ROOT / name).read_text(encoding='utf-8') for name, page in _TOP.items()}
    for name, page in _SHOWN.items():
        pages[page] = f'# {Path(name).name}\n\n```\n{(ROOT / name).read_text(encoding="utf-8")}```\n'
    for path in _pages_of_code():
        result, stored = _stored(path)
        is_notebook = path.suffix == '.ipynb'
        text = _notebook(path, result) if is_notebook else _script(path, result)
        pages[f'examples/{path.stem}.md'] = _LAST_IN_SEARCH + text
        for file in stored:
            files.append(File.generated(config, f'examples/{path.stem}/{file.name}', abs_src_path=str(file)))
    pages['examples/index.md'] = _gallery_index()
    pages['commands.md'] = commands_page()
    pages |= _references()
    for uri, text in pages.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turns links between the files of the repository into links between pages; lists the public names."""
    uri = page.file.src_uri
    if uri == 'api.md':
        markdown = f'{markdown.rstrip()}\n\n{table()}\n'
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
        return f'{name.rsplit(".", 1)[0]}.md' if path.suffix in ('.py', '.ipynb') else None
    return name.removeprefix('docs/') if name.startswith('docs/') else None


def _pages_of_code() -> list[Path]:
    """Returns the examples, followed by the modules that they share."""
    found = examples()
    return [*found, *sorted(set((ROOT / 'examples').glob('*.py')) - set(found))]


def _examples_menu() -> list[Any]:
    return ['examples/index.md', *({path.name: f'examples/{path.stem}.md'} for path in _pages_of_code())]


def _gallery_index() -> str:
    """Returns the page with all examples: a sentence and a picture of each."""
    cards = []
    for path in examples():
        pictures = _stored(path)[0].get('pictures', [])
        shown = f'\n\n    ![{pictures[-1]}]({path.stem}/{pictures[-1]})' if pictures else ''
        cards.append(f'-   [**{path.name}**]({path.stem}.md)\n\n    {_summary(path)}{shown}')
    ran = [path.name for path in examples() if _stored(path)[0]]
    about = 'Each page has a program and its output, from the run that built this site.'
    if len(ran) < len(examples()):
        about = (
            f'Each page has a program; those with their output are {", ".join(ran)}.'
            if ran
            else ('Each page has a program. `make docs` builds this site with their output.')
        )
    head = f'# Examples\n\n{about}'
    return '\n\n'.join([head, '<div class="grid cards" markdown>', *cards, '</div>'])


def _summary(path: Path) -> str:
    if path.suffix == '.ipynb':
        return 'A notebook: train, look into the network, and report, with the Python API.'
    about = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or ''
    return re.sub(r'^The notes, "(.*?)"', r'\1', about.split('\n')[0])


def _stored(path: Path) -> tuple[Mapping[str, Any], list[Path]]:
    """Returns what the gallery has of an example: its result, {} if it was not run, and further files."""
    folder = Path(os.environ.get('ESTIMATOR_LAB_GALLERY', OUT), path.stem)
    if not (folder / RESULT).exists():
        return {}, []
    result = json.loads((folder / RESULT).read_text(encoding='utf-8'))
    return result, sorted(file for file in folder.iterdir() if file.name != RESULT)


def _script(path: Path, result: Mapping[str, Any]) -> str:
    """Returns the page of a script: what it is, what it printed and drew, and its code."""
    code = path.read_text(encoding='utf-8')
    tree = ast.parse(code)
    about = ast.get_docstring(tree) or ''
    rest = code.splitlines()[tree.body[0].end_lineno :] if about else code.splitlines()
    parts = [f'# {path.name}', about.replace('``', '`')]  # its indented commands are code already
    if result:
        parts += ['## Output', _block(result['command']), _block(result['printed'].rstrip('\n'))]
        parts += [*_figures(path.stem, result['pictures']), '## Program']
    return '\n\n'.join([*parts, _block('\n'.join(rest).strip(), 'python')])


def _figures(folder: str, names: Sequence[str]) -> list[str]:
    """Returns pictures with their names, next to each other."""
    rows = [names, ['---'] * len(names), [f'![{name}]({folder}/{name})' for name in names]]
    return ['\n'.join(f'| {" | ".join(row)} |' for row in rows)] if names else []


def _block(text: str, language: str = 'text') -> str:
    return f'```{language}\n{text}\n```'


def _notebook(path: Path, result: Mapping[str, Any]) -> str:
    """Returns the page of a notebook: its cells, each followed by its outputs."""
    outputs = iter(result.get('cells', ()))
    parts = []
    for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            parts.append(source)
        else:
            parts += [_block(source, 'python'), *map(_output, next(outputs, ()))]
    return '\n\n'.join(parts)


def _output(output: Mapping[str, Any]) -> str:
    """Returns an output of a notebook's cell as Markdown."""
    data = output.get('data', {})
    if 'text/html' in data:
        return ''.join(data['text/html'])
    if 'image/png' in data:
        return f'<img src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
    return _block(''.join(data.get('text/plain', output.get('text', ''))).rstrip('\n'))


def _references() -> Mapping[str, str]:
    """Returns the pages of the reference: all public names, by module."""
    parts = {page: [f'# {title}'] for title, page in _REFERENCES.items()}
    parts['model_files.md'].append('What model files import: see [Adding a model](adding_a_model.md).')
    for title in TITLES:
        page = parts[_REFERENCES.get(title, 'reference.md')]
        page += [f'## {title}'] if title not in _REFERENCES else []
        for module in modules_of(title):
            names = [f'      members: {json.dumps(PUBLIC[module])}'] if PUBLIC[module] else []
            level = 2 if title in _REFERENCES else 3
            options = [
                '    options:',
                f'      heading_level: {level}',
                '      show_root_full_path: true',
                *names,
            ]
            page.append('\n'.join([f'::: {module}', *options]))
    return {page: '\n\n'.join(texts) for page, texts in parts.items()}
