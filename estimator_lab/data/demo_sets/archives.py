"""The built-in data set: archives of cartoon faces, drawn from a seed and shaped like VGGFace2.

`train.tar` and `test.tar` are uncompressed and in identity order, like VGGFace2
(`train/n000001/0001_01.jpg`).
"""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from estimator_lab.base.whole_files import whole_file
from estimator_lab.data.cache import cache_folder
from estimator_lab.data.demo_sets.faces import (
    TEST_STREAM,
    TRAIN_STREAM,
    Identity,
    draw_face,
    generator,
    make_identities,
)
from estimator_lab.errors import DataError

DEMO_VERSION = 3  # In the folder's name: increase it when the same arguments give different images.

Progress = Callable[[int, int], None]
_NamedJpeg = tuple[str, bytes]


class DemoPaths(NamedTuple):
    """The two files of a built-in data set.

    Attributes:
      train: archive of the training images.
      test: archive of the images for evaluation.
    """

    train: Path
    test: Path


def write_demo(
    folder: Path,
    *,
    seed: int = 0,
    identities: int = 10,
    train_per_identity: int = 160,
    test_per_identity: int = 40,
    progress: Progress | None = None,
) -> DemoPaths:
    """Writes train.tar and test.tar below `folder`, or returns at once if they are there.

    The archives are in a folder named after all arguments, so that other arguments never find stale
    files. The same arguments and the same Pillow give the same bytes. Each archive appears whole or
    not at all. `progress` is called after every image with (images done, images in all).

    Raises:
      ValueError: a count is below 1, `identities` is above MAX_IDENTITIES, or `seed` is negative.
      OSError: the folder cannot be written.
    """
    for name, count in (('train', train_per_identity), ('test', test_per_identity)):
        if count < 1:
            raise ValueError(f'{name}_per_identity must be 1 or more, not {count}.')
    people = make_identities(identities, seed)
    counts = f'{identities}x{train_per_identity}+{test_per_identity}'
    folder = Path(folder) / f'demo-v{DEMO_VERSION}-seed{seed}-{counts}'
    paths = DemoPaths(folder / 'train.tar', folder / 'test.tar')
    done, total = 0, identities * (train_per_identity + test_per_identity)
    parts = ((paths.train, TRAIN_STREAM, train_per_identity), (paths.test, TEST_STREAM, test_per_identity))
    for path, stream, each in parts:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            members = _members(people, path.stem, stream, each, seed)
            _write_archive(path, members, progress, done, total)
        done += identities * each
    return paths


def _members(people: list[Identity], split: str, stream: int, each: int, seed: int) -> Iterator[_NamedJpeg]:
    """Names and JPEG bytes, in identity order."""
    for number, person in enumerate(people):
        for index in range(each):
            rng = generator(stream, number, index, seed)
            buffer = io.BytesIO()
            draw_face(person, rng).save(buffer, 'JPEG', quality=int(rng.integers(60, 96)))
            yield f'{split}/n{number + 1:06d}/{index + 1:04d}_01.jpg', buffer.getvalue()


def _write_archive(
    path: Path, members: Iterator[_NamedJpeg], progress: Progress | None, done: int, total: int
) -> None:
    with (
        whole_file(path) as file,
        tarfile.open(fileobj=file, mode='w', format=tarfile.USTAR_FORMAT) as archive,
    ):
        for number, (name, data) in enumerate(members, start=done + 1):
            # TarInfo's own time, owner and mode (0, 0, 0644) are the same in every run.
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
            if progress is not None:
                progress(number, total)


def cached_demo(progress: Progress | None = None) -> DemoPaths:
    """Returns the default data set, drawn into the user's cache folder at its first use.

    Args:
      progress: as in `write_demo`.

    Raises:
      DataError: the cache folder cannot be written.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return write_demo(folder, progress=progress)
    except OSError as error:
        raise DataError(
            f'The built-in data set cannot be written to {folder} ({error.strerror}): set XDG_CACHE_HOME '
            'to a folder that can be written.',
            data='Or give --data.',
        ) from error
