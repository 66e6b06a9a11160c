"""Labels that lie beside images, as in WebDataset's shards: 000123.jpg, and 000123.cls behind it."""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from estimator_lab.data.label_table import SIDECAR_SUFFIXES, sidecar_label

T = TypeVar('T')

_MOST_HELD = 8
_MOST_BYTES_HELD = 2**24


def is_label_name(name: str) -> bool:
    """Whether a file of that name may say the label of the image beside it."""
    return name.lower().endswith(SIDECAR_SUFFIXES)


def group_of(name: str) -> str:
    """Returns what the files of one sample have in common: the name up to the first dot of its last part."""
    dot = name.find('.', name.rfind('/') + 1)
    return name if dot < 0 else name[:dot]


class LabelsBeside(Generic[T]):
    """Gives the examples of a sample its label, whichever of its files comes first.

    An example waits until the next file begins another sample, no longer than that; of many files that are
    called alike, no more than a few wait.
    """

    def __init__(self) -> None:
        self._group = ''
        self._told = ('', '')
        self._held: deque[tuple[T, str]] = deque()
        self._bytes = 0

    def begin(self, name: str) -> Iterator[tuple[T, str | None]]:
        """Yields the examples that a file of that name, which comes next, leaves behind without a label."""
        group = group_of(name)
        if group != self._group:
            yield from self.rest()
            self._group, self._told = group, ('', '')

    def hold(self, item: T, name: str, size: int) -> Iterator[tuple[T, str | None]]:
        """Takes in an example of so many bytes; yields what need not wait any more."""
        stem, label = self._told
        if stem and name.startswith(stem):
            yield item, label
            return
        self._held.append((item, name))
        self._bytes += size
        del item
        if len(self._held) > _MOST_HELD or self._bytes > _MOST_BYTES_HELD:
            yield from self.rest()

    def tell(self, name: str, data: bytes) -> Iterator[tuple[T, str | None]]:
        """Takes in what a file beside the examples says; yields those that it is about."""
        label = sidecar_label(name, data)
        if label is None:
            return
        stem = name[: name.rfind('.') + 1]
        self._told = stem, label
        if all(held.startswith(stem) for _, held in self._held):
            yield from self._release(label)

    def rest(self) -> Iterator[tuple[T, str | None]]:
        """Yields the examples that no file says a label of."""
        yield from self._release(None)

    def _release(self, label: str | None) -> Iterator[tuple[T, str | None]]:
        self._bytes = 0
        while self._held:
            yield self._held.popleft()[0], label
