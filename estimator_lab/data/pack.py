"""``python -m estimator_lab.data.pack``: archives -> shuffled, uncompressed shards with a manifest."""

import shlex
from pathlib import Path

from absl import flags

from estimator_lab.console import command
from estimator_lab.console.options import define_flags, read_flags
from estimator_lab.console.progress import Progress, say, warn
from estimator_lab.data.packing.shards import PackSettings
from estimator_lab.errors import FlagError

FLAGS = flags.FlagValues()

flags.DEFINE_string('out', None, 'folder for the shards, created if necessary', flag_values=FLAGS)
flags.DEFINE_string(
    'labels', None, "table with a name and a label in each line; default: images' folders", flag_values=FLAGS
)
define_flags(PackSettings, FLAGS)
flags.DEFINE_bool(
    'verify', False, 'compare the shards in each FOLDER with their manifest instead', flag_values=FLAGS
)

_USAGE = """Packs tar archives, plain or compressed, and folders into shuffled, uncompressed shards.

  python -m estimator_lab.data.pack faces.tar.gz --out=shards --shards=12
  python -m estimator_lab.data.pack 'train-*.tar' --out=small --shards=4 --image_size=160
  python -m estimator_lab.data.pack photos/ --out=shards --shards=4
  python -m estimator_lab.data.pack --verify shards

'-' is standard input, with images. Without --image_size the bytes of images are copied as they are.
Texts of a tree a line become archives of trees."""
_GROUPS = {
    'Shards': ['out', 'shards', 'seed', 'verify'],
    'Images': ['labels', 'image_size', 'quality', 'max_bad_fraction', 'use_damaged'],
}


def main(arguments: list[str]) -> int:
    """Runs the command; returns its exit status."""
    if FLAGS.verify:
        return _verify(arguments)
    for name in ('out', 'shards'):
        if not FLAGS[name].value:
            raise FlagError(f'--{name} is missing, see --help.')
    if FLAGS['quality'].present and not FLAGS.image_size:
        raise FlagError('--quality needs --image_size: without it the bytes of images stay as they are.')

    from estimator_lab.data.kinds import kind_of
    from estimator_lab.data.label_table import read_label_table
    from estimator_lab.data.packing.packing import pack
    from estimator_lab.data.tar.sources import expand_archives

    settings = read_flags(PackSettings, FLAGS)
    out, archives = Path(FLAGS.out), expand_archives(arguments, warn)
    kind = kind_of(archives[0])
    if FLAGS.image_size and 'image_size' not in kind.settings:
        raise FlagError(f'--image_size is for images, but {archives[0]!r} holds {kind.noun}.')
    if FLAGS.labels:
        kind = kind.with_labels(read_label_table(Path(FLAGS.labels)))
    manifest = pack(archives, out, settings, say, kind)
    title, megabytes = kind.noun.capitalize(), manifest.bytes / 1e6
    say(f'{title:<9} {manifest.images:,} of {len(manifest.labels):,} labels, {megabytes:,.1f} MB')
    if manifest.skipped:
        listed = len(manifest.skipped)
        first = f'the first {listed:,} ' if manifest.unlisted else ''
        say(f'Skipped   {listed + manifest.unlisted:,} bad {kind.noun}, {first}listed in the manifest')
    say(f'Shards    {len(manifest.shards):,} in {out}')
    data = shlex.quote(str(out / '*.tar'))
    say(f'Next      {command.python()} -m estimator_lab.train --data={data} --model_dir=runs/mine')
    return 0


def _verify(folders: list[str]) -> int:
    for name in ('out', 'shards', 'image_size', 'labels'):
        if FLAGS[name].present:
            raise FlagError(f'--verify and --{name} exclude each other.')

    from estimator_lab.data.packing.shards import verify

    for folder in folders:
        progress = Progress(f'Reading {folder}')
        try:
            manifest = verify(Path(folder), progress)
        finally:
            progress.close()
        say(f'OK: {folder} holds {manifest.images:,} images in {len(manifest.shards):,} shards, as packed.')
    return 0


if __name__ == '__main__':
    command.run(main, _USAGE, _GROUPS, 'ARCHIVE|FOLDER...', FLAGS)
