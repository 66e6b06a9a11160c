"""Names of members in shards: their folder is their label, unchanged, and none leads out of its archive."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from estimator_lab.base.printable import escaped, unescaped
from estimator_lab.data.file_types import is_hidden
from estimator_lab.data.kind import Kind
from estimator_lab.data.labels import label_of
from estimator_lab.data.member import Member
from estimator_lab.data.packing.shards import MANIFEST, Manifest
from estimator_lab.data.tar.stream import scan_members
from estimator_lab.errors import DataError


def check_label(label: str, where: str) -> None:
    """Checks that a label from a table or a sidecar file can be the name of a folder.

    Args:
      label: the label.
      where: its place, to begin the message.

    Raises:
      DataError: it can't: reading the shard would give another label, or none.
    """
    folder = f'{label}/'
    if label and (label_of(folder) != label or is_hidden(folder) or unescaped(label) != label):
        raise DataError(
            f'{where}: the label {label!r} cannot be the name of a folder in a shard, because it holds a '
            r'slash or an escape such as \x41, or begins with a dot: give it another name.'
        )


def stored_name(member: Member) -> str:
    """Returns the name of a member in a shard, as `printable.escaped` writes it.

    It is the member's own, without leading slashes and '..', if its folder is its label.

    Raises:
      DataError: it can't be stored so that it is read with the same label.
    """
    name = '/'.join(part for part in member.name.split('/') if part != '..').lstrip('/')
    if label_of(name) != member.label or is_hidden(name):
        check_label(member.label, member.place)
        name = '/'.join(filter(None, (member.label, member.name.rpartition('/')[2])))
    if escaped(unescaped(name)) != name:  # the label of a line is not escaped
        raise DataError(f'{member.place}: its name holds an escape that stands for another name.')
    return name


@dataclass(frozen=True)
class _AnyFile(Kind):
    name = 'file'
    noun = 'files'

    def accepts(self, name: str) -> bool:
        return True


def check_names(folder: Path, manifest: Manifest) -> None:
    """Checks that shards hold members with the labels in the manifest, no others, and no unsafe names.

    Args:
      folder: of the shards.
      manifest: of these.

    Raises:
      DataError: for the first name or label that is wrong.
    """
    found: Counter[str] = Counter()
    for shard in manifest.shards:
        path = folder / shard.file
        for entry in scan_members(path, kind=_AnyFile()):
            if entry.name.startswith('/') or '..' in entry.name.split('/'):
                raise DataError(f'{path}: the name {entry.name!r} leads out of the folder of its archive.')
            found[label_of(entry.name)] += 1
    expected = Counter(manifest.labels)
    if wrong := sorted((expected - found) | (found - expected)):
        raise DataError(
            f'{folder} holds {found[wrong[0]]:,} files with the label {wrong[0]!r}; {MANIFEST} says '
            f'{expected[wrong[0]]:,}: pack the archives again.'
        )
