"""``python -m estimator_lab.data.pack``: archives -> shuffled, uncompressed shards with a manifest.

Each image goes to one of N shards, chosen at random. Within a shard the images keep their order: training
shuffles uncompressed archives as a whole.
"""

import contextlib
import hashlib
import random
import re
import shlex
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from estimator_lab import __version__
from estimator_lab.base.command import Command, CommandLine, python
from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.files import sync, whole_file
from estimator_lab.base.outputs import check_folder, made_folder, writing
from estimator_lab.base.printable import escaped, json_text, unescaped
from estimator_lab.base.progress import Progress, say, warn
from estimator_lab.base.settings import setting, settings_of
from estimator_lab.data.archives.data_set import Say, kind_of
from estimator_lab.data.examples.labels import label_of, read_label_table
from estimator_lab.data.examples.member import BadExampleError, Member, or_why, read_members
from estimator_lab.data.images.decode import shrink_image
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.input.bad_examples import BadExamples, InputReport
from estimator_lab.data.input.batches import read_examples
from estimator_lab.data.sources.files import is_hidden
from estimator_lab.data.sources.formats import scan_members
from estimator_lab.data.sources.reading import Scan
from estimator_lab.data.sources.source import Source, expand

MANIFEST = 'manifest.json'

_OWN = re.compile(r'manifest\.json|shard-\d{5,9}-of-\d{5,9}\.tar', re.ASCII)
_BLOCK = 512
_AHEAD = 32
_MOST_SKIPPED = 10_000  # in the manifest

_USAGE = """Packs tar archives, plain or compressed, and folders into shuffled, uncompressed shards.

  python -m estimator_lab.data.pack faces.tar.gz --out=shards --shards=12
  python -m estimator_lab.data.pack 'train-*.tar' --out=small --shards=4 --image_size=160
  python -m estimator_lab.data.pack photos/ --out=shards --shards=4

'-' is standard input. Without --image_size the bytes of images are copied as they are. The manifest holds the
SHA-256 of each shard, for sha256sum."""


@dataclass(frozen=True)
class Settings:
    """How to pack, and where to; `image_size` None copies all bytes without decoding them."""

    shards: int = setting(None, 'number to write', group='Shards', lower=1, upper=1000)
    image_size: int | None = setting(
        None,
        'scale larger images down to this shorter side in pixels',
        group='Images',
        lower=1,
        upper=65_535,
    )
    seed: int = setting(1, 'of the order; the same seed gives the same bytes', group='Shards')
    max_bad_fraction: float = setting(
        0.01,
        'share of images that may be left out; fewer than ten always may',
        group='Images',
        lower=0,
        upper=1,
    )
    use_damaged: bool = setting(
        False, 'use damaged archives up to the damage, with a warning', group='Images'
    )
    out: Path | None = setting(None, 'folder for the shards, created if necessary', group='Shards')
    labels: Path | None = setting(
        None, "table with a name and a label in each line; default: images' folders", group='Images'
    )


@dataclass
class Manifest:
    """The contents of manifest.json.

    Attributes:
      version: of the package that wrote it.
      sources: the archives that were packed.
      settings: how they were packed, by flag.
      images: number in all shards.
      labels: number of images by label, sorted.
      shards: name, images, bytes and SHA-256 of each.
      skipped: the images that were left out: archive, member, offset and reason of the first 10,000.
      damage: of each damaged archive, where and why.
    """

    version: str
    sources: list[str]
    settings: dict[str, Any]
    images: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    shards: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


def main(settings: Settings, line: CommandLine) -> None:
    """Runs the command."""
    if settings.out is None or settings.shards is None:
        raise FlagError(f'{option("shards" if settings.out else "out")} is missing, see --help.')
    sources = expand(line.arguments, warn, table=read_label_table(settings.labels))
    for source in sources:
        if (kind := kind_of(source)) is not IMAGES:
            raise FlagError(f'{source.name!r} holds {kind.noun}: only images are packed.')
    check_folder(settings.out, [source.name for source in sources], IMAGES.accepts, settings.out)
    manifest = pack(sources, settings.out, settings, say)
    size = sum(shard['bytes'] for shard in manifest.shards)
    say(f'Images    {manifest.images:,} of {len(manifest.labels):,} labels, {size / 1e6:,.1f} MB')
    if manifest.skipped:
        say(f'Skipped   {len(manifest.skipped):,} bad images, listed in the manifest')
    say(f'Shards    {len(manifest.shards):,} in {settings.out}')
    shards = shlex.quote(str(settings.out / f'shard-*-of-{settings.shards:05}.tar'))
    say(f'Next      {python()} -m estimator_lab.train --data={shards} --model_dir=runs/mine')


