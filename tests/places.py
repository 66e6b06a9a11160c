"""Where tests find files."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / 'tests' / 'golden'


def test_data(name: str = '') -> Path:
    """Returns an archive of the folder that ESTIMATOR_LAB_TEST_DATA names; skips the test without one."""
    folder = os.environ.get('ESTIMATOR_LAB_TEST_DATA', '')
    path = Path(folder, name)
    if not folder or not path.exists():
        pytest.skip(f'ESTIMATOR_LAB_TEST_DATA names no folder with {name or "archives"}')
    return path


test_data.__test__ = False  # type: ignore[attr-defined] # its name is no test's


def load_script(path: Path) -> ModuleType:
    """Returns a program that lies in no package as a module, made anew at each call."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
