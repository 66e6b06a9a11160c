"""The site builds without a warning, and has a page for each example, each message and each public name."""

import re

import pytest

from estimator_lab import api
from tests.places import ROOT

mkdocs_build = pytest.importorskip('mkdocs.commands.build', reason="no mkdocs: pip install '.[test]'")
load_config = pytest.importorskip('mkdocs.config').load_config


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp('site')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('NO_MKDOCS_2_WARNING', '1')
        config = load_config(str(ROOT / 'mkdocs.yml'), site_dir=str(folder))  # it is strict
        mkdocs_build.build(config)
    return folder


def page(site, name):
    return (site / name / 'index.html').read_text(encoding='utf-8')


def test_each_example_has_a_page(site):
    for path in [*(ROOT / 'examples').glob('*.py'), ROOT / 'examples/tour.ipynb']:
        assert '<code' in page(site, f'examples/{path.stem}')


def test_each_public_name_is_described(site):
    text = page(site, 'reference')
    for name in api.__all__:
        assert f'id="estimator_lab.api.{name}"' in text


def test_links_between_files_of_the_repository_lead_to_pages(site):
    start = page(site, '.')
    assert 'href="porting/"' in start and 'href="contributing/"' in start
    for picture in re.findall(r'<img [^>]*src="(images/[^"]+)"', start):
        assert (site / picture).exists()


def test_every_page_is_in_a_menu(site):
    menu = set(re.findall(r'<a href="([^"#]+)/" class="md-nav__link', page(site, '.')))
    pages = {path.parent.relative_to(site).as_posix() for path in site.glob('*/index.html')}
    assert pages - {'dockerfile', 'kubernetes', 'messages'} <= menu
