"""Archives -> shuffled shards, in one pass over the archives and with bounded memory.

First each image goes to one of N hidden piles, chosen at random; then one pile after the other is written in
random order as a shard, and deleted. Every order of all images is equally likely (the scatter shuffle of Rao
and Sandelius); memory holds eight bytes for each image, the disk all images and one pile twice.
"""

import contextlib
import os
import random
import re
import resource
import shutil
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from estimator_lab import __version__
from estimator_lab.base.whole_files import sync_folder
from estimator_lab.console.outputs import locked, writing
from estimator_lab.console.progress import Progress
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.packing.pack_input import PackInput, Say
from estimator_lab.data.packing.shards import (
    FORMAT,
    MANIFEST,
    Manifest,
    PackedShard,
    PackSettings,
    TarWriter,
    check_shard,
    is_shard_name,
    member_header,
    read_manifest,
    shard_name,
    shards_in,
    write_manifest,
)
from estimator_lab.data.packing.stored_names import check_label, stored_name
from estimator_lab.errors import DataError, FlagError

_WORKPLACE = '.packing'
_PILE = re.compile(r'pile-\d{5,9}\.tar', re.ASCII)
_BUFFERED_BYTES = 64 * 2**20  # of all piles together
_LARGEST_BUFFER = 2**20
_SPARE_FILES = 64


def pack(
    archives: Sequence[str], out: Path, settings: PackSettings, say: Say = print, kind: Kind = IMAGES
) -> Manifest:
    """Writes the examples of some archives as shards in random order, with a manifest.

    Args:
      archives: paths, URLs, or '-' for standard input.
      out: the folder for them, created if necessary. If this function fails, it leaves nothing there; if the
        process is killed, a hidden folder that the next run removes.
      settings: of the packing.
      say: shows one line to the user.
      kind: which members are examples.

    Raises:
      FlagError: `out` is in use, or can't be written.
      DataError: an archive or image is bad beyond what `settings` allow, or a label can't be a folder's name.
      LabError: the disk is full.
    """
    if kind.labels:
        for label in kind.labels.distinct:
            check_label(label, f'--labels={kind.labels.path}')
    with writing('out', out), _workplace(out) as workplace:
        manifest = _packed(PackInput(archives, settings, say, kind), workplace)
        _publish(workplace, out, manifest)
        return manifest


@contextlib.contextmanager
def _workplace(out: Path) -> Iterator[Path]:
    """Yields an empty hidden folder in `out`; leftovers of an unfinished run are removed."""
    is_new = not out.exists()
    if not is_new and not out.is_dir():
        raise FlagError(f'--out={out} is a file, not a folder.')
    out.mkdir(parents=True, exist_ok=True)
    try:
        with locked(out, f'--out={out} is being written by another process.'):
            workplace = out / _WORKPLACE
            _clear_leftovers(workplace, out)
            if found := [name for name in (MANIFEST, *shards_in(out)) if os.path.lexists(out / name)]:
                raise FlagError(f'--out={out} already holds {found[0]}: name another folder, or empty it.')
            workplace.mkdir()
            try:
                yield workplace
            finally:
                shutil.rmtree(workplace, ignore_errors=True)
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it is not empty, as it should be
                out.rmdir()


def _publish(workplace: Path, out: Path, manifest: Manifest) -> None:
    """Moves finished shards to `out`, the manifest last: without it no shard counts as complete."""
    write_manifest(workplace / MANIFEST, manifest)
    try:
        for shard in manifest.shards:
            (workplace / shard.file).rename(out / shard.file)
        sync_folder(out)  # or the manifest could survive a power loss that a shard does not
        (workplace / MANIFEST).rename(out / MANIFEST)
        sync_folder(out)
    except BaseException:
        if (workplace / MANIFEST).exists():
            for shard in manifest.shards:
                if not (workplace / shard.file).exists():
                    (out / shard.file).unlink(missing_ok=True)
        raise


