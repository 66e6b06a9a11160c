"""``python -m estimator_lab.data.pack``: archives -> shuffled, uncompressed shards with a manifest.

Each image goes to one of N shards, chosen at random. Within a shard the images keep their order: training
shuffles uncompressed archives as a whole.
"""

import hashlib
import random
import re
import shlex
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from estimator_lab.base.command import Command, CommandLine, python
from estimator_lab.base.errors import DataError, FlagError, LabError, option
from estimator_lab.base.files import listed, open_regular, read_regular, sync
from estimator_lab.base.json_input import as_object, parse_json
from estimator_lab.base.outputs import check_folder, made_folder, writing
from estimator_lab.base.printable import escaped, json_text, unescaped
from estimator_lab.base.progress import Progress, say, warn
from estimator_lab.base.settings import setting, settings_of
from estimator_lab.base.shares import PART_HELP, part_of
from estimator_lab.base.version import __version__
from estimator_lab.data.archives.kinds import kind_of
from estimator_lab.data.archives.opened import Archives, Say, open_stream
from estimator_lab.data.examples.labels import label_of, read_label_table
from estimator_lab.data.examples.member import BadExampleError, Member, or_why, read_members
from estimator_lab.data.images.decode import shrink_image
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.input.bad_examples import BadLimit, InputReport
from estimator_lab.data.input.batches import read_examples
from estimator_lab.data.shards import Shard, locked_folder, move_out
from estimator_lab.data.sources.files import is_hidden
from estimator_lab.data.sources.formats import scan_members
from estimator_lab.data.sources.reading import Scan
from estimator_lab.data.sources.source import Source, expand

_OWN = re.compile(
    r'(?:manifest|shard-\d{5,9}-of-(?P<shards>\d{5,9}))(?P<part>-part-\d{5}-of-\d{5})?\.(?:json|tar)',
    re.ASCII,
)
_AHEAD = 32
_MOST_SKIPPED = 10_000  # in the manifest
_MOST_MANIFEST_BYTES = 2**28
_READ_AT_ONCE = 2**20

_USAGE = """Packs tar archives, plain or compressed, and folders into shuffled, uncompressed shards.

  python -m estimator_lab.data.pack faces.tar.gz --out=shards --shards=12
  python -m estimator_lab.data.pack 'train-*.tar' --out=small --shards=4 --image_size=160
  python -m estimator_lab.data.pack photos/ --out=shards --shards=4

'-' is standard input. Without --image_size the bytes of images are copied as they are. The manifest holds the
SHA-256 of each shard, for sha256sum."""


