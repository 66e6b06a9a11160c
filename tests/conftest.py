"""Fixtures and marks of all tests."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archive_files import encoded, picture, small_archive
from tests.places import ROOT, real_data

_SET_BY_TF1 = ('TF_CPP_MIN_LOG_LEVEL', 'TF_ENABLE_ONEDNN_OPTS', 'TF_USE_LEGACY_KERAS')


# The tests that `make check` runs, at least one file for each room; the others train, or start processes.
FAST = (
    *('base', 'core', 'data'),
    'contrib/test_crf.py',
    'inference/report/test_page.py',
    'models/test_registry.py',
    'optimizers/test_optimizers.py',
    'runs/test_record.py',
    'runs/test_safe_paths.py',
    'test_adding_a_model.py',
    'test_architecture.py',
    'test_main.py',
    'tf1/test_coordinator.py',
    'tf1/test_internals.py',
    'training/test_settings.py',
)

# Tests for which one TensorFlow is enough: of the project's pages, of code that does not use TensorFlow or
# uses operations that are alike in all versions, and of situations that other tests cover on both, such as
# restarts and full disks. models/test_contract.py runs each model on both.
ONCE = (
    'base',
    'data/demo_sets',
    'data/images',
    'data/test_check.py',
    'data/test_index.py',
    'data/test_order.py',
    'data/test_pack.py',
    'data/test_remote.py',
    'data/test_sources.py',
    'data/test_stream.py',
    'data/test_tar.py',
    'data/test_tar_index.py',
    'data/trees',
    'examples/test_recurrent.py',
    'examples/test_tour.py',
    'inference',
    'models/test_autoencoder.py',
    'models/test_autoencoder_runs.py',
    'models/test_dbn.py',
    'models/test_gan.py',
    'models/test_rbm.py',
    'models/recursive',
    'models/test_second_order.py',
    'models/style',
    'models/test_vgg.py',
    'optimizers/second_order',
    'robustness/test_faults.py',
    'runs/test_event_files.py',
    'runs/test_reference_classifier.py',
    'runs/test_safe_paths.py',
    'test_all_commands.py',
    'test_architecture.py',
    'test_control_characters.py',
    'test_pages.py',
    'test_doctests.py',
    'test_dream.py',
    'test_evaluate.py',
    'test_every_model.py',
    'test_full_disk.py',
    'test_import_weights.py',
    'test_inspect.py',
    'test_installed.py',
    'test_main.py',
    'test_mistakes.py',
    'test_readme.py',
    'test_report.py',
    'test_stopping.py',
    'test_stream_page.py',
    'test_tensorboard.py',
    'test_train.py',
    'training/test_changes.py',
    'training/test_cluster.py',
    'training/test_evaluations.py',
    'training/test_phases.py',
    'training/test_plan.py',
    'training/test_position.py',
    'training/test_resumption.py',
    'training/test_train.py',
    'training/test_trees.py',
    'training/test_warm_start.py',
)
# Except this one, in which TensorFlow and not Pillow decodes images.
ON_BOTH = ('data/images/test_export.py',)


def is_fast(path: Path) -> bool:
    """Returns whether `make check` runs a test file, given by its path below tests/."""
    return _is_within(path, FAST)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skips the import of slow files in `make check`."""
    path = collection_path.relative_to(ROOT / 'tests')
    skips = config.option.markexpr == 'not slow' and path.suffix == '.py' and not is_fast(path)
    return True if skips else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests as slow, and as once."""
    for item in items:
        path = item.path.relative_to(ROOT / 'tests')
        if not is_fast(path):
            item.add_marker(pytest.mark.slow)
        if _is_within(path, ONCE) and not _is_within(path, ON_BOTH):
            item.add_marker(pytest.mark.once)


def _is_within(path: Path, places: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(place) for place in places)


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
    from tests.forks import Process

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
    from tests.commands import invoke

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


@pytest.fixture(scope='session')
def cnn_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model_dir of a CNN for 8x8 pixels after 3 steps on the images of `archive`; read-only."""
    from tests.small_runs import train

    hparams = 'filters=2,dense_units=8'
    return train(tmp_path_factory.mktemp('cnn'), 'cnn', hparams, max_steps=3, image_size=8)


@pytest.fixture(scope='session')
def style_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model_dir of a painter of two styles, ink and oil, after 3 steps; read-only."""
    from tests.small_runs import train

    folder = tmp_path_factory.mktemp('style')
    (folder / 'styles').mkdir()
    for seed, name in enumerate(('ink', 'oil')):
        (folder / 'styles' / f'{name}.png').write_bytes(encoded(picture(seed, 40, 50)))
    hparams = f'filters=3-4,blocks=1,learning_rate=0.1,style_image={folder / "styles"}'
    return train(folder, 'style', hparams, max_steps=3, image_size=16, channels=3)
