"""What runs around the code of modules, and modules that other code supplies; `imp`, which used to do so."""

import sys

import pytest

from estimator_lab.tf1.finder import Finder
from estimator_lab.tf1.imp_module import load_source

pytestmark = pytest.mark.both


@pytest.fixture
def finder(tmp_path, monkeypatch):
    """A finder of its own, and a module that notes when its code runs."""
    (tmp_path / 'hooked_module.py').write_text('seen.append("code")\n')
    finder, before = Finder(), set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, 'meta_path', [finder, *sys.meta_path])
    yield finder
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_hooks_run_before_and_after_a_modules_code(finder):
    seen = []
    finder.hook('hooked_module', before=lambda module: vars(module).update(seen=seen))
    finder.hook('hooked_module', after=lambda module: seen.append('after'))
    finder.hook('hooked_module')
    import hooked_module

    assert seen == ['code', 'after'] and hooked_module.__spec__.loader is hooked_module.__loader__
    finder.hook('hooked_module', before=lambda module: seen.append('too late'))
    finder.hook('hooked_module', after=lambda module: seen.append(module))
    assert seen[2:] == [hooked_module]


def test_modules_without_a_spec_are_hooked_too(finder):
    finder.hook('hooked_module', before=lambda module: vars(module).update(seen=[]))
    spec = finder.find_spec('hooked_module')
    module = type(sys)('hooked_module')
    module.__spec__ = None
    spec.loader.exec_module(module)
    assert module.seen == ['code'] and module.__spec__ is None


def test_only_python_files_are_loaded_as_sources(tmp_path):
    (tmp_path / 'a.txt').write_text('x = 3')
    with pytest.raises(ImportError, match=r'a\.txt is not a Python file\.$') as error:
        load_source('loaded_a', str(tmp_path / 'a.txt'))
    assert error.value.name == 'loaded_a' and 'loaded_a' not in sys.modules
