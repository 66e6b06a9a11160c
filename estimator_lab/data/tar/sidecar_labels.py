"""Labels in sidecar files, as in WebDataset's shards: 000123.jpg, followed by 000123.cls."""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from estimator_lab.data.label_table import SIDECAR_SUFFIXES, sidecar_label

T = TypeVar('T')

_MOST_HELD = 8
_MOST_BYTES_HELD = 2**24


def is_label_name(name: str) -> bool:
    """Whether a file of that name may hold the label of the image next to it."""
    return name.lower().endswith(SIDECAR_SUFFIXES)


def group_of(name: str) -> str:
    """Returns the part of the name that the files of a sample share: up to the first dot of the file name."""
    dot = name.find('.', name.rfind('/') + 1)
    return name if dot < 0 else name[:dot]


class LabelsBeside(Generic[T]):
    """Assigns the label of a sample to its examples, in whatever order its files are.

    An example is held until a file of another sample follows; of many files with the same stem, only a few
    are held.
    """

    def __init__(self) -> None:
        self._group = ''
        self._known = ('', '')
        self._held: deque[tuple[T, str]] = deque()
        self._bytes = 0

    def begin(self, name: str) -> Iterator[tuple[T, str | None]]:
        """Begins the next file; yields the examples of an earlier sample, which have no label."""
        group = group_of(name)
        if group != self._group:
            yield from self.rest()
            self._group, self._known = group, ('', '')

    def hold(self, item: T, name: str, size: int) -> Iterator[tuple[T, str | None]]:
        """Adds an example of `size` bytes; yields those that need not be held any longer."""
        stem, label = self._known
        if stem and name.startswith(stem):
            yield item, label
            return
        self._held.append((item, name))
        self._bytes += size
        del item
        if len(self._held) > _MOST_HELD or self._bytes > _MOST_BYTES_HELD:
            yield from self.rest()

    def tell(self, name: str, data: bytes) -> Iterator[tuple[T, str | None]]:
        """Adds a sidecar file; yields the examples that it labels."""
        label = sidecar_label(name, data)
        if label is None:
            return
        stem = name[: name.rfind('.') + 1]
        self._known = stem, label
        if all(held.startswith(stem) for _, held in self._held):
            yield from self._release(label)

    def rest(self) -> Iterator[tuple[T, str | None]]:
        """Yields the held examples, which have no label."""
        yield from self._release(None)

    def _release(self, label: str | None) -> Iterator[tuple[T, str | None]]:
        self._bytes = 0
        while self._held:
            yield self._held.popleft()[0], label
