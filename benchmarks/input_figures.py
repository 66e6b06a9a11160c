"""Figures of the input pipeline that are not races.

python benchmarks/input_figures.py memory photos-train.tar          memory of an endless stream; 3 minutes
python benchmarks/input_figures.py index_build photos-train.tar     speed of building an index
python benchmarks/input_figures.py many photos-train.tar            a million members; 3 minutes
python benchmarks/input_figures.py members 100000,1000000,4000000   opening an archive; 5 minutes
python benchmarks/input_figures.py remote 10,100,1000               opening archives, 0.1 s a request; 1 min
python benchmarks/input_figures.py workers 100                      8 workers on remote archives; 1 minute
python benchmarks/input_figures.py files 20000,200000               opening a folder; 1 minute
python benchmarks/input_figures.py ranks 2,8,16                     blocks for several ranks; seconds
"""

import contextlib
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from archives import stream_members, write_tar
from PIL import Image
from runner import machine

from estimator_lab import api
from estimator_lab.base.shares import Slice
from estimator_lab.data.archives.indexing import build_index
from estimator_lab.data.archives.mixture import Mixture
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.archives.places import Places
from estimator_lab.data.examples.labels import Vocabulary
from estimator_lab.data.examples.member import Member, read_members
from estimator_lab.data.images.decode import Decoded, ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.input_fns import Onwards, archive_input_fn
from estimator_lab.data.sources.source import source_of
from estimator_lab.tf1 import tf

SIDE = 128
BATCH = 32
_STREAM_BYTES = 10 * 10**9
_LARGE_BYTES = 600 * 10**6
_MANY = 1_000_000


def memory(archive: str) -> None:
    """Prints the resident MB after 500 MB and after 10 GB of one FIFO, read by the whole pipeline.

    The decoder returns black images, as decoding 10 GB would take a quarter of an hour.
    """
    with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default(), tf.Session() as session:
        fifo = Path(folder) / 'pipe'
        os.mkfifo(fifo)
        writer = threading.Thread(target=_write_endlessly, args=[archive, fifo], daemon=True)
        writer.start()
        batch = _black_images(fifo).make_one_shot_iterator().get_next()
        mean = Path(archive).stat().st_size / 2000
        start, early, done = time.perf_counter(), 0.0, 0
        while done * mean < _STREAM_BYTES:
            done += len(session.run(batch)[1])
            if not early and done * mean > 500e6:
                early = _resident_mb()
        seconds = time.perf_counter() - start
        late = _resident_mb()
        print(f'{early:.1f} MB after 500 MB, {late:.1f} MB after 10 GB: growth {late - early:.1f} MB')
        print(f'{done * mean / seconds / 1e6:.0f} MB/s', flush=True)
        os._exit(0)  # the writer never ends


def index_build(archive: str) -> None:
    """Prints the speed of building an index as a share of that of reading the archive's bytes."""
    with tempfile.TemporaryDirectory(dir='.') as folder:
        large = _repeat(archive, Path(folder) / 'large.tar', _LARGE_BYTES)
        size = large.stat().st_size / 1e6
        for place, prepare in (('disk', _forget), ('memory', lambda path: None)):
            raw, indexed = (_median_seconds(large, prepare, work) for work in (_read, _index))
            print(f'{place} {raw / indexed:.2f} of its raw speed of {size / raw:,.0f} MB/s', flush=True)


def many(archive: str) -> None:
    """Prints the seconds in which an archive of a million tiny members is indexed, entered and read."""
    photo = Image.open(io.BytesIO(next(stream_members(archive)).data)).resize((8, 8))
    with tempfile.TemporaryDirectory(dir='.') as folder, io.BytesIO() as tiny:
        photo.save(tiny, 'jpeg')
        path = Path(folder) / 'many.tar'
        write_tar(path, ((f'{n % 1000:03}/{n:07}.jpg', tiny.getvalue()) for n in range(_MANY)))
        start, before = time.perf_counter(), _resident_mb()
        stream = api.stream(path, epochs=1)
        print(f'indexed in {time.perf_counter() - start:.1f} s')
        half = {**stream.state_dict(), 'consumed': _MANY // 2}
        start = time.perf_counter()
        stream.load_state_dict(half)
        next(iter(stream))
        print(f'started in the middle in {time.perf_counter() - start:.2f} s')
        start = time.perf_counter()
        read = sum(1 for _ in api.stream(path, epochs=1))
        print(f'an epoch of {read:,} in {time.perf_counter() - start:.1f} s')
        print(f'{_resident_mb() - before:.0f} MB more memory', flush=True)


def members(counts: str) -> None:
    """Prints seconds and memory of opening an archive of many members: first, later, and a part of it."""

    @contextlib.contextmanager
    def archive(count: int) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir='.') as folder:
            path = Path(folder) / 'many.tar'
            write_tar(path, ((f'{n % 1000:03}/{n:07}.jpg', b'') for n in range(count)))
            yield path

    _print_openings('members', counts, archive, {'split': (0, 0.9)})


