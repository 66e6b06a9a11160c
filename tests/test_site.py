"""The site builds without a warning, opens without a server, and has each example, name and command."""

import pytest

from estimator_lab.__main__ import COMMANDS
from tests.support.places import ROOT, load_script

pytestmark = pytest.mark.slow

mkdocs_build = pytest.importorskip('mkdocs.commands.build', reason="no mkdocs: pip install '.[test-all]'")
load_config = pytest.importorskip('mkdocs.config').load_config


def test_the_site_builds(tmp_path, monkeypatch):
    monkeypatch.setenv('NO_MKDOCS_2_WARNING', '1')
    monkeypatch.setenv('ESTIMATOR_LAB_GALLERY', str(tmp_path / 'nothing'))
    site = tmp_path / 'site'
    mkdocs_build.build(load_config(str(ROOT / 'mkdocs.yml'), site_dir=str(site)))  # it is strict

    def page(name):
        return (site / f'{name}.html').read_text(encoding='utf-8')

    for path in [*(ROOT / 'examples').glob('*.py'), ROOT / 'examples/tour.ipynb']:
        assert '<code' in page(f'examples/{path.stem}')
    assert all(f'estimator_lab.{module}</code>' in page('commands') for module in COMMANDS)
    texts = page('reference') + page('model_files')
    for module, names in load_script(ROOT / 'tools/public_names.py').PUBLIC.items():
        assert all(f'id="{module}.{name}"' in texts for name in names), module
    assert 'href="porting.html"' in page('index') and (site / 'search/search_index.js').exists()
