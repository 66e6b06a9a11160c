"""Archives -> shuffled shards, in one pass over the archives and with bounded memory.

First each image goes to one of N hidden piles, chosen at random; then one pile after the other is indexed,
written in random order as a shard, and deleted. Every order of all images is equally likely (the scatter
shuffle of Rao and Sandelius); memory holds one pile's index, the disk all images and one pile twice.
"""

import contextlib
import fcntl
import os
import random
import resource
import shutil
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from estimator_lab import __version__
from estimator_lab.data.batches import look_ahead
from estimator_lab.data.decode import BadImageError, shrink_image
from estimator_lab.data.labels import label_of
from estimator_lab.data.report import InputReport
from estimator_lab.data.shards import (
    FORMAT,
    MANIFEST,
    Manifest,
    Shard,
    TarWriter,
    read_manifest,
    shard_name,
    shards_in,
    write_manifest,
)
from estimator_lab.data.sources import stamp_of
from estimator_lab.data.tar_index import build_index
from estimator_lab.data.tar_stream import Member, stream_members
from estimator_lab.errors import DataError, FlagError
from estimator_lab.progress import Progress

Say = Callable[[str], None]

_WORKPLACE = '.packing'
_BUFFERED_BYTES = 64 * 2**20  # of all piles together
_LARGEST_BUFFER = 2**20
_SPARE_FILES = 64
_AHEAD = 32
_FEW = 1000  # a share of bad images is judged by no fewer, except at the end


@dataclass(frozen=True)
class PackSettings:
    """How archives are packed.

    Attributes:
      shards: how many to write.
      image_size: pixels to which the shorter side of larger images is scaled down, which are then encoded
        as JPEG; None copies the bytes as they are, without looking into them.
      quality: of those JPEGs, 1 to 100.
      seed: of the order.
      max_bad_fraction: share of images that may be left out because they can't be decoded.
      use_damaged: whether an archive that breaks off is used up to there.
    """

    shards: int
    image_size: int | None = None
    quality: int = 90
    seed: int = 1
    max_bad_fraction: float = 0.01
    use_damaged: bool = False


def pack(archives: Sequence[str], out: Path, settings: PackSettings, say: Say = print) -> Manifest:
    """Writes the images of some archives as shards in random order, with a manifest.

    Args:
      archives: paths, URLs, or '-' for standard input.
      out: the folder for them; made if it is not there. Whatever ends this function early leaves nothing
        there, and a killed one a hidden folder that the next run clears away.
      settings: how.
      say: shows one line to the user.

    Raises:
      FlagError: `out` is in use.
      DataError: an archive or image is bad beyond what `settings` allow, or `out` can't be written.
    """
    try:
        with _workplace(out) as workplace:
            manifest = _Packer(archives, workplace, settings, say).pack()
            _publish(workplace, out, manifest)
            return manifest
    except OSError as error:
        raise DataError(f'--out={out} cannot be written: {error.strerror or error}.') from error


@contextlib.contextmanager
def _workplace(out: Path) -> Iterator[Path]:
    """Yields an empty hidden folder in `out`; whatever an unfinished run leaves is removed."""
    is_new = not out.exists()
    if not is_new and not out.is_dir():
        raise FlagError(f'--out={out} is a file, not a folder.')
    out.mkdir(parents=True, exist_ok=True)
    try:
        with _locked(out):
            workplace = out / _WORKPLACE
            _clear(workplace, out)
            if found := [name for name in (MANIFEST, *shards_in(out)) if (out / name).exists()]:
                raise FlagError(f'--out={out} already holds {found[0]}: name another folder, or empty it.')
            workplace.mkdir()
            try:
                yield workplace
            finally:
                _clear(workplace, out)
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it is not empty any more, as it should
                out.rmdir()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps a second process out; the lock ends with the process, however that ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise FlagError(f'--out={folder} is being written by another process.') from error
    finally:
        os.close(descriptor)


def _publish(workplace: Path, out: Path, manifest: Manifest) -> None:
    """Moves finished shards to their place, the manifest last: without it no shard counts as whole."""
    write_manifest(workplace / MANIFEST, manifest)
    for shard in manifest.shards:
        (workplace / shard.file).rename(out / shard.file)
    (workplace / MANIFEST).rename(out / MANIFEST)


def _clear(workplace: Path, out: Path) -> None:
    """Removes the hidden folder and, if moving out of it was cut short, the shards that had been moved."""
    if (workplace / MANIFEST).exists():
        with contextlib.suppress(DataError):  # cut short itself, and so before any shard was moved
            for shard in read_manifest(workplace / MANIFEST).shards:
                (out / shard.file).unlink(missing_ok=True)
    shutil.rmtree(workplace, ignore_errors=True)


