"""All kinds of examples, and which of them a source holds."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from estimator_lab.base.errors import DataError
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources.arrays import ArraySource
from estimator_lab.data.sources.files import TEXT_BYTES, is_text
from estimator_lab.data.sources.formats import scan_members
from estimator_lab.data.sources.reading import Scan
from estimator_lab.data.sources.source import Source, decompressed
from estimator_lab.data.trees.kind import TREES
from estimator_lab.data.trees.parse import holds_trees

KINDS: dict[str, Kind] = {kind.name: kind for kind in (IMAGES, TREES)}
"""All kinds of examples."""


@contextmanager
def only_kind(sources: Sequence[Source], kind: Kind, taker: str) -> Iterator[None]:
    """Explains a DataError of the block by examples of another kind, if a source holds some.

    `taker` names what accepts only this kind, with a verb, such as 'This model takes'.
    """
    try:
        yield
    except DataError:
        check_kind(sources, kind, taker)
        raise


def kind_of(source: Source, accepted: Sequence[Kind] = (IMAGES, TREES)) -> Kind:
    """Returns the kind of examples in a source.

    The first kind that is `accepted` if the source can be read only once, or has examples of no such kind.
    """
    if len(accepted) == 1 or source.is_pipe:
        return accepted[0]
    found = kind_in(source)
    return found if found and found in accepted else accepted[0]


def check_kind(sources: Iterable[Source], kind: Kind, taker: str) -> None:
    """Raises DataError if a stored source holds examples of another kind.

    `taker` names what accepts only this kind, with a verb, such as 'This model takes'.
    """
    for source in sources:
        other = None if source.is_pipe or kind.accepts(source.name) else kind_in(source)
        if other not in (None, kind):
            raise DataError(f'{source.name!r} holds {other.noun}, but {taker} {kind.noun}.')


def kind_in(source: Source) -> Kind | None:
    """Returns the kind of the first example in a stored source; None if there is no example.

    Of a text, the first lines decide: trees, or nothing that is known.
    """
    if isinstance(source, ArraySource):
        return IMAGES
    try:
        if not source.is_folder:
            with source.open() as raw:
                head = decompressed(raw).peek(TEXT_BYTES)
            if is_text(head[:TEXT_BYTES]):
                return TREES if holds_trees(head) else None
        return IMAGES if next(scan_members(source, IMAGES, Scan(headers_only=True)), None) else None
    except (DataError, OSError):
        return None
