"""``python -m estimator_lab.data.pack``: archives -> shuffled, uncompressed shards with a manifest."""

import shlex
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from estimator_lab.base.settings import setting, settings_of
from estimator_lab.console.command import Command, CommandLine, python
from estimator_lab.console.progress import Progress, say, warn
from estimator_lab.data.packing.shards import PackSettings
from estimator_lab.errors import FlagError

_USAGE = """Packs tar archives, plain or compressed, and folders into shuffled, uncompressed shards.

  python -m estimator_lab.data.pack faces.tar.gz --out=shards --shards=12
  python -m estimator_lab.data.pack 'train-*.tar' --out=small --shards=4 --image_size=160
  python -m estimator_lab.data.pack photos/ --out=shards --shards=4
  python -m estimator_lab.data.pack --verify shards

'-' is standard input, with images. Without --image_size the bytes of images are copied as they are.
Texts of a tree a line become archives of trees."""


@dataclass(frozen=True, kw_only=True)
class _Output:
    out: Path | None = setting(None, 'folder for the shards, created if necessary', group='Shards')


@dataclass(frozen=True, kw_only=True)
class Settings(PackSettings, _Output):
    """How to pack, or whether to verify shards."""

    verify: bool = setting(
        False, 'compare the shards in each FOLDER with their manifest instead', group='Shards'
    )
    labels: Path | None = setting(
        None, "table with a name and a label in each line; default: images' folders", group='Images'
    )


def main(settings: Settings, line: CommandLine) -> None:
    """Runs the command."""
    if settings.verify:
        _verify(settings, line)
    else:
        _pack(settings, line)


def _pack(settings: Settings, line: CommandLine) -> None:
    if settings.out is None or settings.shards is None:
        raise FlagError(f'--{"shards" if settings.out else "out"} is missing, see --help.')
    if 'quality' in line.given and not settings.image_size:
        raise FlagError('--quality needs --image_size: without it, images are copied byte for byte.')

    from estimator_lab.data.kinds import kind_of
    from estimator_lab.data.label_table import read_label_table
    from estimator_lab.data.packing.packing import pack
    from estimator_lab.data.packing.shards import shards_glob
    from estimator_lab.data.tar.sources import expand_archives

    archives = expand_archives(line.arguments, warn)
    kind = kind_of(archives[0])
    if settings.image_size and 'image_size' not in kind.settings:
        raise FlagError(f'--image_size is for images, but {archives[0]!r} holds {kind.noun}.')
    if settings.labels:
        kind = kind.with_labels(read_label_table(settings.labels))
    chosen = PackSettings(**{name: getattr(settings, name) for name in settings_of(PackSettings)})
    manifest = pack(archives, settings.out, chosen, say, kind)
    title, megabytes = kind.noun.capitalize(), manifest.bytes / 1e6
    say(f'{title:<9} {manifest.images:,} of {len(manifest.labels):,} labels, {megabytes:,.1f} MB')
    if manifest.skipped:
        listed = len(manifest.skipped)
        first = f'the first {listed:,} ' if manifest.unlisted else ''
        say(f'Skipped   {listed + manifest.unlisted:,} bad {kind.noun}, {first}listed in the manifest')
    say(f'Shards    {len(manifest.shards):,} in {settings.out}')
    data = shlex.quote(str(settings.out / shards_glob(len(manifest.shards))))  # it may hold other files
    say(f'Next      {python()} -m estimator_lab.train --data={data} --model_dir=runs/mine')


def _verify(settings: Settings, line: CommandLine) -> None:
    for name in ('out', 'shards', 'image_size', 'labels'):
        if name in line.given:
            raise FlagError(f'--verify and --{name} exclude each other.')

    from estimator_lab.data.packing.shards import verify
    from estimator_lab.data.packing.stored_names import check_names

    for folder in line.arguments:
        with closing(Progress(f'Reading {folder}')) as progress:
            manifest = verify(Path(folder), progress)
        check_names(Path(folder), manifest)
        say(f'OK: {folder} holds {manifest.images:,} images in {len(manifest.shards):,} shards, as packed.')


COMMAND = Command(main, _USAGE, Settings, arguments='ARCHIVE|FOLDER...')

if __name__ == '__main__':
    COMMAND.run_and_leave()