@dataclass
class _Packer:
    """One run."""

    archives: Sequence[str]
    folder: Path
    settings: PackSettings
    say: Say
    labels: Counter[str] = field(default_factory=Counter)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    def pack(self) -> Manifest:
        piles = self._scatter()
        for number, pile in enumerate(piles):
            if not pile.images:
                images = sum(pile.images for pile in piles)
                raise DataError(
                    f'Shard {number} of --shards={len(piles)} would be empty: there are only {images} images.'
                )
        shards = self._shuffle(piles)
        return Manifest(
            format=FORMAT,
            version=__version__,
            sources=list(self.archives),
            settings=asdict(self.settings),
            images=sum(shard.images for shard in shards),
            labels={label: self.labels[label] for label in sorted(self.labels)},
            shards=shards,
            skipped=self.skipped,
            damage=self.damage,
        )

    def _scatter(self) -> list[TarWriter]:
        """Deals the images out to piles at random; returns these, complete."""
        count = self.settings.shards
        _allow_open_files(count)
        buffering = min(_LARGEST_BUFFER, _BUFFERED_BYTES // count)
        rng = random.Random(f'seed {self.settings.seed} piles')
        piles: list[TarWriter] = []
        try:
            for number in range(count):
                piles.append(TarWriter(self.folder / f'pile-{number:05}.tar', buffering))
            for member in self._good_members():
                self.labels[label_of(member.name)] += 1
                piles[rng.randrange(count)].add(member.name, member.data)
            for pile in piles:
                pile.finish()
            return piles
        finally:
            for pile in piles:
                pile.close()

    def _shuffle(self, piles: Sequence[TarWriter]) -> list[Shard]:
        """Writes each pile as a shard in random order, and deletes it."""
        total, done, shards = sum(pile.images for pile in piles), 0, []
        with _progress('Shuffling') as progress:
            for number, pile in enumerate(piles):
                index = build_index(str(pile.path))
                if len(index) != pile.images:
                    raise DataError(f'{pile.path} was changed while it was packed.')
                rows = array('Q', range(len(index)))
                random.Random(f'seed {self.settings.seed} shard {number}').shuffle(rows)
                shard = TarWriter(self.folder / shard_name(number, len(piles)), _LARGEST_BUFFER)
                try:
                    for row in rows:
                        member = index.member(row)
                        shard.add(member.name, member.data)
                        done += 1
                        progress(f'{done:,} of {total:,} images', done / total)
                    shard.finish()
                finally:
                    shard.close()
                pile.path.unlink()
                shards.append(shard.shard())
        return shards

    def _good_members(self) -> Iterator[Member]:
        """Yields the images to pack, as they are to be stored; counts the others."""
        report = InputReport(self.say, _FEW, self.settings.max_bad_fraction)
        for member, result in self._prepared():
            reason = result if isinstance(result, BadImageError) else None
            if reason:
                self.skipped.append(
                    {
                        'archive': member.archive,
                        'member': member.name,
                        'offset': member.offset,
                        'reason': str(reason),
                    }
                )
            report.count(member, reason)
            if isinstance(result, Member):
                yield result
        report.check(report.seen)
        if report.seen == report.bad:
            raise DataError(f'{", ".join(self.archives)}: no image to pack.')

    def _prepared(self) -> Iterator[tuple[Member, Member | BadImageError]]:
        """Yields each member, and beside it what is to be stored, or why it can't be."""
        if self.settings.image_size is None:
            for member in self._members():
                yield member, BadImageError(member.problem) if member.problem else member
            return
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            pending = ((member, pool.submit(self._shrink, member)) for member in self._members())
            for member, shrunk in look_ahead(pending, _AHEAD):
                yield member, shrunk.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _shrink(self, member: Member) -> Member | BadImageError:
        if member.problem:
            return BadImageError(member.problem)
        try:
            data = shrink_image(member.data, self.settings.image_size or 0, self.settings.quality)
        except BadImageError as reason:
            return reason
        if data is member.data:
            return member
        return member._replace(name=str(PurePosixPath(member.name).with_suffix('.jpg')), data=data)

    def _members(self) -> Iterator[Member]:
        """Yields the members of all archives one after the other."""
        sizes = _sizes(self.archives)
        done = 0
        with _progress('Reading') as progress:
            for number, archive in enumerate(self.archives):
                behind = _Behind(sizes, number)
                found = 0
                try:
                    for found, member in enumerate(stream_members(archive, behind.set), 1):
                        progress(f'{done + found:,} images', behind.share)
                        yield member
                except DataError as error:
                    self._use_damaged(error, found)
                done += found

    def _use_damaged(self, error: DataError, images: int) -> None:
        """Goes on behind an archive that broke off after so many images, if that is allowed."""
        if not images:
            raise error
        if not self.settings.use_damaged:
            raise DataError(f'{error} --use_damaged packs the {images:,} images before that.') from error
        self.say(f'Warning: {error} The {images:,} images before that are used.')
        self.damage.append(str(error))


class _Behind:
    """How much of all archives has been read, told by how much of archive number `number` has been.

    `share` is in [0, 1]; None where an archive has no known size.
    """

    def __init__(self, sizes: Sequence[int], number: int) -> None:
        self._sizes = sizes
        self._number = number
        self.share: float | None = None
        self.set(0.0)

    def set(self, share: float) -> None:
        if self._sizes:
            here = share * self._sizes[self._number]
            self.share = (sum(self._sizes[: self._number]) + here) / max(sum(self._sizes), 1)


def _sizes(archives: Sequence[str]) -> list[int]:
    """Returns the bytes of each archive; nothing where one of them is a pipe."""
    stamps = [stamp_of(archive) for archive in archives]
    return [stamp.size for stamp in stamps if stamp] if all(stamps) else []


@contextlib.contextmanager
def _progress(title: str) -> Iterator[Progress]:
    progress = Progress(title)
    try:
        yield progress
    finally:
        progress.close()


def _allow_open_files(count: int) -> None:
    """Raises this process's limit of open files, as far as that goes; beyond it, opening them says so."""
    wanted = count + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
