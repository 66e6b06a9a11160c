"""``python -m estimator_lab.data.demo``: writes a built-in data set where a user wants it."""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.outputs import no_empty_folder_left, why_refused
from estimator_lab.console.progress import say
from estimator_lab.data.cache import partial_name, publish
from estimator_lab.data.demo_sets import listops, mnist
from estimator_lab.data.demo_sets.archives import cached_demo
from estimator_lab.errors import DataError, FlagError

FLAGS = flags.FlagValues()


def _write_faces(folder: Path) -> tuple[Path, Path]:
    paths = cached_demo()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            _copy(path, folder / path.name)
        _write_singles(paths.test, folder)
    except OSError as error:
        raise DataError(f'{folder} cannot be written: {why_refused(folder, error)}.') from error
    return folder / paths.train.name, folder / paths.test.name


def _write_trees(folder: Path) -> tuple[Path, Path]:
    return listops.write_listops(folder, listops.TRAIN, listops.TEST)


_SETS: dict[str, Callable[[Path], tuple[Path, Path]]] = {
    'faces': _write_faces,
    'mnist': mnist.write_mnist,
    'trees': _write_trees,
}

flags.DEFINE_enum('set', 'faces', list(_SETS), 'which data set', flag_values=FLAGS)

_USAGE = """Writes a built-in data set, for training and for testing, into a folder.

  python -m estimator_lab.data.demo faces
  python -m estimator_lab.data.demo listops --set=trees
  python -m estimator_lab.data.demo mnist --set=mnist

faces: train.tar and test.tar, cartoon faces, and two of the latter as files that are called like their
labels. mnist: mnist-train.tar.gz and mnist-test.tar.gz, of the four files of the MNIST database, which are
there already, as they come or compressed with gzip. trees: train.tsv and test.tsv, 90,000 and 10,000
different trees of ListOps, made by its published rules."""
_GROUPS = {'Data': ['set']}
_SINGLES = ('n000001', 'n000003')  # labels
_ARGUMENTS = 'FOLDER'


def main(folders: list[str]) -> int:
    """Runs the command; returns its exit status."""
    if len(folders) > 1:
        raise FlagError(f'One FOLDER at a time, not {folders[1]!r} as well; --set says what to write.')
    folder = Path(folders[0])
    with no_empty_folder_left(folder):
        train, test = _SETS[FLAGS.set](folder)
    say(f'{train} and {test}')
    return 0


def _write_singles(archive: Path, folder: Path) -> None:
    """Writes the first image of some labels as a file of its own, such as n000003.jpg."""
    with tarfile.open(archive) as opened:
        wanted = set(_SINGLES)
        for member in opened:
            label, suffix = Path(member.name).parent.name, Path(member.name).suffix
            if label in wanted and (file := opened.extractfile(member)):
                wanted.remove(label)
                _write(file, folder / f'{label}{suffix}')


def _write(source: IO[bytes], target: Path) -> None:
    """Writes a file; half of one never has the name of the whole."""
    partial = partial_name(target)
    try:
        with partial.open('wb') as file:
            shutil.copyfileobj(source, file)
        publish(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _copy(path: Path, target: Path) -> None:
    with path.open('rb') as file:
        _write(file, target)


if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, _ARGUMENTS, FLAGS)
