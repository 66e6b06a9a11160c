"""Short pages run as they are printed; `python -m tests.run_pages` runs all of them."""

import shutil
import subprocess
import sys

import pytest

from tests.run_pages import APART, SHORT, blocks_of, pages, prepare, run_page
from tests.support.archive_files import faces_in_cache, small_archive
from tests.support.places import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    """A folder with the README's first run, of small images instead of the built-in faces."""
    folder, cache = (tmp_path_factory.mktemp(name) for name in ('pages', 'cache'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(cache))
        faces_in_cache(small_archive(cache))
        prepare(folder / 'first', {})
        yield folder / 'first'


@pytest.mark.parametrize('page', SHORT)
def test_the_blocks_of_a_page_run_in_order(page, prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / page)
    problems = {block.text: problem for block, problem in run_page(page, tmp_path / page, {}) if problem}
    assert not problems


def test_what_is_left_out_is_on_its_page():
    assert set(SHORT) <= set(pages())
    for page, reasons in APART.items():
        text = (ROOT / f'docs/{page}.md').read_text(encoding='utf-8')
        assert all(words in text and reason for words, reason in reasons.items())
        assert '' not in reasons or not list(blocks_of(page))


def test_the_pages_run_without_the_packages_of_the_tests():
    """`make docs` installs the extra `docs` only."""
    without = "import sys; sys.modules['pytest'] = None; import tests.run_pages"
    subprocess.run([sys.executable, '-c', without], cwd=ROOT, check=True)
