"""Archives elsewhere: reading them in parallel, through faults, and when a run resumes.

    python benchmarks/remote_storage.py [--megabytes=10000]

A web server in a process of its own answers each request after five milliseconds. Printed as JSON:

- `index_seconds`, `index_share`: time to index the archive, and the share of its bytes that was fetched;
- `resumed_bytes`: bytes fetched before the first image of a run that resumes in the middle of an epoch;
- `one_by_one`, `together`: images per second by one thread that reads one image after another, as before
  ranges were read in parallel, and as training reads; `ratio` of both;
- `clean`, `resets`: MB per second without faults and with 5 % of the requests reset, in turns; `of_clean`,
  their ratio; `lost`, images that were not read or not read right.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archives import write_tar

from estimator_lab.data.archives import Archives, open_archives
from estimator_lab.data.batches import read_ahead
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.remote import keep_on_disk

LATENCY = 0.005
RESETS = 0.05
_MEMBER = 110_000
_MEMBERS = 2000
_ONE_BY_ONE = 200
_TOGETHER = 2000


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--megabytes', type=int, default=400, help='read in each of clean and resets')
    parser.add_argument('--rounds', type=int, default=2, help='turns of clean and resets')
    flags = parser.parse_args()
    keep_on_disk(0)
    with tempfile.TemporaryDirectory() as folder:
        os.environ['XDG_CACHE_HOME'] = f'{folder}/cache'
        path = Path(folder, 'a.tar')
        checksums = _write(path)
        print(json.dumps(_measure(path, checksums, flags.megabytes * 10**6, flags.rounds), indent=1))


def _measure(path: Path, checksums: dict[str, int], count: int, rounds: int) -> dict[str, float | int]:
    found: dict[str, float | int] = {}
    with _server(path, 0.0) as url, _server(path, RESETS) as faulty:
        begun = time.perf_counter()
        archives = open_archives([f'{url}/a.tar'], IMAGES)
        found['index_seconds'] = time.perf_counter() - begun
        found['index_share'] = _sent(url) / path.stat().st_size
        before = _sent(url)
        resumed = open_archives([f'{url}/a.tar'], IMAGES).order(shuffle_buffer=2).onwards(_MEMBERS // 2)
        assert next(resumed).read().data
        found['resumed_bytes'] = _sent(url) - before
        found['one_by_one'] = _images_per_second(archives, _ONE_BY_ONE, ahead=False)
        found['together'] = _images_per_second(archives, _TOGETHER, ahead=True)
        found['ratio'] = found['together'] / found['one_by_one']
        broken = open_archives([f'{faulty}/a.tar'], IMAGES)
        speeds: dict[str, list[float]] = {'clean': [], 'resets': []}
        found['lost'] = 0
        for _ in range(rounds):
            for name, source in (('clean', archives), ('resets', broken)):
                speed, lost = _stream(source, checksums, count)
                speeds[name].append(speed)
                found['lost'] += lost
        found |= {name: max(several) for name, several in speeds.items()}
        found['of_clean'] = found['resets'] / found['clean']
    return {name: round(value, 3) for name, value in found.items()}


def _images_per_second(archives: Archives, count: int, ahead: bool) -> float:
    members = itertools.islice(archives.order(shuffle_buffer=2).onwards(0), count)
    begun = time.perf_counter()
    for member in read_ahead(members) if ahead else members:
        assert len(member.read().data) == _MEMBER
    return count / (time.perf_counter() - begun)


def _stream(archives: Archives, checksums: dict[str, int], count: int) -> tuple[float, int]:
    """Reads `count` bytes of images; returns the MB per second, and how many images were wrong."""
    images, wrong = -(-count // _MEMBER), 0
    begun = time.perf_counter()
    for member in read_ahead(itertools.islice(archives.order(shuffle_buffer=2).onwards(0), images)):
        images -= 1
        wrong += zlib.crc32(member.read().data) != checksums[member.name]
    return count / 1e6 / (time.perf_counter() - begun), wrong + images


def _write(path: Path) -> dict[str, int]:
    """Writes the archive; returns the checksums of its members."""
    data = os.urandom(2 * _MEMBER)
    images = {f'{number % 9}/{number}.jpg': data[number : number + _MEMBER] for number in range(_MEMBERS)}
    write_tar(path, images.items())
    return {name: zlib.crc32(image) for name, image in images.items()}


@contextmanager
def _server(path: Path, resets: float) -> Iterator[str]:
    program = Path(__file__).with_name('range_server.py')
    command = [sys.executable, str(program), str(path), str(LATENCY), str(resets)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f'http://127.0.0.1:{process.stdout.readline().strip()}'
        finally:
            process.kill()


def _sent(url: str) -> int:
    with urllib.request.urlopen(f'{url}/sent') as answer:
        return int(answer.read())


if __name__ == '__main__':
    main()
