"""What pages show exists: commands, flags, scripts, links, pictures. test_readme.py runs the README's."""

import dataclasses
import importlib
import importlib.metadata
import re
import shlex
import string
from pathlib import Path

import fsspec
import pytest

from estimator_lab import train
from estimator_lab.__main__ import COMMANDS as COMMANDS_OF_THE_PACKAGE
from estimator_lab.base.settings import settings_of
from estimator_lab.core.params import parse_hparams, resolve
from estimator_lab.core.registry import find_model
from estimator_lab.data.sources.files import FORMATS
from tests.support.documentation import all_pages, anchors, commands_of, links, spans
from tests.support.places import ROOT, load_script

results = load_script(ROOT / 'benchmarks/results.py')
PAGES = [*all_pages(), ROOT / 'CHANGELOG.md']
COMMANDS = sorted({command for page in all_pages() for command in commands_of(page)})
# Other programs, and words of the shell.
PROGRAMS = {
    *('curl', 'docker', 'export', 'git', 'kubectl', 'make', 'pip', 'printf', 'ruff', 'saved_model_cli'),
    *('source', 'tensorboard'),
}
VARIABLE = re.compile(r"""(\w+)=(["']?)(.*)\2""")


def parts_of(command):
    """Yields the programs of a command line, each with its arguments, without what sets a variable."""
    for part in re.split(r' && | \| ', re.sub(r'\$\([^)]*\)', 'x', command)):
        if not VARIABLE.fullmatch(part):
            yield shlex.split(string.Template(part).safe_substitute(M='--model=cnn'))


@pytest.mark.parametrize('command', COMMANDS)
def test_a_command_has_flags_that_exist(command):
    for program, *arguments in parts_of(command.removeprefix('srun ')):
        program = program.removeprefix('.venv/bin/')
        if program in ('python', 'python3'):
            check_python(arguments)
        else:
            scripts = {script.name for script in importlib.metadata.entry_points(group='console_scripts')}
            assert program in PROGRAMS | scripts | {'$train'}, program


def check_python(arguments):
    if arguments[0] == '-m' and arguments[1].startswith('estimator_lab.'):
        if arguments[1] == 'estimator_lab.run':  # the rest is another program's
            return
        command = dataclasses.replace(importlib.import_module(arguments[1]).COMMAND, required=())
        given = [one for one in arguments[2:] if not re.search(r'=?\.\.\.$|^\$', one)]
        given = [one.replace('=maxout', '=mlp') for one in given]  # that docs/adding_a_model.md adds
        settings, _ = command.parse([arguments[1], *given])
        if arguments[1] == 'estimator_lab.train':
            check_hparams(settings)
    elif arguments[0] == '-m':
        is_installed_by_its_page = arguments[1] in ('modernize', 'tf2onnx.convert')
        assert is_installed_by_its_page or importlib.util.find_spec(arguments[1])
    elif arguments[0] != '-c' and arguments[0].startswith(('examples/', 'benchmarks/', 'tools/')):
        source = (ROOT / arguments[0]).read_text()
        for flag in re.findall(r'--(\w+)', ' '.join(arguments)):
            assert re.search(rf'\b{flag}\b', source), flag


FLAGS = re.compile(r'--(model|hparams|augment|export)=')


@pytest.mark.parametrize(
    'text', sorted({span for page in all_pages() for span in spans(page) if FLAGS.match(span)})
)
def test_flags_of_training_can_be_given_together(text):
    settings, _ = train.COMMAND.parse(['train', *text.split()])
    check_hparams(settings)


def check_hparams(settings):
    model = find_model(settings.model)
    if settings.hparams not in ('', 'help', '...'):
        resolve(model.params, parse_hparams(model.params, settings.hparams)).check()


def test_flags_in_sentences_exist():
    """Of some command; except those of examples and of other people's programs."""
    known = {
        *('help', 'version', 'flagfile', 'v1', 'v', 'contrib', 'base', 'style_weight', 'tpu', 'bleu_source'),
        *('export_dir', 'contexts'),
    }
    for name in COMMANDS_OF_THE_PACKAGE:
        command = importlib.import_module(f'estimator_lab.{name}').COMMAND
        known |= settings_of(command.settings).keys()
    for page in all_pages():
        found = {flag for span in spans(page) for flag in re.findall(r'(?:^|\s)--([a-z_]+)', span)}
        assert found <= known, page.name


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for link in links(page):
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_picture_is_on_a_page():
    shown = {Path(link).name for page in all_pages() for link in links(page)}
    assert {path.name for path in (ROOT / 'docs' / 'images').iterdir()} <= shown


def test_the_page_of_results_is_up_to_date():
    assert (ROOT / 'docs/results.md').read_text() == results.page(results.read())


def test_a_figure_is_compared_with_the_last_one_printed(capsys):
    row = {'name': 'a', 'figure': r'Accuracy +([\d.]+)', 'expected': 0.9, 'tolerance': 0.01}
    assert results.compare(row, 'Accuracy  0.5\nAccuracy  0.905\n')
    assert not results.compare(row, 'Accuracy 0.88\n') and not results.compare(row, 'nothing')
    assert '0.88, NOT AS EXPECTED (0.9 within 0.01)' in capsys.readouterr().out


def test_the_page_of_archives_names_the_formats_and_stores():
    page = (ROOT / 'docs/archives.md').read_text(encoding='utf-8')
    (named,) = re.findall(r'\*\*Image formats\*\*: (.*?),\s+recognised', page, re.DOTALL)
    others = {'binary PNM': 'PPM', 'JPEG 2000': 'JPEG2000', 'WebP': 'WEBP'}
    formats = [' '.join(name.split()) for name in re.split(', | and ', named)]
    # DIB is BMP without the header of a file.
    assert {others.get(name, name) for name in formats} == FORMATS.keys() - {'DIB'}
    (named,) = re.findall(r'\*\*Read by \[fsspec\].*?\*\*: (.*?)\. Credentials', page, re.DOTALL)
    schemes = re.findall(r'`(\w+)://`', named)
    assert len(schemes) == 6 and set(schemes) <= set(fsspec.available_protocols())


@pytest.mark.parametrize('page', all_pages(), ids=lambda page: page.name)
def test_files_that_are_named_exist(page):
    """Those of this repository, in inline code."""
    named = [
        span
        for span in spans(page)
        if page.name != 'programs_table.md'  # the files of other repositories
        and re.fullmatch(r'(benchmarks|examples|tests|tools)/[a-z0-9_/]+\.(py|sh|toml)', span)
    ]
    assert not [path for path in named if not (ROOT / path).exists()]


def test_what_is_inside_a_list_is_indented_for_every_reader():
    """Python's Markdown needs four spaces, where others accept two."""
    for page in PAGES:
        shallow = re.findall(r'\n\n {2,3}\S.*|^ {2,3}```.*', page.read_text(encoding='utf-8'), re.MULTILINE)
        assert not shallow, page
