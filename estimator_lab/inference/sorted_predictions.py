"""Predictions to look at: a contact sheet of the least certain images, and folders of images by label."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from estimator_lab.base.printable import safe_name
from estimator_lab.console.outputs import writing, written_whole
from estimator_lab.core.confusion import TopK
from estimator_lab.core.picture import labelled_grid
from estimator_lab.data.member import Member
from estimator_lab.data.order import Order
from estimator_lab.errors import FlagError
from estimator_lab.inference.prediction import Predicted

MOST_ON_A_SHEET = 240
_COLUMNS, _TILE = 8, 128
_JPEG_QUALITY = 92


class Labelled(NamedTuple):
    """Examples and their predicted labels.

    Attributes:
      predicted: the examples, with their images if they have any.
      labels: most probable label of each.
      probabilities: of the labels, in [0, 1].
    """

    predicted: Predicted
    labels: Sequence[str]
    probabilities: Sequence[float]


class Output(Protocol):
    """What is written in addition to the rows."""

    def add(self, labelled: Labelled) -> None:
        """Takes the predictions of a batch."""

    def finish(self) -> str:
        """Writes what is left; returns a sentence for the user."""


class _Tile(NamedTuple):
    image: np.ndarray
    caption: str


def _tile(image: np.ndarray, caption: str) -> _Tile:
    return _Tile(image.copy(), caption)


class ContactSheet:
    """A picture of the images with their labels and probabilities, the least certain first.

    Args:
      path: of the picture.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tiles: TopK[_Tile] = TopK(MOST_ON_A_SHEET)
        self._seen = 0

    def add(self, labelled: Labelled) -> None:
        """Keeps the images of a batch that are among the least certain so far."""
        images = labelled.predicted.images
        assert images is not None, 'the command checks it'
        rows = zip(labelled.predicted.keys, images, labelled.labels, labelled.probabilities, strict=True)
        for key, image, label, probability in rows:
            caption = f'{label} {probability:.2f}\n{key.rpartition("/")[2]}'
            self._tiles.offer(-probability, partial(_tile, image, caption))
        self._seen += len(labelled.labels)

    def finish(self) -> str:
        """Writes the picture."""
        tiles = self._tiles.ranked()
        if not tiles:
            return ''
        images = np.stack([tile.image for tile in tiles])
        columns = min(_COLUMNS, len(tiles))
        sheet = labelled_grid(images, [tile.caption for tile in tiles], columns, _TILE)
        with written_whole('contact_sheet', self._path, keeps_part=False) as partial_path:
            sheet.save(partial_path, quality=_JPEG_QUALITY)
        which = f'the {len(tiles)} least certain of' if len(tiles) < self._seen else 'all'
        return f'Contact sheet {self._path}: {which} {self._seen:,} images, the least certain first'


class RememberedMembers:
    """An order whose members can be taken again by their key, until then in memory if they were read.

    Args:
      order: of the members.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._members: dict[str, list[Member]] = {}

    def epoch(self, number: int) -> Iterator[Member]:
        """Yields every example once; see `Order.epoch`."""
        return map(self._remembered, self._order.epoch(number))

    def onwards(self, start: int, *shard: object) -> Iterator[Member]:
        """Is not used for predictions."""
        raise NotImplementedError

    def take(self, key: str) -> Member:
        """Returns a member, and forgets it."""
        members = self._members[key]
        member = members.pop(0)
        if not members:
            del self._members[key]
        return member

    def _remembered(self, member: Member) -> Member:
        self._members.setdefault(member.key, []).append(member)
        return member


class SortedFolders:
    """A folder with a folder for each label, that holds the images with this prediction.

    Nothing is moved: images of archives are copied, files are copied or linked.

    Args:
      folder: made if it is not there.
      members: the images.
      links: whether files are linked instead of copied.

    Raises:
      FlagError: the folder is not empty, or can't be written.
    """

    def __init__(self, folder: Path, members: RememberedMembers, links: bool) -> None:
        self._folder, self._members, self._links = folder, members, links
        self._folders: dict[str, Path] = {}
        self._counts = {'copied': 0, 'linked': 0}
        with writing('sort_into', folder):
            self._is_new = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            filled = any(folder.iterdir())
        if filled:
            raise FlagError(f'--sort_into={folder} is not empty: name another folder.')

    def add(self, labelled: Labelled) -> None:
        """Copies or links the images of a batch."""
        for bad in labelled.predicted.bad:
            self._members.take(bad.key)
        with writing('sort_into', self._folder):
            for key, label in zip(labelled.predicted.keys, labelled.labels, strict=True):
                self._put(self._members.take(key), self._folder_of(label))

    def finish(self) -> str:
        """Returns how many images were sorted."""
        done = ' and '.join(f'{count:,} {how}' for how, count in self._counts.items() if count)
        return f'Sorted into {self._folder}: {len(self._folders):,} labels, {done}' if done else ''

    def leave_no_empty_folder(self) -> None:
        """Removes the folder if it was made here and nothing came into it."""
        if self._is_new:
            with contextlib.suppress(OSError):  # it holds something
                self._folder.rmdir()

    def _folder_of(self, label: str) -> Path:
        if label not in self._folders:
            folder = _unused(self._folder / safe_name(label))
            folder.mkdir()
            self._folders[label] = folder
        return self._folders[label]

    def _put(self, member: Member, folder: Path) -> None:
        place = _unused(folder / _file_name(member.name))
        if self._links and not member.data and Path(member.name).is_file():
            place.symlink_to(os.path.abspath(member.name))  # noqa: PTH100 - resolve() would follow links
            self._counts['linked'] += 1
        else:
            place.write_bytes((member if member.data else member.read()).data)
            self._counts['copied'] += 1


def _file_name(name: str) -> str:
    base = name.rpartition('/')[2]
    stem, dot, suffix = base.rpartition('.')
    return f'{safe_name(stem)}.{safe_name(suffix)}' if stem and dot else safe_name(base)


def _unused(path: Path) -> Path:
    """Returns the path, or the first of PATH_2, PATH_3, ... that does not exist."""
    found, number = path, 1
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f'{path.stem}_{number}{path.suffix}')
    return found
