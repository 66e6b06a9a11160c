"""The figures of input_pipeline.py that are not races, one a process:

    python benchmarks/input_figures.py NAME ARCHIVE

prints one JSON object. NAME is a function of this file: first_batch, resume, memory, index_build, check,
serial or difference.
"""

import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from archives import stream_members, write_tar

from estimator_lab.data.archives import open_archives
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import read_batches
from estimator_lab.data.check import Checker
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.fast_decode import decode_image_fast
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.index import build_index
from estimator_lab.data.input_fns import archive_input_fn, batches_at_once
from estimator_lab.data.labels import Vocabulary
from estimator_lab.data.member import read_members
from estimator_lab.data.sources import source_of
from estimator_lab.tf1 import tf

SIDE = 128
BATCH = 32
_STREAM_BYTES = 10 * 10**9
_LARGE_BYTES = 600 * 10**6
_MANY = 1_000_000
_HEADERS = 200_000
_COUNTED = 4000
_BATCHES_A_RUN = 25
_SHAPES = ((128, 1), (224, 3))  # side, channels


def first_batch(archive: str) -> dict[str, float]:
    """Seconds to the first batch once TensorFlow is imported, without an index and with one."""
    with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default(), tf.Session() as session:
        os.environ['XDG_CACHE_HOME'] = folder
        return {
            'without_index': _seconds(lambda: session.run(_batches(archive, 0))),
            'with_index': _seconds(lambda: session.run(_batches(archive, 0))),
        }


