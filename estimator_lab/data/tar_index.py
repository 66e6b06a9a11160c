"""``python -m estimator_lab.data.tar_index``: writes an index next to each archive."""

from contextlib import closing, suppress
from pathlib import Path

from estimator_lab.base.command import Command, CommandLine, NoSettings
from estimator_lab.base.errors import DataError
from estimator_lab.base.progress import Progress, say
from estimator_lab.data.archives.index import Index
from estimator_lab.data.archives.index_file import path_in_cache, path_next_to
from estimator_lab.data.archives.indexing import build_index
from estimator_lab.data.archives.kinds import kind_of
from estimator_lab.data.sources.formats import format_of
from estimator_lab.data.sources.source import Source, expand

_USAGE = """Writes an index next to each tar archive, or into the cache folder if that can't be written.

  python -m estimator_lab.data.tar_index faces.tar
  python -m estimator_lab.data.tar_index 'shards/*.tar'

Training does the same when it first uses an archive, in the cache folder. Copied into a bucket together with
its archive, an index serves every machine that trains from there. For a folder of images it prints what is in
it."""


def main(settings: NoSettings, line: CommandLine) -> None:
    """Runs the command."""
    for source in expand(line.arguments, say):
        _index(source)


def _index(source: Source) -> None:
    """Writes the index of a source, and describes it.

    Raises:
      DataError: the source can't be read, is damaged, or has no examples.
    """
    kind = kind_of(source)
    with closing(Progress(f'Indexing {source.name}')) as progress:
        index = build_index(source, kind, progress, say)
    if not index.lasts:
        raise DataError(index.damage)
    index.check_any()
    where = 'it is listed at each start, without an index'
    if format_of(source, kind).is_cached:
        where = f'index in {_written(index)}'
    access = 'random access' if index.random_access else 'one pass only (compressed)'
    examples = f'{len(index):,} {kind.name if len(index) == 1 else kind.noun}'
    labels = f'{len(index.labels):,} label{"s" * (len(index.labels) != 1)}'
    say(f'{source}: {examples}, {labels}; {access}; {where}')
    if index.damage:
        raise DataError(f'The index ends where the archive does: {index.damage}')


def _written(index: Index) -> Path:
    """Writes an index next to its archive, or into the cache; returns its path."""
    if neighbour := path_next_to(index.source):
        with suppress(OSError):
            index.write(neighbour)
            return neighbour
    in_cache = path_in_cache(index.source)
    try:
        index.write(in_cache)
    except OSError as error:
        raise DataError(
            f'{in_cache} cannot be written: {error.strerror or error}; set XDG_CACHE_HOME to another folder.'
        ) from error
    return in_cache


COMMAND = Command(main, _USAGE, arguments='ARCHIVE|FOLDER...')

if __name__ == '__main__':
    COMMAND.run_and_leave()
