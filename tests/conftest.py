"""Shared by all tests: a fresh interpreter, small archives, where the shared data lies."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.archive_files import encoded, picture, small_archive
from tests.places import ROOT, test_data

_SET_BY_TF1 = ('TF_CPP_MIN_LOG_LEVEL', 'TF_ENABLE_ONEDNN_OPTS', 'TF_USE_LEGACY_KERAS')


# What `make check` runs; all else trains, or starts processes that do.
_FAST = (
    *('console', 'core', 'data'),
    *('test_architecture.py', 'test_adding_a_model.py', 'test_conformance_table.py', 'test_kubernetes.py'),
)

# What one TensorFlow is enough for: the project's own pages, what no line of TensorFlow takes part in, and
# what runs in ways that other tests try on both: stops and restarts, full disks, names that harm a screen.
_ONCE = (
    'console',
    'data/demo_sets',
    'data/images',
    'data/order',
    'data/packing',
    'data/test_budget.py',
    'data/test_pack.py',
    'data/test_tar_index.py',
    'data/trees',
    'examples/test_artistic_style.py',
    'examples/test_gan.py',
    'examples/test_recurrent.py',
    'examples/test_second_order.py',
    'examples/test_tour.py',
    'inference/inceptionism',
    'runs/test_safe_paths.py',
    'runs/test_event_files.py',
    'inference/test_gan_samples.py',
    'inference/test_gibbs_samples.py',
    'runs/test_reference_classifier.py',
    'models/test_autoencoder_runs.py',
    'optimizers/test_digits_program.py',
    'test_architecture.py',
    'test_conformance_table.py',
    'test_control_characters.py',
    'test_every_model.py',
    'test_full_disk.py',
    'test_kubernetes.py',
    'test_main.py',
    'test_port.py',
    'test_readme.py',
    'test_tensorboard.py',
    'test_train.py',
    'training/test_front_door.py',
    'training/test_life_cycle.py',
    'training/test_resumption.py',
    'training/test_reused_evaluation.py',
    'training/test_trees.py',
)
# Where pixels are made by TensorFlow, and not by Pillow.
_ON_BOTH = ('data/images/test_graph_decode.py', 'data/images/test_input_fns.py')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as slow what `make check` leaves out, and as once what one TensorFlow is enough for."""
    for item in items:
        place = item.path.relative_to(ROOT / 'tests')
        if place.parts[0] not in _FAST:
            item.add_marker(pytest.mark.slow)
        if _is_within(place, _ONCE) and not _is_within(place, _ON_BOTH):
            item.add_marker(pytest.mark.once)


def _is_within(place: Path, places: tuple[str, ...]) -> bool:
    return any(place.is_relative_to(other) for other in places)


@pytest.fixture(scope='session', autouse=True)
def shapes() -> None:
    """The shapes that users have, where a module of the tests has imported tf.contrib, which changes them."""
    if 'estimator_lab.contrib' in sys.modules:
        sys.modules['estimator_lab.tf1'].tf.enable_v2_tensorshape()


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's cache folder is left alone: all tests share one of their own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('cache')
        patch.setenv('XDG_CACHE_HOME', str(folder))
        yield folder


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python in a process of its own, where nothing is imported yet."""

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
def determinism() -> Iterator[Callable[[], bool]]:
    """Tells whether it is on; turns it off again."""
    from tensorflow.python.framework import config

    yield config.is_op_determinism_enabled
    config.disable_op_determinism()


@pytest.fixture
def shared_data() -> Path:
    """The folder of real archives, which users of the package do not have."""
    return test_data()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A tar of 24 PNGs of 32x24 pixels, 6 of each of 4 labels, in label order."""
    return small_archive(tmp_path)


@pytest.fixture(scope='session')
def cnn_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model_dir of a CNN for 8x8 pixels after 3 steps on the images of `archive`; not to be changed."""
    from estimator_lab.training.experiment import Experiment
    from estimator_lab.training.settings import Settings

    folder = tmp_path_factory.mktemp('cnn')
    settings = Settings(
        model='cnn',
        data=[str(small_archive(folder))],
        model_dir=folder / 'model',
        batch_size=6,
        max_steps=3,
        image_size=8,
        hparams='filters=2,dense_units=8',
        save_checkpoints_steps=100,
    )
    Experiment(settings, lambda line: None).train()
    return settings.model_dir


@pytest.fixture(scope='session')
def style_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model_dir of a painter of two styles, ink and oil, after 3 steps; not to be changed."""
    from estimator_lab.training.experiment import Experiment
    from estimator_lab.training.settings import Settings

    folder = tmp_path_factory.mktemp('style')
    (folder / 'styles').mkdir()
    for seed, name in enumerate(('ink', 'oil')):
        (folder / 'styles' / f'{name}.png').write_bytes(encoded(picture(seed, 40, 50)))
    settings = Settings(
        model='style',
        data=[str(small_archive(folder))],
        model_dir=folder / 'model',
        batch_size=6,
        max_steps=3,
        image_size=16,
        channels=3,
        hparams=f'filters=3-4,blocks=1,learning_rate=0.1,style_image={folder / "styles"}',
    )
    Experiment(settings, lambda line: None).train()
    return settings.model_dir
