"""Notices that a stream comes sorted by label, so that its shuffle buffer cannot mix it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from estimator_lab.data.member import Member

_MOST_OF_A_BUFFER = 2  # its effective number of classes times this is below that of the whole


def effective_classes(counts: Mapping[str, int]) -> float:
    """Returns how many equally frequent classes would collide as often (the inverse Simpson index).

    Two images drawn at random share their class with probability 1 / effective_classes.
    """
    total = sum(counts.values())
    return total**2 / sum(count**2 for count in counts.values()) if total else 0.0


class LabelOrderWatch:
    """Looks at a shuffle buffer before it is shuffled, and warns, once, if few classes fill it in runs.

    Args:
      counts: images of each label in the whole stream; equal ones where nobody knows.
      say: shows one line to the user.
    """

    def __init__(self, counts: Mapping[str, int], say: Callable[[str], None]) -> None:
        self._whole = effective_classes(counts)
        self._classes = len(counts)
        self._say = say
        self._said = False

    def __call__(self, members: Sequence[Member]) -> None:
        """Takes the members of the first full buffer in their stored order."""
        labels = [member.label for member in members]
        if self._said or len(labels) < 2:
            return
        counts = Counter(labels)
        runs = sum(a == b for a, b in pairwise(labels)) / (len(labels) - 1)
        # In a well-mixed stream, neighbours share their class as often as any two images do.
        comes_in_runs = runs > (1 + 1 / self._whole) / 2
        if comes_in_runs and effective_classes(counts) * _MOST_OF_A_BUFFER < self._whole:
            self._said = True
            label, most = counts.most_common(1)[0]
            self._say(
                f'Warning: the archive is sorted by label. Its first {len(labels):,} images, which fill '
                f'--shuffle_buffer, hold {len(counts):,} of {self._classes:,} labels '
                f'({most / len(labels):.0%} are {label}), so that batches will be lopsided. Uncompressed '
                'archives on disk are shuffled as a whole; python -m estimator_lab.data.pack makes such.'
            )
