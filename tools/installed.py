"""Builds the wheel, installs it in a fresh environment, and tests it there, outside this folder.

    python tools/installed.py
    python tools/installed.py --python=python3.10 --tensorflow='2.15.*'
    python tools/installed.py --reuse
    python tools/installed.py --reuse tests/conformance -k hooks

The tests read no file of the repository outside tests/. Arguments for pytest replace them. With --reuse,
nothing is downloaded: TensorFlow and pytest are those of the environment that runs this script.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = (
    *('base', 'conformance', 'contrib/test_crf.py', 'data/test_order.py', 'data/test_tar.py'),
    *('inference/report/test_page.py', 'models/test_registry.py', 'optimizers', 'test_port.py'),
    *('tf1/test_coordinator.py', 'tf1/test_internals.py'),
)
REQUIREMENTS = ('pytest>=8', 'hypothesis>=6.100', 'scikit-learn>=1.4', 'pandas>=2.1')
_SOURCES = ('setup.py', 'pyproject.toml', 'README.md', 'estimator_lab')
_CHECK_THE_IMPORT = """
import estimator_lab, sys
sys.exit(0 if estimator_lab.__file__.startswith(sys.prefix) else f'imported {estimator_lab.__file__}')
"""


def main(arguments: Sequence[str]) -> int:
    """Runs the script; returns the exit status of pytest."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--python', default=sys.executable, help='starts the Python of the fresh environment')
    parser.add_argument('--tensorflow', default='*', metavar='VERSION', help='such as 2.15.*')
    parser.add_argument('--reuse', action='store_true', help='use the packages of this environment')
    chosen, for_pytest = parser.parse_known_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder / 'wheel')
        if chosen.reuse:
            python = install_reusing(wheel, folder / 'environment')
        else:
            python = install(wheel, folder / 'environment', chosen.python, chosen.tensorflow)
        _run([python, '-m', 'estimator_lab', '--version'], folder)
        return test(python, folder, for_pytest or [f'tests/{each}' for each in TESTS])


def build(folder: Path) -> Path:
    """Returns a wheel in a new folder, built from a copy of the sources, without the network."""
    sources = folder / 'sources'
    for name in _SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        sources.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, sources / name)
    options = ['--quiet', '--no-deps', '--no-index', '--no-build-isolation', '--wheel-dir', folder]
    _run([sys.executable, '-m', 'pip', 'wheel', *options, sources], folder)
    (wheel,) = folder.glob('*.whl')
    return wheel


def install(wheel: Path, folder: Path, python: str, tensorflow: str) -> Path:
    """Returns the Python of a new environment with the wheel, all that it requires, and pytest."""
    _run([python, '-m', 'venv', folder], wheel.parent)
    inside = folder / 'bin/python'
    wanted = [wheel, f'tensorflow=={tensorflow}', *REQUIREMENTS]
    _run([inside, '-m', 'pip', 'install', '--quiet', *wanted], wheel.parent)
    return inside


def install_reusing(wheel: Path, folder: Path) -> Path:
    """Returns the Python of a new environment with the wheel and the packages of this environment."""
    _run([sys.executable, '-m', 'venv', '--without-pip', folder], wheel.parent)
    (packages,) = folder.glob('lib/python*/site-packages')
    # A path in a .pth file comes after the environment's own packages, and its own .pth files, such as that
    # of an editable installation of this package, are not read.
    packages.joinpath('reused.pth').write_text(f'{sysconfig.get_path("purelib")}\n', encoding='utf-8')
    inside = folder / 'bin/python'
    options = ['--quiet', '--no-deps', '--no-index', '--no-warn-script-location', '--ignore-installed']
    _run([inside, '-m', 'pip', 'install', *options, wheel], wheel.parent)
    return inside


def test(python: Path, folder: Path, arguments: Sequence[str]) -> int:
    """Runs pytest on a copy of tests/ in another folder; returns its exit status."""
    outside = folder / 'outside'
    shutil.copytree(ROOT / 'tests', outside / 'tests')
    shutil.copy(ROOT / 'pyproject.toml', outside)
    _run([python, '-c', _CHECK_THE_IMPORT], outside)
    command = [python, '-m', 'pytest', *arguments]
    return subprocess.run(command, cwd=outside, env=_environment(), check=False).returncode


def _run(command: Sequence[str | Path], folder: Path) -> None:
    subprocess.run(command, cwd=folder, env=_environment(), check=True)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ('PYTHONPATH', 'PYTHONHOME')}


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