def remote(counts: str) -> None:
    """Prints seconds and memory of opening many remote archives, from a server that answers after 0.1 s."""
    with _slow_server(0.1) as (address, served, _):

        @contextlib.contextmanager
        def archives(count: int) -> Iterator[str]:
            yield _serve(address, served, count)

        _print_openings('remote archives', counts, archives)


def ranks(counts: str) -> None:
    """Prints what ranks read of 20 archives sorted by label, in 120 blocks, by batches of 32.

    Downloads are those of all ranks in an epoch, times the data; bits are the entropy of the labels in a
    rank's batch, as a share of that of one process.
    """
    blocks, labels, batch = np.random.default_rng(1).integers(80, 121, 120), 20, 32
    size, block_of = int(blocks.sum()), np.repeat(np.arange(len(blocks)), blocks)
    groups = np.arange(size) % 2
    alone = 0.0
    for count in (1, *map(int, counts.split(','))):
        order = Places(range(size), True, 1, blocks, lanes=count)
        mixed = Places(range(size), True, 1, blocks, Mixture(groups, [7, 3]), lanes=count)
        read, bits, apart = 0, [], 0.0
        for rank in range(count):
            own = Slice(rank, count, batch * count)
            parts = [*order.batches(0, size, own)]
            read += len(np.unique(block_of[np.concatenate(parts, None)]))
            for row in parts[0] * labels // size:
                shares = np.bincount(row, minlength=labels) / batch
                bits.append(-np.sum(shares * np.log2(np.where(shares, shares, 1))))
            drawn = np.concatenate([*mixed.batches(0, 100 * batch * count, own)]).ravel() % size % 2
            expected = 0.3 * np.arange(1, len(drawn) + 1)
            apart = max(apart, float(np.abs(np.cumsum(drawn) - expected).max()))
        alone = alone or float(np.mean(bits))
        print(
            f'{count} ranks: downloads {read / len(blocks):.2f} times the data, {np.mean(bits) / alone:.2f} '
            f'of the bits of label, a mixture 7:3 within {apart:.2f} examples',
            flush=True,
        )


def workers(count: str) -> None:
    """Prints seconds and requests of opening remote archives, and of 8 workers that read an example each."""
    code = (
        'import multiprocessing, operator, sys, time\n'
        'from estimator_lab import api\n'
        'start = time.perf_counter()\n'
        'faces = api.dataset(sys.argv[1])\n'
        'if sys.argv[2] != "none":\n'
        '    with multiprocessing.get_context(sys.argv[2]).Pool(8) as pool:\n'
        '        pool.map(operator.itemgetter(5), [faces] * 8, 1)\n'
        'print(f"{time.perf_counter() - start:.2f}")'
    )
    found = {}
    with _slow_server(0.02) as (address, served, requests):
        pattern = _serve(address, served, int(count))
        for method in ('none', 'fork', 'spawn'):
            requests.clear()
            with tempfile.TemporaryDirectory() as cache:
                done = subprocess.run(
                    [sys.executable, '-c', code, pattern, method],
                    env={**os.environ, 'XDG_CACHE_HOME': cache, 'NO_PROXY': '127.0.0.1'},
                    stdout=subprocess.PIPE,
                    check=True,
                    text=True,
                )
            found[method] = len(requests)
            print(f'{count} archives, workers: {method}: {done.stdout.strip()} s, {len(requests)} requests')
    most = max(found.values()) / found['none']
    print(f'with eight workers {most:.2f} times the requests of one opening')


