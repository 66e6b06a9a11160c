"""``python -m estimator_lab.data.tar_index``: writes an index beside each archive."""

from pathlib import Path

from estimator_lab.console import command
from estimator_lab.console.progress import Progress, say
from estimator_lab.data.kinds import kind_of
from estimator_lab.data.tar.index import Index, build_index, path_beside, path_in_cache
from estimator_lab.data.tar.sources import expand_archives
from estimator_lab.errors import DataError

_USAGE = """Writes an index beside each tar archive (or into the cache folder, if that can't be written).

  python -m estimator_lab.data.tar_index faces.tar
  python -m estimator_lab.data.tar_index 'shards/*.tar'

Training does the same at its first use of an archive, in the cache folder."""


def _index_all(patterns: list[str]) -> int:
    for archive in expand_archives(patterns):
        progress, kind = Progress(f'Indexing {archive}'), kind_of(archive)
        index = build_index(archive, progress, say, kind.wanted)
        progress.close()
        place = path_beside(archive) or path_in_cache(archive)
        try:
            index.write(place)
        except OSError:
            place = path_in_cache(archive)
            _write(index, place)
        say(_describe(index, kind.noun, place))
        if index.damage:
            raise DataError(f'The index ends where the archive does: {index.damage}')
    return 0


def _write(index: Index, place: Path) -> None:
    try:
        index.write(place)
    except OSError as error:
        raise DataError(f'{place} cannot be written: {error.strerror or error}.') from error


def _describe(index: Index, noun: str, place: Path) -> str:
    counts = sorted((count, label) for label, count in index.counts.items())
    spread = ''
    if counts:
        (fewest, rare), (most, common) = counts[0], counts[-1]
        spread = f', from {fewest:,} {noun} ({rare}) to {most:,} ({common})'
    access = 'random access' if index.random_access else 'one pass only (compressed)'
    return (
        f'{index.archive}: {len(index):,} {noun}, {len(counts):,} labels{spread}; {access}; '
        f'index of {index.nbytes / 1e6:.1f} MB in {place}'
    )


if __name__ == '__main__':
    command.run(_index_all, _USAGE, {}, 'ARCHIVE...')
