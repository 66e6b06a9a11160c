"""Paths that tests use."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / 'tests' / 'golden'


def real_data(name: str = '') -> Path:
    """Returns a file in the folder ESTIMATOR_LAB_TEST_DATA; skips the test if it does not exist."""
    folder = os.environ.get('ESTIMATOR_LAB_TEST_DATA', '')
    path = Path(folder, name)
    if not folder or not path.exists():
        pytest.skip(f'ESTIMATOR_LAB_TEST_DATA names no folder with {name or "archives"}')
    return path


def notes() -> str:
    """Returns the text of the notes, next to the test data or this repository; skips the test without it."""
    data = os.environ.get('ESTIMATOR_LAB_TEST_DATA', '')
    folders = [*([Path(data).parent] if data else []), ROOT.parent / 'shared']
    found = [path for folder in folders for path in sorted(folder.glob('seed/*.txt'))]
    if not found:
        pytest.skip('there is no ../shared/seed with the notes')
    return found[0].read_text(encoding='utf-8')


def load_script(path: Path) -> ModuleType:
    """Imports a script and the files next to it, as Python does; returns a new module at each call."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path.parent))
        spec.loader.exec_module(module)
    return module
