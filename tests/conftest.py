"""Fixtures of all tests."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.golden.awaiting import AWAITING
from tests.support.archive_files import encoded, picture, small_archive
from tests.support.places import ROOT, real_data

BY_MODEL = ('models/test_contract.py',)
LONG = ('training/', 'models/', 'inference/')  # which begin first

_SET_BY_TF1 = ('TF_CPP_MIN_LOG_LEVEL', 'TF_ENABLE_ONEDNN_OPTS', 'TF_USE_LEGACY_KERAS')


@pytest.fixture(scope='session', autouse=True)
def shapes() -> None:
    """Restores v2 shapes, which users have, if a test module has imported tf.contrib."""
    if 'estimator_lab.contrib' in sys.modules:
        sys.modules['estimator_lab.tf1'].tf.enable_v2_tensorshape()


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Gives all tests one cache folder, separate from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('cache')
        patch.setenv('XDG_CACHE_HOME', str(folder))
        yield folder


@pytest.fixture(scope='module', autouse=True)
def custom_gradients() -> Iterator[None]:
    """Removes the custom gradients of a file's tests: TensorFlow's registry keeps their graphs alive."""
    yield
    if 'tensorflow' in sys.modules:
        registered = sys.modules['tensorflow.python.framework.ops'].gradient_registry._registry
        for name in [name for name in registered if name.startswith('CustomGradient-')]:
            del registered[name]


@pytest.fixture
def graph() -> Iterator[Any]:
    """A new graph with a seed, the default one."""
    from estimator_lab.tf1 import tf

    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        yield graph


@pytest.fixture
def session(graph: Any) -> Iterator[Any]:
    """A session of `graph`."""
    from estimator_lab.tf1 import tf

    with tf.Session() as session:
        yield session


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python in a fresh process."""

    def run(
        *arguments: str, stdin: bytes | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        inherited = {k: v for k, v in os.environ.items() if k not in _SET_BY_TF1}
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**inherited, 'PYTHONPATH': str(ROOT), **environment},
            input=stdin,
            capture_output=True,
            timeout=300,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return run


@pytest.fixture
def run_forked(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python as `run_python`, in a process that has imported `estimator_lab.tf1`."""
    from tests.support.forks import Process

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        outputs = [tmp_path / f'forked.{name}' for name in ('out', 'err')]
        for path in outputs:
            path.unlink(missing_ok=True)
        process = Process([*map(str, arguments)], *outputs, environment)
        texts = process.communicate(timeout=600)
        return subprocess.CompletedProcess(arguments, process.returncode, *texts)

    return run


@pytest.fixture
def run_command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process; returns its exit status, what it printed, and its errors."""
    from tests.support.commands import invoke

    def run(module: Any, *arguments: object) -> tuple[int, str, str]:
        status = invoke(module, *map(str, arguments))
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def shared_data() -> Path:
    """The folder of real archives, which is not part of the repository."""
    return real_data()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A tar of 24 PNGs of 32x24 pixels, 6 of each of 4 labels, in label order."""
    return small_archive(tmp_path)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Path]) -> Path:
    """Returns what `make` makes in a folder, once for all processes of a run of the tests."""
    base = factory.getbasetemp()
    common = base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base
    with (common / f'{name}.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder, done = common / name, common / f'{name}.done'
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that was stopped
            folder.mkdir()
            done.write_text(str(make(folder)))
        return Path(done.read_text())


@pytest.fixture(scope='session')
def cnn_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model_dir of a CNN for 8x8 pixels after 3 steps on the images of `archive`; read-only."""
    from tests.support.small_runs import train

    def make(folder: Path) -> Path:
        return train(folder, 'cnn', 'filters=2,dense_units=8', max_steps=3, image_size=8)

    return made_once(tmp_path_factory, 'cnn', make)


@pytest.fixture(scope='session')
def vgg_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model_dir of a VGG without dense layers, of colour images of 32x32 pixels; read-only."""
    from tests.support.small_runs import train

    def make(folder: Path) -> Path:
        hparams = 'depth=11,filters=2,head=pool,batch_norm=true'
        return train(folder, 'vgg', hparams, max_steps=2, image_size=32, channels=3)

    return made_once(tmp_path_factory, 'vgg', make)


@pytest.fixture(scope='session')
def style_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model_dir of a painter of two styles, ink and oil, after 3 steps; read-only."""
    from tests.support.small_runs import train

    def make(folder: Path) -> Path:
        (folder / 'styles').mkdir()
        for seed, name in enumerate(('ink', 'oil')):
            (folder / 'styles' / f'{name}.png').write_bytes(encoded(picture(seed, 40, 50)))
        hparams = f'filters=3-4,blocks=1,learning_rate=0.1,style_image={folder / "styles"}'
        return train(folder, 'style', hparams, max_steps=3, image_size=16, channels=3)

    return made_once(tmp_path_factory, 'style', make)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts long tests first, so that no process is left with one at the end."""
    items.sort(key=lambda item: not item.path.relative_to(ROOT / 'tests').as_posix().startswith(LONG))


class ByFileOrModel(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps the tests of a file in one process, which share fixtures; those of `BY_MODEL` by their model."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition('::')
        model = re.search(r'\[(\w+)-', name) if file.endswith(BY_MODEL) else None
        return f'{file} {model[1]}' if model else file


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Names what awaits figures of TensorFlow 1.15."""
    if AWAITING:
        terminalreporter.write_line(f'Awaiting figures of TensorFlow 1.15.5: {", ".join(sorted(AWAITING))}')


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Divides the tests among processes."""
    return ByFileOrModel(config, log)


@pytest.fixture(autouse=True)
def nothing_trains(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a test fail that trains a model but is marked neither `trains` nor `slow`."""
    training = sys.modules.get('estimator_lab.training.train')
    marks = {mark.name for mark in request.node.iter_markers()}
    if training and not marks & {'trains', 'slow'}:

        def train(plan: Any) -> None:
            raise AssertionError('This test trains: mark it with pytest.mark.trains.')

        monkeypatch.setattr(training, 'train', train)
