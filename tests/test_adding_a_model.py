"""Follows docs/adding_a_model.md word by word: what it shows stands in the files that it names.

Its commands are run by test_readme.py, as those of all pages.
"""

import re

import pytest

from tests.places import ROOT

PAGE = (ROOT / 'docs' / 'adding_a_model.md').read_text(encoding='utf-8')


def shown():
    """Yields (path, code) of each block of Python; the path is the last that had a line of its own."""
    path = ''
    for line, code in re.findall(r'^`([\w/.]+)`:$|^```python\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL):
        path = line or path
        if code:
            yield path, code


BLOCKS = list(shown())


@pytest.mark.parametrize(('path', 'code'), BLOCKS, ids=[f'{n}-{path}' for n, (path, _) in enumerate(BLOCKS)])
def test_what_is_shown_stands_in_its_file(path, code):
    assert code.rstrip() in (ROOT / path).read_text(encoding='utf-8')


def test_the_whole_file_of_the_model_is_shown():
    path, code = BLOCKS[0]
    assert code == (ROOT / path).read_text(encoding='utf-8')
    assert {path for path, _ in BLOCKS} == {
        'estimator_lab/models/mlp.py',
        'estimator_lab/models/registry.py',
        'tests/models/test_registry.py',
        'tests/models/test_mlp.py',
    }


def test_paths_and_names_in_the_text_exist():
    spans = set(re.findall(r'`((?:estimator_lab|tests|core)/[\w/.]+)`', PAGE))
    assert len(spans) > 5
    for span in spans:
        assert (ROOT / span).exists() or (ROOT / 'estimator_lab' / span).exists(), span
