"""``python -m estimator_lab.data.demo``: writes the built-in data set where a user wants it."""

import shutil
from pathlib import Path

from estimator_lab.console import command
from estimator_lab.console.progress import say
from estimator_lab.data.cache import partial_name
from estimator_lab.data.demo_sets.archives import cached_demo
from estimator_lab.errors import DataError

_USAGE = """Writes the built-in faces as two archives, train.tar and test.tar, into a folder.

  python -m estimator_lab.data.demo faces"""


def _write_into(folders: list[str]) -> int:
    for folder in map(Path, folders):
        paths = cached_demo()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in paths:
                _copy(path, folder / path.name)
        except OSError as error:
            raise DataError(f'{folder} cannot be written: {error.strerror}.') from error
        say(f'{folder / paths.train.name} and {folder / paths.test.name}')
    return 0


def _copy(path: Path, target: Path) -> None:
    """Copies a file; half of one never has the name of the whole."""
    partial = partial_name(target)
    try:
        shutil.copyfile(path, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == '__main__':
    command.run(_write_into, _USAGE, {}, 'FOLDER')