def resume(archive: str) -> dict[str, float]:
    """Seconds to the first batch at example 0 and at example 1,000,000, each the median of nine."""
    found = {}
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(_batches(archive, 0))
        for name, start in (('at_0', 0), ('at_1000000', _MANY // BATCH)):
            runs = [_seconds(lambda: session.run(_batches(archive, start))) for _ in range(9)]  # noqa: B023
            found[name] = sorted(runs)[4]
    return found


def memory(archive: str) -> dict[str, float]:
    """Resident MB after 500 MB and after 10 GB of one FIFO, read by the whole pipeline.

    The decoder returns black images, as decoding 10 GB would take a quarter of an hour.
    """
    with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default(), tf.Session() as session:
        fifo = Path(folder) / 'pipe'
        os.mkfifo(fifo)
        writer = threading.Thread(target=_write_endlessly, args=[archive, fifo], daemon=True)
        writer.start()
        labels = [f'n{number:06}' for number in range(1, 11)]
        order = open_archives([str(fifo)], IMAGES).order(1000)
        batch = _dataset(order, labels, 0, _black).make_one_shot_iterator().get_next()
        mean = Path(archive).stat().st_size / 2000
        start, early, done = time.perf_counter(), 0.0, 0
        while done * mean < _STREAM_BYTES:
            done += len(session.run(batch)[1])
            if not early and done * mean > 500e6:
                early = _resident_mb()
        seconds = time.perf_counter() - start
        late = _resident_mb()
        rate = done * mean / seconds / 1e6
        print(json.dumps({'after_500_MB': early, 'after_10_GB': late, 'MB_per_second': rate}), flush=True)
        os._exit(0)  # the writer never ends


def index_build(archive: str) -> dict[str, float]:
    """MB/s of building an index, and of reading the archive's bytes, from the disk and from memory."""
    with tempfile.TemporaryDirectory(dir='.') as folder:
        large = _repeat(archive, Path(folder) / 'large.tar', _LARGE_BYTES)
        size = large.stat().st_size / 1e6
        found = {}
        for place, prepare in (('disk', _forget), ('memory', lambda path: None)):
            for name, work in (
                ('raw', _read),
                ('index', lambda path: build_index(source_of(str(path)), IMAGES)),
            ):
                runs = []
                for _ in range(5):
                    prepare(large)
                    runs.append(_seconds(lambda: work(large)))  # noqa: B023
                found[f'{name}_from_{place}'] = size / sorted(runs)[2]
        index = build_index(source_of(str(large)), IMAGES)
        found['members'] = len(index)
        found['bytes_per_member'] = index.nbytes / len(index)
        return found


def check(archive: str) -> dict[str, float]:
    """Headers/s of `data.check --quick` on an archive of 200,000 members, and images/s of a full check."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir='.') as folder:
        path = Path(folder) / 'headers.tar'
        write_tar(path, ((f'{number // 300:06}/{number:07}.jpg', b'x') for number in range(_HEADERS)))
        before = time.process_time()
        found['headers'] = _HEADERS / _seconds(lambda: Checker(quick=True).read(source_of(str(path)), IMAGES))
        found['headers_a_processor_second'] = _HEADERS / (time.process_time() - before)
    checker = Checker()
    seconds = _seconds(lambda: checker.read(source_of(archive), IMAGES))
    return {**found, 'images': checker.examples / seconds}


def serial(archive: str) -> dict[str, float]:
    """Microseconds of processor time per image besides decoding, and which of them are serial.

    The decoder does nothing. The times are those of all threads of the process, the best of five, as other
    programs displace the caches. Each part includes the preceding ones:

    - reading: the order, and bytes from the archive, in one thread of Python.
    - batches: with the thread pool, keys and labels. Serial but for the system's part of reading, as Python's
      lock admits one thread at a time.
    - through_tf_data: batches through TensorFlow's dataset, without a `session.run` for each. A dataset makes
      its batches one after the other: this is the most that can be serial.
    - with_cast: with the cast to floats, which several threads share.
    - asked_for: with a `session.run` for each batch, which a training step has anyway.
    - asking: a `session.run` alone, for a constant batch.
    """
    archives = open_archives([archive], IMAGES)
    found = {}
    for side, channels in _SHAPES:
        name = f'{side}x{side}x{channels}'
        schedule = archives.order(1000, 1).onwards
        found[f'{name}_reading'] = _best_cost(scheduled.read() and 1 for scheduled in schedule(0))
        reader = _reader_of_nothing(side, channels, cast=False)
        at_once = batches_at_once(reader.signature, BATCH)
        batches = read_batches(schedule(0), BATCH, reader, InputReport(IMAGES), at_once)
        found[f'{name}_batches'] = _best_cost(len(batch.keys) for batch in batches)
        for part, cast, asked_for in (
            ('through_tf_data', False, _BATCHES_A_RUN),
            ('with_cast', True, _BATCHES_A_RUN),
            ('asked_for', True, 1),
        ):
            dataset = partial(_dataset_of_nothing, archives, _reader_of_nothing(side, channels, cast))
            found[f'{name}_{part}'] = _cost_of_dataset(dataset, asked_for)
        found[f'{name}_asking'] = _cost_of_dataset(partial(_same_batch, side, channels), 1)
    return found


def difference(archive: str) -> dict[str, float]:
    """Grey levels between --decode=fast and --decode=exact at 128x128: mean and largest over all images."""
    means, largest = [], 0
    for member in stream_members(archive):
        exact, fast = (decode(member.data, SIDE, SIDE) for decode in (decode_image, decode_image_fast))
        gap = np.abs(exact.astype(int) - fast)
        means.append(gap.mean())
        largest = max(largest, int(gap.max()))
    return {'mean': float(np.mean(means)), 'worst_image': float(np.max(means)), 'largest': largest}


def _batches(archive: str, step: int) -> Any:

    archives = open_archives([archive], IMAGES)
    dataset = _dataset(archives.order(1000, 1), list(archives.counts), step)
    return dataset.make_one_shot_iterator().get_next()


def _dataset(order: Any, labels: list[str], step: int, decode: Any = None, reader: Any = None) -> Any:

    pixels = reader or ImageReader(ImageShape(SIDE, SIDE), decode or decode_image)
    vocabulary = Vocabulary(tuple(labels))
    return archive_input_fn(order, pixels, BATCH, InputReport(IMAGES), vocabulary, lambda: step)()


def _reader_of_nothing(side: int, channels: int, cast: bool) -> Any:
    """Returns a reader that reads members and leaves their pixels uninitialised."""

    class Nothing(ImageReader):
        def read_into(self, batch: Any, first: int, several: Any) -> list[Any]:
            read_members(several)
            return [None] * len(several)

        def features(self, arrays: Any) -> Any:
            return super().features(arrays) if cast else dict(arrays)

    return Nothing(ImageShape(side, side, channels))


def _dataset_of_nothing(archives: Any, reader: Any) -> Any:
    return _dataset(archives.order(1000, 1), list(archives.counts), 0, reader=reader)


def _same_batch(side: int, channels: int) -> Any:

    features = {'image': np.zeros((BATCH, side, side, channels), np.float32)}
    return tf.data.Dataset.from_tensors((features, np.zeros(BATCH, np.int64))).repeat()


def _cost_of_dataset(dataset: Callable[[], Any], batches_a_run: int) -> float:
    """Returns microseconds per image, with a `session.run` for every `batches_a_run` batches."""
    with tf.Graph().as_default(), tf.Session() as session:
        last = dataset().shard(batches_a_run, batches_a_run - 1)  # the others stay within TensorFlow
        features, labels = tf.data.make_one_shot_iterator(last).get_next()
        ready = [labels, features['image'].op]
        return _best_cost(len(session.run(ready)[0]) * batches_a_run for _ in itertools.count())


def _best_cost(counts: Iterator[int]) -> float:
    """Returns microseconds of processor time per image of a stream that yields numbers of images."""

    def cost(images: int) -> float:
        start, done = time.process_time(), 0
        while done < images:
            done += next(counts)
        return (time.process_time() - start) / done * 1e6

    cost(_COUNTED // 4)
    return min(cost(_COUNTED) for _ in range(5))


def _black(data: bytes, height: int, width: int, channels: int) -> np.ndarray:
    return np.zeros((height, width, channels), np.uint8)


def _write_endlessly(archive: str, fifo: Path) -> None:
    """Writes the archive's members over and over, as one archive, by a process of its own."""
    members = Path(archive).read_bytes().rstrip(b'\0')
    members += bytes(-len(members) % 512)
    code = 'import sys\ndata = sys.stdin.buffer.read()\nwhile True: sys.stdout.buffer.write(data)'
    with fifo.open('wb') as file:
        subprocess.run([sys.executable, '-c', code], input=members, stdout=file, stderr=subprocess.DEVNULL)


def _repeat(archive: str, path: Path, size: int) -> Path:
    """Writes the archive's images over and over, under different names, up to `size` bytes."""
    members = list(stream_members(archive))
    epochs = -(-size // sum(len(member.data) for member in members))
    write_tar(path, ((f'{epoch}/{m.name}', m.data) for epoch in range(epochs) for m in members))
    return path


def _read(path: Path) -> None:
    with path.open('rb', buffering=0) as file:
        while file.read(2**20):
            pass


def _forget(path: Path) -> None:
    """Drops a file from the system's cache."""
    with path.open('rb') as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _resident_mb() -> float:
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == '__main__':
    figures = {f.__name__: f for f in (first_batch, resume, memory, index_build, check, serial, difference)}
    name, archive_path = sys.argv[1:]
    print(json.dumps(figures[name](archive_path)))
