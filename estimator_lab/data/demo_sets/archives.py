"""The built-in data sets as tar archives.

Cartoon faces are drawn from a seed and shaped like VGGFace2: `train.tar` and `test.tar` are uncompressed and
in identity order (`train/n000001/0001_01.jpg`). MNIST, Fashion-MNIST and CIFAR-10 are fetched by TensorFlow.
"""

import gzip
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from estimator_lab.base.errors import DataError, option
from estimator_lab.base.files import whole_file
from estimator_lab.data.demo_sets.faces import STREAMS, Person, draw_face, generator, make_identities
from estimator_lab.data.sources.files import cache_folder

DEMO_VERSION = 3  # In the folder's name: increase it when other images are drawn.
IDENTITIES = 10
IMAGES_EACH = {'train': 160, 'test': 40}
"""Images of each identity by archive."""

_FASHION = 't-shirt trouser pullover dress coat sandal shirt sneaker bag ankle_boot'
_CIFAR = 'airplane automobile bird cat deer dog frog horse ship truck'
KERAS_SETS = {
    'mnist': ('mnist', tuple('0123456789')),
    'fashion': ('fashion_mnist', tuple(_FASHION.split())),  # Xiao, Rasul and Vollgraf 2017
    'cifar10': ('cifar10', tuple(_CIFAR.split())),  # Krizhevsky 2009
}
"""Names in tf.keras.datasets, and classes in the order of their numbers."""

_DRAWN_AT_ONCE = 500  # faces for each line of progress


class DemoPaths(NamedTuple):
    """The two files of a built-in data set.

    Attributes:
      train: archive of the training images.
      test: archive of the images for evaluation.
    """

    train: Path
    test: Path


def demo_faces(say: Callable[[str], None] | None = None) -> DemoPaths:
    """Returns the paths `train` and `test` of the built-in faces: cartoons of ten people in two archives.

    The archives have 1,600 and 400 JPEG images of 128 x 128 pixels. They are drawn in about 15 s at the first
    use, and kept in the user's cache folder. The same Pillow gives the same bytes. Each archive appears whole
    or not at all.

    Args:
      say: called with a line for every 500 images drawn; None to draw in silence.

    Raises:
      DataError: the cache folder can't be written.
    """
    folder = faces_folder()
    people = make_identities(IDENTITIES)
    done, total = 0, IDENTITIES * sum(IMAGES_EACH.values())
    try:
        for split, each in IMAGES_EACH.items():
            if not (path := folder / f'{split}.tar').exists():
                folder.mkdir(parents=True, exist_ok=True)
                _write_archive(path, _counted(_faces(people, split, each), say, done, total))
            done += IDENTITIES * each
    except OSError as error:
        raise DataError(
            f'The built-in data set cannot be written to {folder.parent} ({error.strerror}): set '
            f'XDG_CACHE_HOME to a folder that can be written, or train on {option.data} of your own.'
        ) from error
    return DemoPaths(folder / 'train.tar', folder / 'test.tar')


def faces_folder() -> Path:
    """Returns the folder of the built-in faces, which may not be there yet."""
    counts = f'{IDENTITIES}x{IMAGES_EACH["train"]}+{IMAGES_EACH["test"]}'
    return cache_folder() / f'demo-v{DEMO_VERSION}-seed0-{counts}'


def write_keras_set(folder: Path, name: str) -> DemoPaths:
    """Writes one of KERAS_SETS as NAME-train.tar.gz and NAME-test.tar.gz of PNGs, `train/7/00015.png`.

    TensorFlow fetches it into ~/.keras/datasets, and checks it. Archives that are there stay as they are.

    Raises:
      DataError: it can't be fetched, or the folder can't be written.
    """
    from estimator_lab.tf1 import tf

    keras_name, labels = KERAS_SETS[name]
    paths = DemoPaths(*(folder / f'{name}-{part}.tar.gz' for part in ('train', 'test')))
    if all(path.exists() for path in paths):
        return paths
    try:
        parts = getattr(tf.keras.datasets, keras_name).load_data()
    except Exception as error:
        raise DataError(
            f'The images of {name} cannot be fetched: {" ".join(str(error).split())[:200]}.'
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part, path, (images, classes) in zip(('train', 'test'), paths, parts, strict=True):
            _write_archive(path, _pngs(part, images, [labels[number] for number in classes.ravel()]))
    except OSError as error:
        raise DataError(f'{error.filename or folder} cannot be used: {error.strerror or error}.') from error
    return paths


def _faces(people: list[Person], split: str, each: int) -> Iterator[tuple[str, bytes]]:
    """Yields names and JPEG bytes, in identity order."""
    for number, person in enumerate(people):
        for index in range(each):
            rng = generator(STREAMS[split], number, index)
            buffer = io.BytesIO()
            draw_face(person, rng).save(buffer, 'JPEG', quality=int(rng.integers(60, 96)))
            yield f'{split}/n{number + 1:06d}/{index + 1:04d}_01.jpg', buffer.getvalue()


def _pngs(part: str, images: np.ndarray, labels: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for number, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, 'PNG')
        yield f'{part}/{label}/{number:05}.png', buffer.getvalue()


def _counted(
    files: Iterator[tuple[str, bytes]], say: Callable[[str], None] | None, done: int, total: int
) -> Iterator[tuple[str, bytes]]:
    for number, file in enumerate(files, done + 1):
        yield file
        if say and (number == total or number % _DRAWN_AT_ONCE == 0):
            say(f'Drawing the built-in faces: {number:,} of {total:,}')


def _write_archive(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    """Writes an archive, compressed if its name ends in '.gz'; the same files give the same bytes."""
    with whole_file(path, replaces=path.suffix != '.gz') as file:
        # No time and no name in gzip's header.
        stream = gzip.GzipFile('', 'wb', fileobj=file, mtime=0) if path.suffix == '.gz' else file
        with tarfile.open(fileobj=stream, mode='w', format=tarfile.USTAR_FORMAT) as archive:
            for name, data in files:
                header = tarfile.TarInfo(name)  # its own time, owner and mode are the same in every run
                header.size = len(data)
                archive.addfile(header, io.BytesIO(data))
        if stream is not file:
            stream.close()
