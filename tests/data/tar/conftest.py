import pytest

from estimator_lab.data.tar import index as tar_index


@pytest.fixture
def builds(monkeypatch):
    """The archives that `open_index` has indexed, instead of using an index that is there."""
    made, build = [], tar_index.build_index
    monkeypatch.setattr(tar_index, 'build_index', lambda *args: made.append(args[0]) or build(*args))
    return made


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """The cache folder, empty at first."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache'
