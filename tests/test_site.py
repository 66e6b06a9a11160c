"""The site builds without a warning, and has a page for each example, each message and each public name.

The examples do not run here, except one. tests/examples runs all of them, on smaller data than `make docs`.
"""

import json
import re
import textwrap

import pytest

from estimator_lab.__main__ import COMMANDS
from estimator_lab.core.registry import MODELS
from tests.support.archive_files import encoded, picture, small_archive
from tests.support.places import ROOT, load_script

mkdocs_build = pytest.importorskip('mkdocs.commands.build', reason="no mkdocs: pip install '.[test]'")
load_config = pytest.importorskip('mkdocs.config').load_config
pytestmark = pytest.mark.once

gallery = load_script(ROOT / 'tools/gallery.py')
declared = load_script(ROOT / 'tools/public_names.py')
CELLS = (
    'import os; print(6 * 7, os.path.expanduser("~/b"))',
    """
    class Page:
        def _repr_html_(self):
            return '<iframe srcdoc="&lt;p&gt;first\\n\\nsecond" style="height: 9px"></iframe>'
    Page()
    """,
)

PARSE_ONLY = """
import argparse, os, runpy, sys
from absl import flags
from estimator_lab.tf1 import tf

def parsed():
    print('parsed')
    sys.exit()

parse = argparse.ArgumentParser.parse_args
argparse.ArgumentParser.parse_args = lambda parser, given=None: parse(parser, given) and parsed()
tf.app.run = lambda main: flags.FLAGS(sys.argv) and parsed()  # the real one tolerates unknown flags
del sys.argv[0]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def notebook(folder, *cells):
    """Writes a notebook without outputs; returns its path."""
    nbformat = pytest.importorskip('nbformat', reason="no nbformat: pip install '.[test]'")
    pytest.importorskip('ipykernel', reason="no ipykernel: pip install '.[test]'")
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(one)) for one in cells])
    nbformat.write(made, folder / 'a.ipynb')
    return folder / 'a.ipynb'


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    folder, stored = tmp_path_factory.mktemp('site'), tmp_path_factory.mktemp('gallery')
    archive = small_archive(tmp_path_factory.mktemp('archive'))
    script = ROOT / 'examples/stream_tar_dataset.py'
    gallery.run_example(script, stored / script.stem, [f'--data={archive}'])
    gallery.run_example(notebook(tmp_path_factory.mktemp('notebook'), *CELLS), stored / 'tour')
    (stored / 'recurrent').mkdir()
    (stored / 'recurrent/curves.png').write_bytes(encoded(picture(1)))
    (stored / 'recurrent' / gallery.RESULT).write_text(
        json.dumps({'command': 'python a.py', 'printed': 'b', 'pictures': ['curves.png']})
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('NO_MKDOCS_2_WARNING', '1')
        patch.setenv('ESTIMATOR_LAB_GALLERY', str(stored))
        config = load_config(str(ROOT / 'mkdocs.yml'), site_dir=str(folder))  # it is strict
        mkdocs_build.build(config)
    return folder


def page(site, name):
    return (site / name / 'index.html').read_text(encoding='utf-8')


def test_each_example_has_a_page(site):
    for path in [*(ROOT / 'examples').glob('*.py'), ROOT / 'examples/tour.ipynb']:
        assert '<code' in page(site, f'examples/{path.stem}')


def test_each_public_name_is_described(site):
    texts = page(site, 'reference') + page(site, 'model_files')
    for module, names in declared.PUBLIC.items():
        for name in names:
            assert f'id="{module}.{name}"' in texts, name


def test_commands_and_public_names_are_listed(site):
    commands = page(site, 'commands')
    for module in COMMANDS:
        assert f'estimator_lab.{module}</code>' in commands
    for name in MODELS:
        assert f'>--model={name}</code>' in commands
    assert all(f'<code>{name}</code>' in page(site, 'api') for name in declared.PUBLIC['estimator_lab.api'])


def test_links_between_files_of_the_repository_lead_to_pages(site):
    start = page(site, '.')
    assert 'href="porting/"' in start and 'href="contributing/"' in start
    for file in re.findall(r'<img [^>]*src="(images/[^"]+)"', start):
        assert (site / file).exists()


def test_every_page_is_in_a_menu(site):
    menu = set(re.findall(r'<a href="([^"#]+)/" class="md-nav__link', page(site, '.')))
    pages = {path.parent.relative_to(site).as_posix() for path in site.glob('*/index.html')}
    assert pages - {'dockerfile'} <= menu


def test_an_example_is_shown_with_its_output(site):
    text = page(site, 'examples/stream_tar_dataset')
    assert 'python examples/stream_tar_dataset.py --data=' in text
    assert text.count('person n000000   16,384 pixels') == 3
    assert text.index('id="output"') < text.index('id="program"')


def test_cells_of_a_notebook_are_followed_by_their_outputs(site):
    text = page(site, 'examples/tour')
    assert '42 ~/b\n</code>' in text
    assert '<iframe src="frame_1.html" loading="lazy" style="height: 9px">' in text
    assert (site / 'examples/tour/frame_1.html').read_text() == '<p>first\n\nsecond'


@pytest.mark.parametrize('name', gallery.ARGUMENTS)
def test_an_example_accepts_the_arguments_that_the_gallery_gives_it(name, tmp_path, run_forked):
    driver = tmp_path / 'driver.py'
    driver.write_text(PARSE_ONLY)
    done = run_forked(driver, ROOT / f'examples/{name}.py', *gallery.ARGUMENTS[name])
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ['parsed']), done.stderr


def test_an_example_that_fails_fails_the_build(tmp_path, monkeypatch, capsys):
    script = tmp_path / 'failing.py'
    script.write_text('print("so far", flush=True)\nraise ValueError("the reason")')
    monkeypatch.setattr(gallery, 'examples', lambda: [script])
    monkeypatch.setattr(gallery, 'OUT', tmp_path / 'out')
    monkeypatch.setattr('estimator_lab.api.demo_faces', lambda: None)
    (tmp_path / 'out/failing').mkdir(parents=True)
    (tmp_path / 'out/failing' / gallery.RESULT).write_text('{}')
    assert gallery.main([]) == 1
    shown = capsys.readouterr().err
    assert 'failing.py ended with status 1' in shown
    assert 'so far' in shown and 'ValueError: the reason' in shown
    assert not (tmp_path / 'out/failing').exists()  # no output of an earlier version
    assert gallery.main(['other']) == 2
