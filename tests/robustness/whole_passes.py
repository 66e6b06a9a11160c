"""Whole passes of streams and data sets with random ranks, batch sizes, workers, epochs, and restarts.

    python -m tests.robustness.whole_passes --minutes=10

Every image must be read exactly once an epoch by all ranks together, and each rank must get the same number
of batches. hypothesis makes up the cases, and shortens one that fails. Without workers, an `api.stream` is
read; with workers, an `api.dataset` in its order, by PyTorch's DataLoader where it is installed, otherwise by
copies of the data set in this process. Exit status 1 if a case fails.
"""

import argparse
import gzip
import itertools
import json
import os
import pickle
import tempfile
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import strategies

from estimator_lab.api import BatchOrder, Dataset, Stream, dataset, stream
from tests.robustness.driver import Tally, main
from tests.support.archive_files import tar_bytes, write_folder

BATCH_SIZES = None, 1, 7, 8, 16, 32
SOURCES = 'plain', 'compressed', 'folder'
_LIVES = 4  # at most
_MOST_IMAGES = 40  # of an archive
_AT_ONCE = 200  # cases


@dataclass(frozen=True)
class Life:
    """A start of a program, which reads whole passes, and is killed in the next one.

    Attributes:
      ranks: processes that share the data.
      batch_size: of each; None for examples one by one.
      workers: of each rank's DataLoader; 0 for a stream, which is read in one process.
      persistent: whether these stay for the next pass.
      epochs: in a pass.
      passes: that are whole.
      steps: of the pass that is not; the next life goes on there, or at its end.
    """

    ranks: int
    batch_size: int | None
    workers: int
    persistent: bool
    epochs: int
    passes: int
    steps: int


lives = strategies.builds(
    Life,
    ranks=strategies.integers(1, 5),
    batch_size=strategies.sampled_from(BATCH_SIZES),
    workers=strategies.integers(0, 3),
    persistent=strategies.booleans(),
    epochs=strategies.integers(1, 3),
    passes=strategies.integers(0, 2),
    steps=strategies.integers(0, 12),
)
histories = strategies.lists(lives, min_size=1, max_size=_LIVES)
sizes_of_archives = strategies.lists(strategies.integers(1, _MOST_IMAGES), min_size=1, max_size=3)