def pack(sources: Sequence[Source], out: Path, settings: Settings, say: Say) -> Manifest:
    """Writes the images of some archives as shards in random order, with a manifest.

    Args:
      sources: the archives.
      out: the folder for the shards, created if necessary. If this function fails, it leaves nothing there;
        if the process is killed, shards without a manifest.
      settings: of the packing.
      say: shows one line to the user.

    Raises:
      FlagError: `out` is in use, or can't be written.
      DataError: an archive or image is bad beyond what `settings` allow, or a label can't be a folder's name.
      LabError: the disk is full.
    """
    for table in {source.table for source in sources if source.table}:
        for label in table.distinct:
            _check_label(label, f'{option.labels}={table.path}')
    used = {name: getattr(settings, name) for name in settings_of(Settings) if name not in ('out', 'labels')}
    manifest = Manifest(__version__, [source.name for source in sources], used)
    with made_folder('out', out), writing('out', out):
        if found := sorted(path.name for path in out.iterdir() if _OWN.fullmatch(path.name)):
            raise FlagError(f'{option.out}={out} already holds {found[0]}: name another folder, or empty it.')
        with _shards(out, settings.shards) as shards:
            _fill(shards, sources, settings, say, manifest)
            with whole_file(out / MANIFEST) as file:  # the last file: without it no shard counts as complete
                file.write(f'{json_text(asdict(manifest), 1)}\n'.encode())
    return manifest


@contextlib.contextmanager
def _shards(out: Path, count: int) -> Iterator[list['_Shard']]:
    """Yields `count` new shards; if the block fails, they and their manifest are removed."""
    shards: list[_Shard] = []
    try:
        for number in range(count):
            shards.append(_Shard(out / f'shard-{number:05}-of-{count:05}.tar'))
        yield shards
    except BaseException:
        for path in (out / MANIFEST, *(shard.path for shard in shards)):
            path.unlink(missing_ok=True)
        raise
    finally:
        for shard in shards:
            shard.close()


def _fill(
    shards: Sequence['_Shard'], sources: Sequence[Source], settings: Settings, say: Say, manifest: Manifest
) -> None:
    """Writes the images into shards, and what these hold into the manifest."""
    places = _places(len(shards), random.Random(f'seed {settings.seed} shards'))
    labels: Counter[str] = Counter()
    for member in _members(sources, settings, say, manifest):
        name = _stored_name(member)
        shards[next(places)].add(name, member.data)
        labels[label_of(name)] += 1
        del member
    manifest.images, manifest.labels = labels.total(), dict(sorted(labels.items()))
    for number, shard in enumerate(shards):
        if not shard.images:
            raise DataError(
                f'Shard {number} of {option.shards}={len(shards)} would be empty: there are only '
                f'{manifest.images} images; give fewer {option.shards}.'
            )
        manifest.shards.append(shard.finish())


def _places(count: int, rng: random.Random) -> Iterator[int]:
    """Yields numbers of shards at random, each once in every `count`, so that none stays empty."""
    while True:
        yield from rng.sample(range(count), count)


class _Shard:
    """Writes a tar whose bytes depend only on names and data, not on time, owner or machine."""

    def __init__(self, path: Path) -> None:
        self.images = 0
        self.path = path
        self._bytes = 0
        self._sum = hashlib.sha256()
        self._file = path.open('xb')

    def add(self, name: str, data: bytes) -> None:
        """Appends a member with an escaped name; the shard has the original one."""
        name = unescaped(name)
        info = tarfile.TarInfo(name)  # its own time, owner and mode are 0, 0 and 0644
        info.size = len(data)
        try:
            header = b'' if '\0' in name else info.tobuf(tarfile.USTAR_FORMAT, 'utf-8', 'surrogateescape')
        except ValueError:  # too long for it
            header = b''
        if not header:
            info.pax_headers = {'path': name}
            header = info.tobuf(tarfile.PAX_FORMAT, 'utf-8', 'surrogateescape')
        self._write(header, data, bytes(-len(data) % _BLOCK))
        self.images += 1

    def finish(self) -> dict[str, Any]:
        """Writes the end of the archive, and syncs it; returns its entry in the manifest."""
        self._write(bytes(2 * _BLOCK))
        sync(self._file)
        names = ('file', 'images', 'bytes', 'sha256')
        values = (self.path.name, self.images, self._bytes, self._sum.hexdigest())
        return dict(zip(names, values, strict=True))

    def close(self) -> None:
        """Closes the file as it is."""
        with contextlib.suppress(OSError):  # the disk may be full, as was reported
            self._file.close()

    def _write(self, *pieces: bytes) -> None:
        for data in pieces:
            self._file.write(data)
            self._sum.update(data)
            self._bytes += len(data)


