"""The examples in docstrings print what they say; they need no training."""

import doctest
import importlib

import pytest

from tests.support.places import ROOT

WITH_EXAMPLES = [
    path.relative_to(ROOT)
    for path in sorted((ROOT / 'estimator_lab').rglob('*.py'))
    if '>>> ' in path.read_text(encoding='utf-8')
]


@pytest.mark.parametrize('path', WITH_EXAMPLES, ids=str)
def test_examples(path):
    module = importlib.import_module('.'.join(path.with_suffix('').parts))
    found = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert found.attempted and not found.failed
