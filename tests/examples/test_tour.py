"""The notebook runs from its first cell to its last, on small archives in the place of the built-in faces."""

import json

import pytest

from tests.support.archive_files import faces_in_cache, small_archive
from tests.support.places import ROOT

pytestmark = pytest.mark.slow

NOTEBOOK = ROOT / 'examples/tour.ipynb'


def test_it_is_kept_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding='utf-8'))['cells']
    assert not any(cell.get('outputs') or cell.get('execution_count') for cell in cells)


def test_it_runs(tmp_path, monkeypatch):
    nbclient = pytest.importorskip('nbclient', reason="no nbclient: pip install '.[test-all]'")
    nbformat = pytest.importorskip('nbformat')
    pytest.importorskip('ipykernel', reason="no ipykernel: pip install '.[test-all]'")
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    faces_in_cache(small_archive(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=1200, kernel_name='python3', resources={'metadata': {'path': str(tmp_path)}}
    )
    client.execute()
    said = [
        output.get('text') or str(output.get('data', {}))
        for cell in notebook.cells
        for output in cell.get('outputs', ())
    ]
    assert any(text.startswith('24 images') for text in said)
    assert not any('INFO:tensorflow' in text for text in said)
    assert sum('<iframe' in text for text in said) == 4  # the run, its evaluation, one face, the report
    assert any("'label_2'" in text for text in said)
    assert any('saliency' in text for text in said)
    assert any("'text/plain': '[1, 0]'" in text for text in said)
    assert '<h2 id="confusion">' in (tmp_path / 'runs/tour/report.html').read_text(encoding='utf-8')
