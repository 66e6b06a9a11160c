"""``python -m estimator_lab.data.tar_index``: writes an index next to each archive."""

from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from estimator_lab.base.command import Command, CommandLine
from estimator_lab.base.errors import DataError
from estimator_lab.base.progress import Progress, say
from estimator_lab.base.settings import setting
from estimator_lab.base.shares import share_of
from estimator_lab.data.archives.data_set import kind_of
from estimator_lab.data.archives.index import Index, build_index
from estimator_lab.data.archives.index_file import path_in_cache, path_next_to
from estimator_lab.data.side_by_side import each
from estimator_lab.data.sources.formats import format_of
from estimator_lab.data.sources.source import Source, expand

_USAGE = """Writes an index next to each tar archive, or into the cache folder if that can't be written.

  python -m estimator_lab.data.tar_index faces.tar
  python -m estimator_lab.data.tar_index 'shards/*.tar'
  python -m estimator_lab.data.tar_index 'shards/*.tar' --part=3/12

Training does the same at the first use of an archive, in the cache folder. Copied into a bucket together with
its archive, an index serves every machine that trains from there. For a folder of images it prints what is in
it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which archives are indexed."""

    part: str = setting(
        '', 'only a share of the archives, such as 3/12: the third of twelve', group='Archives'
    )


def main(settings: Settings, line: CommandLine) -> None:
    """Runs the command."""
    share = share_of(settings.part)
    sources = expand(line.arguments, say)
    if share:
        own = share.within([1] * len(sources))
        sources = [source for source, rows in zip(sources, own, strict=True) if rows]
    with closing(each(_indexed, sources)) as indexed:
        for lines, error in indexed:
            for sentence in lines:
                say(sentence)
            if error:
                raise DataError(error)


def _indexed(source: Source) -> tuple[list[str], str]:
    """Writes the index of a source; returns lines for the user, and the error that follows them, or ''."""
    lines: list[str] = []
    kind = kind_of(source)
    try:
        with closing(Progress(f'Indexing {source.name}')) as progress:
            index = build_index(source, kind, progress, lines.append)
        if not index.lasts:
            return lines, index.damage
        index.check_any()
        where = 'a folder is listed at each start, without an index'
        if format_of(source, kind).is_cached:
            where = f'index in {_written(index)}'
    except DataError as error:
        return lines, error.marked
    access = 'random access' if index.random_access else 'one pass only (compressed)'
    lines.append(f'{source}: {len(index):,} {kind.noun}, {len(index.labels):,} labels; {access}; {where}')
    return lines, index.damage and f'The index ends where the archive does: {index.damage}'


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


COMMAND = Command(main, _USAGE, Settings, arguments='ARCHIVE|FOLDER...')

if __name__ == '__main__':
    COMMAND.run_and_leave()
