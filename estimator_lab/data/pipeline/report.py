"""Problems of the input: bad examples, counted and printed, and the error that ended it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.pipeline.bad_examples import BadExamples
from estimator_lab.errors import DataError

T = TypeVar('T')

_MOST_SHOWN = 3


@dataclass
class InputReport:
    """How many examples were bad, and the error that ended the input.

    Attributes:
      say: shows one line to the user.
      epoch_size: examples in one epoch; 0 if unknown.
      bad_examples: lists and limits the bad examples of this and other reports; None for neither.
      seen: examples so far, over all epochs.
      bad: those that could not be decoded.
      last: place of the last bad example, and why it is bad.
      kind: of the examples, for messages.
      progress: called with `seen` after each example; None for no progress.
      error: the error that ended the input early. Raised through TensorFlow, it would be buried in a stack
        trace, and the steps since the last checkpoint would be lost. So the input just ends, and the caller
        of the Estimator calls `raise_error` afterwards.
    """

    say: Callable[[str], None] = print
    epoch_size: int = 0
    bad_examples: BadExamples | None = None
    seen: int = 0
    bad: int = 0
    error: DataError | None = None
    last: str = ''
    kind: Kind = IMAGES
    progress: Callable[[int], None] | None = None

    def count(self, member: Member, reason: BadExampleError | None) -> None:
        """Counts an example; lists it if it is bad, and prints the first few of those.

        Raises:
          TooManyBadError: too many are bad.
        """
        self.seen += 1
        if self.progress:
            self.progress(self.seen)
        if reason:
            self.bad += 1
            self.last = f'{member.place}: {reason}'
            if self.bad <= _MOST_SHOWN:
                self.say(f'Skipped a bad {self.kind.name}: {self.last}.')
            if self.bad_examples:
                self.bad_examples.add(member, reason)
        if self.bad_examples:
            self.bad_examples.check(max(self.seen, self.epoch_size), found=bool(reason))

    def count_good(self, examples: int) -> None:
        """Counts examples that are not bad.

        Raises:
          TooManyBadError: too many of other processes are bad.
        """
        self.seen += examples
        if self.progress:
            self.progress(self.seen)
        if self.bad_examples:
            self.bad_examples.check(max(self.seen, self.epoch_size), found=False)

    def until_error(self, batches: Iterable[T]) -> Iterator[T]:
        """Yields `batches` up to the first DataError, and stores that in `error`."""
        try:
            yield from batches
        except DataError as error:
            self.error = error

    def raise_error(self) -> None:
        """Raises the DataError that ended the input early, if one did."""
        if self.error:
            raise self.error
