"""The one list of kinds of examples."""

from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.members import first_member
from estimator_lab.data.tar.member import Wanted, is_image_head
from estimator_lab.data.tar.sources import is_pipe
from estimator_lab.data.trees.kind import TREES
from estimator_lab.data.trees.parse import is_line
from estimator_lab.errors import DataError

KINDS: dict[str, Kind] = {kind.name: kind for kind in (IMAGES, TREES)}


def kind_of(archive: str) -> Kind:
    """Returns the kind of examples in an archive; images where it passes by only once, or has none."""
    return (None if is_pipe(archive) else kind_in(archive)) or IMAGES


def kind_in(archive: str) -> Kind | None:
    """Returns the kind of the first example in a stored archive or text; None where there is none of any."""
    of_lines = next(kind for kind in KINDS.values() if kind.wanted.name_of_line)
    anything = Wanted(
        'example',
        'examples',
        lambda name: any(kind.wanted.accepts(name) for kind in KINDS.values()),
        of_lines.wanted.name_of_line,
        is_image_head,
    )
    try:
        first = first_member(archive, anything)
    except DataError:
        return None
    # Any text has lines; one without a bracket is something else.
    if first is None or (is_line(first.name) and b'(' not in first.data):
        return None
    return next((kind for kind in KINDS.values() if kind.wanted.accepts(first.name)), IMAGES)