def _serve(address: str, served: dict[str, bytes], count: int) -> str:
    """Serves some archives; returns a pattern for their URLs."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            path = Path(folder) / 'shard.tar'
            write_tar(path, ((f'{number}/{n:03}.jpg', bytes(1000)) for n in range(40)))
            served[f'/{count}-{number:05}.tar'] = path.read_bytes()
    return f'{address}/{count}-{{00000..{count - 1:05}}}.tar'


@contextlib.contextmanager
def _slow_server(seconds: float) -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """Yields the address of a server that answers after some seconds, what it serves, and its requests."""
    served: dict[str, bytes] = {}
    requests: list[str] = []

    class Slow(SimpleHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def do_GET(self) -> None:
            requests.append(self.path)
            time.sleep(seconds)
            name, wanted = self.path, re.fullmatch(r'bytes=(\d+)-(\d+)', self.headers.get('Range', ''))
            data = served.get(name, b'')
            first, last = (
                (int(wanted[1]), min(int(wanted[2]), len(data) - 1)) if wanted else (0, len(data) - 1)
            )
            self.send_response(206 if data else 404)
            self.send_header('Content-Range', f'bytes {first}-{last}/{len(data)}')
            self.send_header('ETag', f'"{name}"')
            self.send_header('Content-Length', str(len(data[first : last + 1])))
            self.end_headers()
            self.wfile.write(data[first : last + 1])

        def log_message(self, *_: Any) -> None:
            """Prints nothing."""

    slow_server = type('Server', (ThreadingHTTPServer,), {'request_queue_size': 1000, 'daemon_threads': True})
    server = slow_server(('127.0.0.1', 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}', served, requests


def files(counts: str) -> None:
    """Prints seconds and memory of opening a folder of many files."""

    @contextlib.contextmanager
    def folder_of(count: int) -> Iterator[str]:
        with tempfile.TemporaryDirectory(dir='.') as folder:
            for n in range(count):
                path = Path(folder) / f'{n // 1000:03}' / f'{n:07}.jpg'
                path.parent.mkdir(exist_ok=True)
                path.touch()
            yield folder

    _print_openings('files', counts, folder_of)


def _print_openings(
    what: str,
    counts: str,
    make: Callable[[int], AbstractContextManager[Path | str]],
    more: Mapping[str, Any] | None = None,
) -> None:
    """Prints seconds and memory of opening data, each time in a process of its own, and how they grow."""
    code = (
        'import json, re, sys, time\n'
        'from pathlib import Path\n'
        'from estimator_lab import api\n'
        'start = time.perf_counter()\n'
        'api.stream(sys.argv[1], **json.loads(sys.argv[2])).size\n'
        'seconds = time.perf_counter() - start\n'
        'most = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())\n'
        'print(f"{seconds:.2f} s, {int(most[1]) / 1e3:.0f} MB")'
    )
    firsts: list[tuple[float, float, float]] = []
    for count in map(int, counts.split(',')):
        with make(count) as data, tempfile.TemporaryDirectory() as cache:
            for name, settings in {'first': {}, 'later': {}, **({str(more): more} if more else {})}.items():
                done = subprocess.run(
                    [sys.executable, '-c', code, str(data), json.dumps(settings)],
                    env={**os.environ, 'XDG_CACHE_HOME': cache, 'NO_PROXY': '127.0.0.1'},
                    stdout=subprocess.PIPE,
                    check=True,
                    text=True,
                )
                printed = done.stdout.splitlines()[-1]
                print(f'{count:,} {what}, {name}: {printed}', flush=True)
                if name == 'first':
                    seconds, _, megabytes, _ = printed.split()
                    firsts.append((count, float(seconds), float(megabytes)))
    more_of, more_seconds, more_memory = (
        last / first for first, last in zip(firsts[0], firsts[-1], strict=True)
    )
    print(
        f'{more_of:g} times the {what} take {more_seconds:.1f} times the seconds and {more_memory:.1f} times '
        f'the memory: growth {more_seconds / more_of:.2f} of linear'
    )


def _median_seconds(path: Path, prepare: Callable[[Path], None], work: Callable[[Path], object]) -> float:
    runs = []
    for _ in range(5):
        prepare(path)
        start = time.perf_counter()
        work(path)
        runs.append(time.perf_counter() - start)
    return sorted(runs)[2]


def _index(path: Path) -> object:
    return build_index(source_of(str(path)), IMAGES)


def _black_images(path: Path) -> Any:
    order = open_archives([str(path)], IMAGES).order(1000)
    reader = _Black(ImageOptions(ImageShape(SIDE, SIDE)))
    labels = Vocabulary(tuple(f'n{number:06}' for number in range(1, 11)))
    return archive_input_fn(Onwards(order, BATCH), reader, InputReport(IMAGES), labels)()


class _Black(ImageReader):
    def read(self, members: Sequence[Member]) -> list[Decoded]:
        return [np.zeros(self.options.shape, np.uint8)] * len(read_members(members))


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


if __name__ == '__main__':
    print(machine('pillow'), flush=True)
    tasks = [memory, index_build, many, members, remote, workers, files, ranks]
    {task.__name__: task for task in tasks}[sys.argv[1]](sys.argv[2])
