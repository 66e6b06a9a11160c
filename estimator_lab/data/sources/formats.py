"""All formats of sources, and the examples of any source."""

import math
from collections.abc import Iterator

from estimator_lab.base.errors import DataError
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.member import Member
from estimator_lab.data.sources.archive import HEAD, what_instead
from estimator_lab.data.sources.arrays import ARRAY, ArraySource
from estimator_lab.data.sources.folder import FOLDER, OWN_FILE
from estimator_lab.data.sources.lines import LINES
from estimator_lab.data.sources.reading import Format, Scan
from estimator_lab.data.sources.source import OpenedPipe, Source, errors_naming
from estimator_lab.data.sources.tar import TAR, is_archive

_EXAMPLE_BYTES = 300  # of memory for an example, besides its name and label, at most
_ROOM_BYTES = 400 * 2**20  # for the examples of any archive
_ROOM_FACTOR = 16  # more for each of its bytes: members with their headers take 20 bytes, however compressed


def format_of(source: Source, kind: Kind) -> Format:
    """Returns the format of a source; the first bytes of a file decide unless its name ends as an archive's.

    Raises:
      DataError: it can't be read.
    """
    if isinstance(source, ArraySource):
        return ARRAY
    if source.is_folder:
        return FOLDER
    if source.is_pipe:
        _check_piped(source, kind)
    if kind.has_lines:
        return LINES
    return TAR if is_archive(source) else OWN_FILE


def _check_piped(source: Source, kind: Kind) -> None:
    """Raises DataError if what is piped in begins neither as an archive nor as an example, or is empty."""
    with errors_naming(source.name):
        head = source.open().peek(HEAD)[:HEAD]
    if head and (kind.has_lines or is_archive(source) or kind.recognises(head)):
        return
    what = f'what arrived is {what_instead(head) or "not an archive"}' if head else 'nothing arrived'
    raise DataError(
        f'{source.name!r}: {what}. The program that sends it may have failed, such as a download: '
        '`curl --fail` reports that.'
    )


def scan_members(source: Source, kind: Kind, scan: Scan, form: Format | None = None) -> Iterator[Member]:
    """Yields the examples of a source in stored order, with their data if it is read in passing.

    Their labels are those in an index, but for examples of an archive without a label of their own in front
    of the first one with such a label: here they have the names of their folders.

    Some compressed megabytes can claim a hundred million members, which an index would hold in memory: an
    archive has as many as its size can explain.

    Raises:
      DataError: it can't be read, is damaged, or has too many examples; every example before that is yielded
        first.
    """
    source = OpenedPipe(source) if source.is_pipe else source
    form = form or format_of(source, kind)
    room: float = _ROOM_BYTES if form.is_cached and not source.is_pipe else math.inf
    are_given, number, held = False, 0, 0
    for member in form.scan(source, kind, scan):
        are_given |= member.is_labelled
        held += _EXAMPLE_BYTES + len(member.name) + (len(member.label) if member.is_labelled else 0)
        if held > room:
            size = source.stamp().size
            room = _ROOM_BYTES + _ROOM_FACTOR * size
            if held > room:
                raise DataError(
                    f'{source.name!r} claims more than {number:,} {kind.noun}, too many for its '
                    f'{size:,} bytes: it is not read any further.'
                )
        yield member._replace(label='') if are_given and not member.is_labelled else member
        number += 1  # noqa: SIM113 - see `data.examples.member`
        del member