def _clear_leftovers(workplace: Path, out: Path) -> None:
    """Removes the leftovers of a killed run: the hidden folder, and the shards that it had moved.

    Both may belong to someone else: only files that this program writes are removed.

    Raises:
      FlagError: the hidden folder is not a folder, or holds other files.
    """
    if not os.path.lexists(workplace):
        return
    remedy = f'remove {workplace} yourself, or name another folder'
    if workplace.is_symlink() or not workplace.is_dir():
        raise FlagError(
            f'--out={out} holds {_WORKPLACE}, which is not the folder of an unfinished run: {remedy}.'
        )
    left = sorted(workplace.iterdir())
    if foreign := [path.name for path in left if not _is_own(path)]:
        raise FlagError(f'{workplace} holds {foreign[0]!r}, which is not from an unfinished run: {remedy}.')
    if workplace / MANIFEST in left:
        _remove_moved(workplace, out)
    for path in left:
        path.unlink()
    workplace.rmdir()


def _is_own(path: Path) -> bool:
    has_own_name = path.name == MANIFEST or _PILE.fullmatch(path.name) or is_shard_name(path.name)
    return bool(has_own_name) and not path.is_symlink() and path.is_file()


def _remove_moved(workplace: Path, out: Path) -> None:
    """Removes the shards that were moved, unless the manifest was moved, too: that completes the run.

    Each is verified first: a different file with the name of a shard is not removed.
    """
    if os.path.lexists(out / MANIFEST):
        return
    with contextlib.suppress(DataError):  # incomplete itself, so that no shard was moved yet
        for shard in read_manifest(workplace / MANIFEST).shards:
            with contextlib.suppress(DataError):
                for _ in check_shard(out / shard.file, shard):
                    pass
                (out / shard.file).unlink()


def _packed(source: PackInput, folder: Path) -> Manifest:
    """Writes the shards of one run into a folder; returns what the manifest says of them."""
    piles = _scattered(source, folder)
    total = sum(pile.images for pile in piles)
    for number, pile in enumerate(piles):
        if not pile.images:
            raise DataError(
                f'Shard {number} of --shards={len(piles)} would be empty: there are only {total} '
                f'{source.kind.noun}; give fewer --shards.'
            )
    return Manifest(
        format=FORMAT,
        version=__version__,
        sources=list(source.archives),
        settings=asdict(source.settings),
        images=total,
        labels=dict(sorted(source.labels.items())),
        shards=_shuffled(source, folder, piles),
        skipped=source.skipped,
        damage=source.damage,
        unlisted=source.unlisted,
    )


def _scattered(source: PackInput, folder: Path) -> list[TarWriter]:
    """Distributes the members over piles at random; returns the complete piles."""
    count = source.settings.shards
    _allow_open_files(count)
    buffering = min(_LARGEST_BUFFER, _BUFFERED_BYTES // count)
    rng = random.Random(f'seed {source.settings.seed} piles')
    piles: list[TarWriter] = []
    try:
        for number in range(count):
            piles.append(TarWriter(folder / f'pile-{number:05}.tar', buffering))
        for member in source.members():
            header = member_header(stored_name(member), len(member.data))
            piles[rng.randrange(count)].add(header, member.data)
            del member  # before the next is read
        for pile in piles:
            pile.finish()
        return piles
    finally:
        for pile in piles:
            pile.close()


def _shuffled(source: PackInput, folder: Path, piles: Sequence[TarWriter]) -> list[PackedShard]:
    """Writes each pile as a shard in random order, and deletes it."""
    total, done, shards = sum(pile.images for pile in piles), 0, []
    with contextlib.closing(Progress('Shuffling')) as progress:
        for number, pile in enumerate(piles):
            rows = array('Q', range(pile.images))
            random.Random(f'seed {source.settings.seed} shard {number}').shuffle(rows)
            shard = TarWriter(folder / shard_name(number, len(piles)), _LARGEST_BUFFER)
            with pile.path.open('rb') as stored, contextlib.closing(shard):
                for row in rows:
                    start, end = pile.span(row)
                    stored.seek(start)
                    shard.add(stored.read(end - start))
                    done += 1
                    progress(f'{done:,} of {total:,} {source.kind.noun}', done / total)
                shard.finish()
            shards.append(shard.shard())
            if shards[-1].bytes != pile.shard().bytes:
                raise DataError(f'{pile.path} was changed while it was packed.')
            pile.path.unlink()
    return shards


def _allow_open_files(count: int) -> None:
    """Raises this process's limit of open files as far as possible; beyond that, opening them fails."""
    wanted = count + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