def _members(sources: Sequence[Source], settings: Settings, say: Say, manifest: Manifest) -> Iterator[Member]:
    """Yields the members as they are stored in shards, without bad ones."""
    bad = BadExamples(IMAGES, settings.max_bad_fraction)
    report = InputReport(IMAGES, say, 1000, bad)  # the share of bad ones is checked after 1,000

    def prepared(members: Sequence[Member]) -> list[Member | BadExampleError]:
        found = zip(members, read_members(members), strict=True)
        return [or_why(partial(_shrunk, member, settings), data) for member, data in found]

    with closing(Progress('Reading')) as progress:
        stored = _stored(sources, settings, say, manifest)
        for member, result in read_examples(stored, prepared, _AHEAD):
            reason = result if isinstance(result, BadExampleError) else None
            report.count(member, reason)
            if reason and len(manifest.skipped) < _MOST_SKIPPED:
                place = {'archive': escaped(member.archive), 'member': member.name, 'offset': member.offset}
                manifest.skipped.append({**place, 'reason': str(reason)})
            elif not reason:
                yield result
            del result
            progress(f'{report.seen:,} images', None)
    if report.bad:
        bad.check(report.seen)
    if report.seen == report.bad:
        raise DataError(f'{", ".join(source.name for source in sources)}: no image to pack.')


def _shrunk(member: Member, settings: Settings, data: bytes) -> Member:
    """Returns a member with its data, scaled down on request."""
    if not settings.image_size:
        return member._replace(data=data, source=None)
    small = shrink_image(data, settings.image_size)
    name = member.name if small is data else str(PurePosixPath(member.name).with_suffix('.jpg'))
    return member._replace(name=name, data=small, source=None)


def _stored(sources: Sequence[Source], settings: Settings, say: Say, manifest: Manifest) -> Iterator[Member]:
    """Yields the members of one archive after the other, with their data."""
    for source in sources:
        found, scan = 0, Scan(note=lambda words, name=source.name: say(f'{name!r} {words}'))  # type: ignore[misc]
        try:
            for member in scan_members(source, IMAGES, scan):
                found += 1
                yield member
                del member
        except DataError as error:
            if not found:
                raise
            if not settings.use_damaged:
                raise DataError(
                    f'{error.marked} {option.use_damaged} packs the {found:,} images before that.'
                ) from error
            say(f'Warning: {error.sentence} The {found:,} images before that are used.')
            manifest.damage.append(error.sentence)
        scan.skipped.report(scan.note)


def _stored_name(member: Member) -> str:
    """Returns the name of a member in a shard: its folder is its label, and none leads out of its archive.

    Raises:
      DataError: it can't be stored so that it is read with the same label.
    """
    name = '/'.join(part for part in member.name.split('/') if part != '..').lstrip('/')
    if label_of(name) != member.label or is_hidden(name):
        _check_label(member.label, member.place)
        name = '/'.join(filter(None, (member.label, member.name.rpartition('/')[2])))
    return name


def _check_label(label: str, where: str) -> None:
    """Raises DataError if a label from a table or a sidecar file can't be the name of a folder."""
    folder = f'{label}/'
    if label and (label_of(folder) != label or is_hidden(folder) or unescaped(label) != label):
        raise DataError(
            f'{where}: the label {label!r} cannot be the name of a folder in a shard, because it holds a '
            r'slash or an escape such as \x41, or begins with a dot: give it another name.'
        )


COMMAND = Command(main, _USAGE, Settings, arguments='ARCHIVE|FOLDER...')

if __name__ == '__main__':
    COMMAND.run_and_leave()