@dataclass(frozen=True)
class PackSettings:
    """How to pack, and where to; `image_size` None copies all bytes without decoding them."""

    shards: int = setting(None, 'number to write', group='Shards', lower=1, upper=1000)
    image_size: int | None = setting(
        None, 'scale larger images down to this shorter side in pixels', group='Images', lower=1, upper=65_535
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
    part: str = setting('', PART_HELP, group='Images')


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
      of: of a part, what all parts of a packing have in common, as a digest of contents and settings.
    """

    version: str
    sources: list[str]
    settings: dict[str, Any]
    images: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    shards: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    of: str = ''


def main(settings: PackSettings, line: CommandLine) -> None:
    """Runs the command."""
    if settings.out is None or settings.shards is None:
        raise FlagError(f'{option("shards" if settings.out else "out")} is missing, see --help.')
    sources = expand(line.arguments, warn, table=read_label_table(settings.labels))
    for source in sources:
        if (kind := kind_of(source)) is not IMAGES:
            raise FlagError(f'{source.name!r} holds {kind.noun}: only images are packed.')
    check_folder('out', settings.out, [source.name for source in sources], IMAGES.accepts)
    manifest = pack(sources, settings.out, settings, say)
    size = sum(shard['bytes'] for shard in manifest.shards)
    say(f'Images    {manifest.images:,} of {len(manifest.labels):,} labels, {size / 1e6:,.1f} MB')
    if manifest.skipped:
        say(f'Skipped   {len(manifest.skipped):,} bad images, listed in the manifest')
    say(f'Shards    {len(manifest.shards):,} in {settings.out}')
    parts = '-part-*' if settings.part else ''
    shards = shlex.quote(str(settings.out / f'shard-*-of-{settings.shards:05}{parts}.tar'))
    say(f'Next      {python()} -m estimator_lab.train --data={shards} --model_dir=runs/mine')


def pack(sources: Sequence[Source], out: Path, settings: PackSettings, say: Say) -> Manifest:
    """Writes the images of some archives as shards in random order, with a manifest.

    Args:
      sources: the archives.
      out: the folder for the shards, created if necessary. If this function fails or is stopped, it leaves
        nothing there; what a killed process has left is removed.
      settings: of the packing.
      say: shows one line to the user.

    Raises:
      FlagError: `out` is in use, holds other shards, or can't be written.
      DataError: an archive or image is bad beyond what `settings` allow, or a label can't be a folder's name.
      LabError: the disk is full.
    """
    for table in {source.table for source in sources if source.table}:
        for label in table.distinct:
            _check_label(label, f'{option.labels}={table.path}')
    part = part_of(settings.part)
    left_out = ('out', 'labels') if part else ('out', 'labels', 'part')
    used = {name: getattr(settings, name) for name in settings_of(PackSettings) if name not in left_out}
    manifest = Manifest(__version__, [source.name for source in sources], used)
    suffix = f'-part-{part.number + 1:05}-of-{part.count:05}' if part else ''
    path = f'manifest{suffix}.json'
    names = [f'shard-{number:05}-of-{settings.shards:05}{suffix}.tar' for number in range(settings.shards)]
    hidden = out / f'.packing{suffix}'
    with made_folder('out', out), writing('out', out), locked_folder(hidden, _is_of(suffix)):
        if any(hidden.iterdir()):
            _remove_interrupted(hidden, path, out, suffix)
            say(f'Another packing into {out} was interrupted: this one begins anew.')
        archives = open_stream(sources, IMAGES, say, part, use_damaged=True)
        if part:
            manifest.of = _digest(settings, [index.fingerprint for index in archives.indexes])
            done = _read_manifest(out / path)
            if done and (done.of, len(done.shards)) == (manifest.of, len(names)) and _are_there(out, done):
                say(f'Part {settings.part} is in {out} already.')
                return done
        _check_free(out, settings, suffix, manifest.of)
        with ExitStack() as stack:
            shards = [stack.enter_context(closing(Shard(hidden / name))) for name in names]
            _fill(shards, _members(archives, settings, manifest), manifest)
        with (hidden / path).open('xb') as file:
            file.write(f'{json_text(asdict(manifest), 1)}\n'.encode())
            sync(file)
        _check_free(out, settings, suffix, manifest.of)
        if not _are_there(hidden, manifest):
            raise LabError(f'{hidden} was changed while it was written: run the same command again.')
        move_out(hidden, out, [*names, path])  # the manifest last: without it no shard counts as complete
    return manifest


def _remove_interrupted(hidden: Path, manifest: str, out: Path, suffix: str) -> None:
    """Removes what a killed packing has left; if it wrote its manifest, also the shards it moved out.

    These are known by their names, sizes and SHA-256: others in the folder are of another packing.
    """
    left, is_own = _read_manifest(hidden / manifest), _is_of(suffix)
    for shard in left.shards if left else ():
        name = str(shard.get('file'))
        if is_own(name) and _is_there(out, shard) and _sha256(out / name) == shard.get('sha256'):
            (out / name).unlink()
    for path in hidden.iterdir():
        path.unlink()


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with open_regular(path) as file:
        while data := file.read(_READ_AT_ONCE):
            found.update(data)
    return found.hexdigest()


def _is_of(suffix: str) -> Callable[[str], bool]:
    """Returns whether a name is one of a file that packings with a suffix write."""

    def is_own(name: str) -> bool:
        found = _OWN.fullmatch(name)
        return found is not None and (found['part'] or '') == suffix

    return is_own


def _are_there(folder: Path, manifest: Manifest) -> bool:
    return bool(manifest.shards) and all(_is_there(folder, shard) for shard in manifest.shards)


def _is_there(folder: Path, shard: Mapping[str, Any]) -> bool:
    """Returns whether a folder has a regular file with the name and size of a shard in a manifest."""
    with suppress(OSError):
        status = (folder / str(shard.get('file'))).lstat()
        return stat.S_ISREG(status.st_mode) and status.st_size == shard.get('bytes')
    return False


def _digest(settings: PackSettings, fingerprints: Sequence[str]) -> str:
    """Returns what identifies the packing to which a part belongs."""
    of = [settings.image_size, settings.seed, *fingerprints]
    return hashlib.sha256(json_text(of).encode()).hexdigest()[:32]


def _check_free(out: Path, settings: PackSettings, suffix: str, of: str) -> None:
    """Raises FlagError if a folder holds shards, unless they are other parts of the same packing."""
    for path in listed(out):
        if found := _OWN.fullmatch(path.name):
            part, shards = found['part'] or '', int(found['shards'] or settings.shards)
            is_other = suffix and part not in ('', suffix) and part[-9:] == suffix[-9:]
            if not is_other or shards != settings.shards:
                raise FlagError(
                    f'{option.out}={out} already holds {path.name}: name another folder, or empty it.'
                )
            if path.suffix == '.json' and ((other := _read_manifest(path)) is None or other.of != of):
                raise FlagError(
                    f'{option.out}={out} holds {path.name} of other archives, or of another {option.seed} or '
                    f'{option.image_size}: name another folder.'
                )


def _read_manifest(path: Path) -> Manifest | None:
    """Returns the manifest in a file; None if there is none, or it is damaged."""
    try:
        return as_object(parse_json(read_regular(path, _MOST_MANIFEST_BYTES)), Manifest)
    except (OSError, ValueError):
        return None


def _fill(shards: Sequence[Shard], members: Iterable[Member | None], manifest: Manifest) -> None:
    """Writes the images into shards, and what these hold into the manifest; None stands for a bad image."""
    places = _places(len(shards), random.Random(f'seed {manifest.settings["seed"]} shards'))
    labels: Counter[str] = Counter()
    for member in members:
        if member is not None:
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


def _members(archives: Archives, settings: PackSettings, manifest: Manifest) -> Iterator[Member | None]:
    """Yields the members as they are stored in shards; None for a bad one."""
    # The share of bad ones is checked after 1,000.
    report = InputReport(IMAGES, archives.say, 1000, BadLimit(settings.max_bad_fraction))

    def prepared(members: Sequence[Member]) -> list[Member | BadExampleError]:
        found = zip(members, read_members(members), strict=True)
        return [or_why(partial(_shrunk, member, settings), data) for member, data in found]

    with closing(Progress('Reading')) as shown:
        for member, result in read_examples(_stored(archives, settings, manifest), prepared, _AHEAD):
            reason = result if isinstance(result, BadExampleError) else None
            report.count(1)
            if reason:
                report.add_bad(member, reason)
            if reason and len(manifest.skipped) < _MOST_SKIPPED:
                place = {'archive': escaped(member.archive), 'member': member.name, 'offset': member.offset}
                manifest.skipped.append({**place, 'reason': str(reason)})
            yield None if reason else result
            del result
            shown(f'{report.seen:,} images', None)
    if report.bad:
        report.check(report.seen)
    if report.seen == report.bad:
        raise DataError(f'{", ".join(archives.paths)}: no image to pack.')


def _shrunk(member: Member, settings: PackSettings, data: bytes) -> Member:
    """Returns a member with its data, scaled down on request."""
    if not settings.image_size:
        return member._replace(data=data, source=None)
    small = shrink_image(data, settings.image_size)
    name = member.name if small is data else str(PurePosixPath(member.name).with_suffix('.jpg'))
    return member._replace(name=name, data=small, source=None)


def _stored(archives: Archives, settings: PackSettings, manifest: Manifest) -> Iterator[Member]:
    """Yields the members of one archive after the other."""
    for place, source in enumerate(archives.sources):
        found, scan = 0, Scan(note=lambda words, name=source.name: archives.say(f'{name!r} {words}'))  # type: ignore[misc]
        try:
            stored = archives.indexes[place].stored(archives.rows[place], scan) if archives.own else None
            for member in stored or scan_members(source, IMAGES, scan):
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
            archives.say(f'Warning: {error.sentence} The {found:,} images before that are used.')
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


COMMAND = Command(main, _USAGE, PackSettings, arguments='ARCHIVE|FOLDER...')

if __name__ == '__main__':
    COMMAND.run_and_leave()
