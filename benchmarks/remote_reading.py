"""How archives on a server are read, next to webdataset: bytes, requests, speed and memory.

    python benchmarks/remote_reading.py        about 3 minutes

The server is on this machine and waits 50 ms before each answer. Images have 11 kB, nothing is kept on disk
but indexes, and each contender runs in a fresh process in each round. Needs `pip install -e '.[bench]'`,
curl for webdataset, and an idle machine.
"""

import functools
import io
import random
import resource
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from runner import (
    Clock,
    Measured,
    child,
    command_line,
    machine,
    measure_stream,
    median,
    print_ratio,
    print_table,
    race,
    run_contender,
)

from tests.support.web_server import Web, web_server

IMAGE_BYTES, BATCH, SECONDS = 11_000, 64, 8.0
EQUAL = 20  # archives of 141 MB, more than a process keeps in memory
NOTHING_KEPT = {'shuffle_blocks': '8M', 'cache': '0'}


def archive(count: int, number: int = 0) -> bytes:
    """Returns a tar of `count` images of random bytes, others for each number."""
    rng, file = random.Random(number), io.BytesIO()
    with tarfile.open(fileobj=file, mode='w') as tar:
        for n in range(count):
            entry = tarfile.TarInfo(f'{n % 10}/{number}-{n:06}.jpg')
            entry.size = IMAGE_BYTES
            tar.addfile(entry, io.BytesIO(rng.randbytes(IMAGE_BYTES)))
    return file.getvalue()


def blocks(pattern: str) -> Measured:
    """Shuffled by blocks, encoded bytes one by one."""
    from estimator_lab import api

    return measure_stream((1 for _ in api.stream(pattern, epochs=None, **NOTHING_KEPT)), SECONDS)


def webdataset(pattern: str) -> Measured:
    """webdataset, shuffled in its buffer of 1,000, by curl."""
    import webdataset as wds

    source = f'pipe:curl --silent --fail {pattern}'  # which it expands
    images = wds.WebDataset(source, shardshuffle=False, empty_check=False).shuffle(1000).to_tuple('jpg')
    return measure_stream((1 for _ in images.repeat()), SECONDS)


def batches(pattern: str, size: str) -> Measured:
    """Shuffled batches of a data set of many archives, each read when the one before has arrived."""
    from estimator_lab import api

    data = api.dataset(pattern, shuffle_blocks=size, cache='0')
    return measure_stream((len(data[places]) for places in data.order(BATCH, epochs=None)), SECONDS)


def opening(pattern: str) -> Measured:
    """Opens archives once."""
    from estimator_lab import api

    return Clock(steps=1, warm_up=0).time(lambda: api.dataset(pattern, cache='0'))


def order(count: str) -> Measured:
    """The first batch of an order; the note is what the process has in memory more than before."""
    from estimator_lab.data.archives.places import Places

    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    next(Places(range(int(count)), shuffle=True).batches(0))
    end = resource.getrusage(resource.RUSAGE_SELF)
    note = f'{(end.ru_maxrss - before.ru_maxrss) / 1024:.0f} MB'
    return Measured(1 / (time.perf_counter() - start), end.ru_utime - before.ru_utime, note)


CONTENDERS: dict[str, Callable[..., Measured]] = {
    'blocks': blocks,
    'webdataset': webdataset,
    'single batches': functools.partial(batches, size='0'),
    'batches by blocks': functools.partial(batches, size='8M'),
    'opening': opening,
    'order': order,
}


def main() -> None:
    """Runs the benchmark."""
    given = command_line(__doc__, rounds=(3, 'of each contender')).parse_args()
    print(machine('webdataset', 'aiohttp'), flush=True)
    with tempfile.TemporaryDirectory() as cache, web_server() as web:
        web.delay = 0.05
        environment = {'XDG_CACHE_HOME': cache, 'NO_PROXY': '127.0.0.1', 'no_proxy': '127.0.0.1'}
        run = functools.partial(child, Path(__file__).name, environment=environment)

        data = archive(12_000)
        run('opening', web.put('/large.tar', data))
        times = web.bytes_sent / len(data)
        print(f'{times:8.2f} times the bytes of {len(data) / 1e6:.0f} MB to index them (goal 1.3)')
        for number in range(EQUAL):
            web.put(f'/equal-{number:02}.tar', data)
        large = f'{web.address}/equal-{{00..{EQUAL - 1:02}}}.tar'
        run('opening', large)
        web.requests.clear()
        run('blocks', large)
        share = len(web.requests) * IMAGE_BYTES / web.bytes_sent
        print(f'{share:8.4f} requests an image by blocks (goal 0.005)')
        found = race(
            {name: functools.partial(run, name, large) for name in ('blocks', 'webdataset')}, given.rounds
        )
        print_table(found, 'images')
        print_ratio(found, 'blocks', 'webdataset', 0.8)

        twenty = _several(web, 20, 500)
        run('opening', twenty)
        ways = ('single batches', 'batches by blocks')
        found = race({name: functools.partial(run, name, twenty) for name in ways}, given.rounds)
        print_table(found, 'images')
        print(f'{median(found["single batches"]):8.0f} images/s in single reads of 20 archives (goal 700)')

        thousand = _several(web, 1000, 3)
        run('opening', thousand)
        web.headers.clear()
        seconds = [1 / run('opening', thousand).rate for _ in range(given.rounds)]
        requests = len(web.headers) // given.rounds
        print(f'{min(seconds):8.2f} s, {requests:,} requests to open 1,000 archives again (goal 3 s)')
        first = run('order', 10**9)
        print(f'{1000 / first.rate:8.2f} ms, {first.note} for the first batch of 10^9 examples (goal: none)')


def _several(web: Web, count: int, images: int) -> str:
    """Serves archives of some images each; returns the pattern of their URLs."""
    for number in range(count):
        web.put(f'/{count}-{number:04}.tar', archive(images, number))
    return f'{web.address}/{count}-{{0000..{count - 1:04}}}.tar'


if __name__ == '__main__':
    run_contender(CONTENDERS) if sys.argv[1:2] and sys.argv[1] in CONTENDERS else main()
