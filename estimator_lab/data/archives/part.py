"""Which examples of archives are used: those whose names are in a range of hashes, and chosen ones."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.files import open_regular, why_unread
from estimator_lab.base.json_input import shown
from estimator_lab.base.settings import are_paths
from estimator_lab.data.archives.index import Index, name_hash
from estimator_lab.data.examples.member import Member

_HASHES = 2**64
_MOST_BYTES = 2**30  # of a file of keys


class Only:
    """Which examples are used, by their keys and labels.

    Args:
      chosen: a function of a key, 'ARCHIVE:MEMBER', and a label; or keys and labels.
    """

    def __init__(self, chosen: Callable[[str, str], Any] | Iterable[str]) -> None:
        self._accepts = chosen if callable(chosen) else None
        self._texts = frozenset() if callable(chosen) else frozenset(chosen)
        self._masks: dict[Index, np.ndarray] = {}  # so that a function is called once for each example

    @classmethod
    def of(cls, chosen: Any) -> 'Only | None':
        """Returns the choice of a function, a list, or the path of a file with a key or label in each line.

        Raises:
          FlagError: it is something else, or empty.
          DataError: the file can't be read.
        """
        if chosen is None or callable(chosen):
            return chosen and cls(chosen)
        if isinstance(chosen, set | frozenset):
            chosen = list(chosen)
        texts = _lines_of(chosen) if isinstance(chosen, str | os.PathLike) else chosen
        if not are_paths(texts) or not all(isinstance(text, str) and text for text in texts) or not texts:
            raise FlagError(
                f'{option.only}={shown(chosen)} must be a function of a key and a label, or keys or labels: '
                'a list, or the path of a file with one in each line.'
            )
        return cls(texts)

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out the function, which another process may be unable to load: masks are applied by then."""
        return {'_accepts': None, '_texts': self._texts, '_masks': {}}

    @property
    def is_function(self) -> bool:
        """Whether a function chooses."""
        return self._accepts is not None

    def accepts(self, key: str, label: str) -> bool:
        """Whether an example is used."""
        return bool(self._accepts(key, label)) if self._accepts else not self._texts.isdisjoint((key, label))

    def mask(self, index: Index) -> np.ndarray:
        """Returns which members are used, bool [members]."""
        if index not in self._masks:
            if self._texts and self._texts.issubset(index.labels):  # which takes no time
                mask = np.array([label in self._texts for label in index.labels])[index.label_ids]
            else:
                rows = range(len(index))
                mask = np.array([self.accepts(index.key(row), index.label(row)) for row in rows], bool)
            self._masks[index] = mask
        return self._masks[index]

    def check(self, indexes: Sequence[Index]) -> None:
        """Raises DataError if a text is neither a key nor a label of indexes."""
        missing = self._texts.difference(*(index.labels for index in indexes))
        for index in indexes if missing else ():
            missing = missing.difference(index.key(row) for row in np.flatnonzero(self.mask(index)).tolist())
        if missing:
            raise DataError(f'{option.only}: {min(missing)!r} is neither a label nor a key of the data.')

    def fingerprint(self, indexes: Sequence[Index]) -> str:
        """Returns what identifies the choice: which members of indexes, or of a pipe its texts."""
        data = b''.join(np.packbits(self.mask(index)).tobytes() for index in indexes)
        if not indexes:
            data = '\n'.join(sorted(self._texts)).encode('utf-8', 'surrogateescape')
        return hashlib.sha256(data).hexdigest()[:16]


def _lines_of(path: str | os.PathLike[str]) -> list[str]:
    """Returns the lines of a file that are not blank."""
    try:
        with open_regular(Path(path), _MOST_BYTES) as file:
            lines = file.read().decode('utf-8-sig').splitlines()
    except (OSError, ValueError) as error:
        raise DataError(
            f'{option.only}={path} cannot be read as a list of keys or labels: {why_unread(error)}.'
        ) from error
    return [line.strip() for line in lines if line.strip()]


class Part(NamedTuple):
    """The examples whose names hash into [low, high) of [0, 1), all by default, and that `only` accepts.

    Examples:
        >>> names = [f'n000001/{number:04}.jpg' for number in range(1000)]
        >>> training, test = Part(0.0, 0.9), Part(0.9, 1.0)
        >>> all((name in training) != (name in test) for name in names)
        True
        >>> 50 < sum(name in test for name in names) < 150
        True

    Only the name of an example in its archive counts, so that two disjoint parts share no example, wherever
    the archive is and however its members are ordered.
    """

    low: float = 0.0
    high: float = 1.0
    only: Only | None = None

    def mask(self, index: Index) -> np.ndarray:
        """Returns which members belong to the part, bool [members]."""
        chosen = self.only.mask(index) if self.only else True
        if self._has_all_names:
            return np.ones(len(index), bool) & chosen
        shares = index.name_hashes / _HASHES
        return (self.low <= shares) & (shares < self.high) & chosen

    def check(self, indexes: Sequence[Index]) -> None:
        """Raises DataError if `only` names something that is not there; see `Only.check`."""
        if self.only and indexes:
            self.only.check(indexes)

    def has(self, member: Member, label: str) -> bool:
        """Whether a member with that label belongs to the part."""
        return member.name in self and (not self.only or self.only.accepts(member.key, label))

    def __contains__(self, name: object) -> bool:
        return self._has_all_names or self.low <= name_hash(str(name)) / _HASHES < self.high

    @property
    def _has_all_names(self) -> bool:
        return (self.low, self.high) == (0.0, 1.0)


EVERYTHING = Part()
