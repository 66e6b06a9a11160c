"""``python -m estimator_lab.data.demo``: writes the built-in data set where a user wants it."""

import shutil
from pathlib import Path

from estimator_lab.console import command
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
                shutil.copyfile(path, folder / path.name)
        except OSError as error:
            raise DataError(f'{folder} cannot be written: {error.strerror}.') from error
        print(f'{folder / paths.train.name} and {folder / paths.test.name}')
    return 0


if __name__ == '__main__':
    command.run(_write_into, _USAGE, {}, 'FOLDER')