class Passes:
    """Runs histories, and counts them.

    Args:
      folder: for archives.

    Attributes:
      lives: by what makes them different.
      passes: whole ones of a rank.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lives: Counter[tuple[Any, ...]] = Counter()
        self.histories = self.passes = 0

    def check(self, source: str, sizes: Sequence[int], shuffle: bool, history: Sequence[Life]) -> None:
        """Raises AssertionError if an image is lost or repeated, or ranks differ in the number of batches."""
        paths, size = self._written(source, sizes), sum(sizes)
        seen, position = Counter[str](), 0
        for life in history:
            life = replace(life, workers=0) if source == 'compressed' else life
            readers = [self._reader(paths, shuffle, life, rank, position) for rank in range(life.ranks)]
            ranks = [_passes(*reader) for reader in readers]
            streams = [order for order, _ in readers]
            if position and position % (size * life.epochs) == 0:  # the passes were over
                assert [list(next(passes)) for passes in ranks] == [[]] * life.ranks
            for _ in range(life.passes):
                start, end = position, _end(position, size * life.epochs)
                batches = [list(next(passes)) for passes in ranks]
                counts = {len(one) for one in batches}
                assert max(counts) == -(-(end - start) // (life.ranks * (life.batch_size or 1)))
                is_uneven = life.batch_size is None and max(counts) - min(counts) == 1
                assert len(counts) == 1 or (is_uneven and not life.workers)
                seen.update(_keys(itertools.chain(*batches)))
                position = end
                _check_seen(seen, position, size)
                assert life.workers or all(data.state_dict() == data.state_at(end) for data in streams)
                self.passes += life.ranks
            end = _end(position, size * life.epochs)
            seen.update(_keys(one for passes in ranks for one in itertools.islice(next(passes), life.steps)))
            position = min(position + life.steps * life.ranks * (life.batch_size or 1), end)
            if life.batch_size and not life.workers:  # of examples one by one, a rank may have one less
                assert all(data.state_dict() == data.state_at(position) for data in streams)
            _check_seen(seen, position, size)
            what = life.ranks, life.batch_size, life.workers, life.epochs
            self.lives[(source, *what)] += 1
        self.histories += 1

    def _reader(
        self, paths: Sequence[str], shuffle: bool, life: Life, rank: int, position: int
    ) -> tuple[Stream | BatchOrder, Any]:
        """Returns what holds the position, and what is iterated over."""
        order = {'shuffle': shuffle, 'epochs': life.epochs, 'rank': rank, 'world_size': life.ranks}
        if not life.workers:
            data = stream(paths, shuffle_buffer=10, batch_size=life.batch_size, **order)
            data.load_state_dict(json.loads(json.dumps(data.state_at(position))))
            return data, data
        images = dataset(paths)
        sampler = images.order(life.batch_size or 1, **order)
        sampler.load_state_dict(json.loads(json.dumps(sampler.state_at(position))))
        return sampler, _loader(images, sampler, life)

    def _written(self, source: str, sizes: Sequence[int]) -> list[str]:
        return [self._archive(source, number, size) for number, size in enumerate(sizes)]

    def _archive(self, source: str, number: int, size: int) -> str:
        path = self._folder / f'{source}_{number}_{size}'
        files = {f'{n % 3}/{number}_{n:02}.jpg': b'%d' % n for n in range(size)}
        if not path.exists() and source == 'folder':
            write_folder(path, files)
        elif not path.exists():
            archive = tar_bytes(files)
            path.write_bytes(gzip.compress(archive) if source == 'compressed' else archive)
        return str(path)


def _end(position: int, group: int) -> int:
    """Returns where a pass ends that begins at a position; passes count from the very first example."""
    return (position // group + 1) * group


def _keys(found: Any) -> Iterator[str]:
    for one in found:
        yield from one.keys if hasattr(one, 'labels') else [one.key]


def _check_seen(seen: Counter[str], position: int, size: int) -> None:
    """Checks that each of `size` images was seen in each epoch before a position, and few in the next."""
    epochs, more = divmod(position, size)
    times = Counter(seen.values())
    right = Counter({epochs: size - more, epochs + 1: more})
    times[0] += size - times.total()
    assert +times == +right, f'images by the times that they were seen: {times}, not {right}'


def _passes(position: Stream | BatchOrder, loader: Any) -> Iterator[Iterator[Any]]:
    """Yields iterators of passes without end, as `for _ in loader` begins them."""
    while True:
        yield iter(loader)


def _loader(images: Dataset, sampler: BatchOrder, life: Life) -> Any:
    try:
        from torch.utils.data import DataLoader
    except ImportError:
        return _Loader(images, sampler, life.workers)
    return DataLoader(
        images,
        batch_sampler=sampler,
        num_workers=life.workers,
        collate_fn=images.collate,
        persistent_workers=life.persistent,
    )


class _Loader:
    """Does as a DataLoader does with its workers, in this process: it reads ahead of what was used."""

    def __init__(self, images: Dataset, sampler: BatchOrder, workers: int) -> None:
        self._copies = [pickle.loads(pickle.dumps(images)) for _ in range(workers)]
        self._sampler = sampler

    def __iter__(self) -> Iterator[Any]:
        ahead: deque[Any] = deque()
        for copy, places in zip(itertools.cycle(self._copies), self._sampler, strict=False):
            ahead.append(copy.collate(copy.__getitems__(places)))
            if len(ahead) > 2 * len(self._copies):
                yield ahead.popleft()
        yield from ahead


def run_passes(passes: Passes, count: int, seed: int) -> None:
    """Runs histories; raises the exception of the shortest one that fails."""

    @hypothesis.settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.seed(seed)
    @hypothesis.given(strategies.sampled_from(SOURCES), sizes_of_archives, strategies.booleans(), histories)
    def run(source: str, sizes: list[int], shuffle: bool, history: list[Life]) -> None:
        passes.check(source, sizes, shuffle, history)

    run()


def measure(given: argparse.Namespace) -> int:
    """Runs histories for some minutes; returns 1 if one fails."""
    tally, until = Tally(), time.monotonic() + 60 * given.minutes
    with tempfile.TemporaryDirectory() as folder:
        os.environ['XDG_CACHE_HOME'] = f'{folder}/cache'
        passes = Passes(Path(folder))
        try:
            for seed in itertools.count(given.seed):
                run_passes(passes, _AT_ONCE, seed)
                if time.monotonic() > until:
                    break
        except AssertionError:
            tally.problems.append(traceback.format_exc())
    every = len(SOURCES) * 5 * len(BATCH_SIZES) * 4 * 3
    tally.counts.update(histories=passes.histories, lives=passes.lives.total(), passes=passes.passes)
    tally.counts[f'of {every:,} combinations'] = len(passes.lives)
    return tally.report('in all')


if __name__ == '__main__':
    main(__doc__, measure, minutes=(10.0, 'for which cases are tried'))
