"""All kinds of examples, and which of them an archive holds."""

from dataclasses import dataclass

from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.members import first_member
from estimator_lab.data.tar.sources import is_pipe
from estimator_lab.data.trees.kind import TREES
from estimator_lab.errors import DataError

KINDS: dict[str, Kind] = {kind.name: kind for kind in (IMAGES, TREES)}


@dataclass(frozen=True)
class _AnyKind(Kind):
    """Examples of any kind; the name of a line as a member says which."""

    name = 'example'
    noun = 'examples'
    has_lines = True

    def accepts(self, name: str) -> bool:
        return any(kind.accepts(name) for kind in KINDS.values())

    def recognises(self, head: bytes) -> bool:
        return any(kind.recognises(head) for kind in KINDS.values())

    def line_name(self, number: int, line: bytes) -> str:
        kinds = (kind for kind in KINDS.values() if kind.has_lines and kind.is_line(line))
        return next((kind.line_name(number, line) for kind in kinds), '')


def kind_of(archive: str) -> Kind:
    """Returns the kind of examples in an archive; images if it can be read only once, or has none."""
    return (None if is_pipe(archive) else kind_in(archive)) or IMAGES


def kind_in(archive: str) -> Kind | None:
    """Returns the kind of the first example in a stored archive or text; None if there is no example."""
    try:
        first = first_member(archive, _AnyKind())
    except DataError:
        return None
    if first is None or not first.name:
        return None
    return next((kind for kind in KINDS.values() if kind.accepts(first.name)), IMAGES)
