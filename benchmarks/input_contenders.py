"""The contenders of input_pipeline.py, one a process:

    python benchmarks/input_contenders.py NAME ARCHIVE SECONDS [SIDE CHANNELS]

reads images, 128x128 and grey where nothing else is said, from the JPEGs of a tar in batches of 32. It prints
images/s, once warm, and the microseconds of processor time an image, which other programs on the machine
change less. Those of others are written as their own documentation does it, and get two cores.
"""

import io
import itertools
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

SIDE = 128
CHANNELS = 1
BATCH = 32
_WARM_IMAGES = 300
_CORES = 2


class Rate(NamedTuple):
    """How fast images come: images/s, and microseconds of processor time an image, of child processes too."""

    images: float
    cost: float


def rate(counts: Iterable[int], seconds: float, warm: int = _WARM_IMAGES) -> Rate:
    """Measures a stream that yields how many images it has just read."""
    counts, done = iter(counts), 0
    while done < warm:
        done += next(counts)
    done, start, used = 0, time.perf_counter(), _processor_seconds()
    while (passed := time.perf_counter() - start) < seconds:
        done += next(counts)
    return Rate(done / passed, (_processor_seconds() - used) / done * 1e6)


def _processor_seconds() -> float:
    """Returns what this process and those that it has started have used."""
    pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
    ticks = 0
    for pid in pids:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf('SC_CLK_TCK')


def _mode() -> str:
    return {1: 'L', 3: 'RGB'}[CHANNELS]


def members_in_memory(archive: str) -> list[bytes]:
    """Returns the encoded images, read beforehand."""
    from estimator_lab.data.tar.stream import stream_members

    return [member.data for member in stream_members(archive)]


def exact_pillow(data: bytes) -> np.ndarray:
    """The document's pixels by Pillow alone: decode, Lanczos, grey or RGB; uint8 [side, side(, 3)]."""
    image = Image.open(io.BytesIO(data)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.array(image.convert(_mode()))


def draft_pillow(data: bytes) -> np.ndarray:
    """Pillow's draft mode: scaled as it is decoded, straight to its mode; uint8 [side, side(, 3)]."""
    image = Image.open(io.BytesIO(data))
    image.draft(_mode(), (SIDE, SIDE))
    return np.array(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def document(archive: str, seconds: float) -> Rate:
    """The document's input function: 16,384 scalars an image."""
    from estimator_lab.data.pipeline.input_fns import notes_input_fn
    from estimator_lab.tf1 import tf

    with tf.Graph().as_default(), tf.Session() as session:
        pixels, label = notes_input_fn([archive], SIDE, SIDE)()
        return rate((len(session.run([pixels, label])[0]) // SIDE**2 for _ in itertools.count()), seconds, 1)


def ours(archive: str, seconds: float, decode: str) -> Rate:
    """Our input function: what training reads, through tf.data and out of a session."""
    from estimator_lab.data.images.kind import ImageShape
    from estimator_lab.data.images.reader import DECODERS, ImageReader
    from estimator_lab.data.labels import Vocabulary
    from estimator_lab.data.order.archives import open_archives
    from estimator_lab.data.pipeline.input_fns import archive_input_fn
    from estimator_lab.data.pipeline.report import InputReport
    from estimator_lab.tf1 import prepare_process, tf

    prepare_process()  # as commands do
    archives = open_archives([archive])
    input_fn = archive_input_fn(
        archives.order(shuffle_buffer=1000, seed=1),
        ImageReader(ImageShape(SIDE, SIDE, CHANNELS), DECODERS[decode]),
        BATCH,
        InputReport(),
        Vocabulary(tuple(archives.counts)),
        resume=lambda: 0,
    )
    with tf.Graph().as_default(), tf.Session() as session:
        features, labels = input_fn().make_one_shot_iterator().get_next()
        ready = features['image'].op  # a model reads the images where they are: they need not come back here
        return rate((len(session.run([labels, ready])[0]) for _ in itertools.count()), seconds)


def bare(archive: str, seconds: float) -> Rate:
    """Two threads that do nothing but decode what lies in memory: the limit for these pixels."""
    images = members_in_memory(archive)
    counts, stop = [0] * _CORES, threading.Event()

    def work(number: int) -> None:
        for data in itertools.cycle(images[number::_CORES]):
            exact_pillow(data)
            counts[number] += 1
            if stop.is_set():
                return

    threads = [threading.Thread(target=work, args=[number]) for number in range(_CORES)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    before, start, used = sum(counts), time.perf_counter(), _processor_seconds()
    time.sleep(seconds)
    done = sum(counts) - before
    found = Rate(done / (time.perf_counter() - start), (_processor_seconds() - used) / done * 1e6)
    stop.set()
    for thread in threads:
        thread.join()
    return found


def webdataset(archive: str, seconds: float, decode: Callable[[bytes], np.ndarray], parts: int) -> Rate:
    """webdataset and PyTorch's DataLoader, which gives each worker archives of its own."""
    import torch
    import webdataset as wds

    with tempfile.TemporaryDirectory() as folder:
        urls = _split(archive, parts, Path(folder))
        dataset = wds.WebDataset(urls, shardshuffle=False).to_tuple('jpg').map_tuple(decode).repeat()
        loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, num_workers=parts)
        return rate((len(batch[0]) for batch in loader), seconds)


class _InMemory:
    """JPEGs as a map-style dataset of PyTorch, decoded by torchvision."""

    def __init__(self, images: list[bytes]) -> None:
        import torch

        self.images = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in images]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> Any:
        from torchvision.io import ImageReadMode, decode_jpeg
        from torchvision.transforms.v2 import functional

        mode = {1: ImageReadMode.GRAY, 3: ImageReadMode.RGB}[CHANNELS]
        image = decode_jpeg(self.images[number], mode=mode)
        return functional.resize(image, [SIDE, SIDE], antialias=True)


def torchvision(archive: str, seconds: float) -> Rate:
    """torchvision's own JPEG decoder straight to its mode; the bytes lie in memory already."""
    import torch

    dataset = _InMemory(members_in_memory(archive))
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=BATCH, num_workers=_CORES, shuffle=True, persistent_workers=True
    )
    return rate((len(batch) for _ in itertools.count() for batch in loader), seconds)


def tfrecord(archive: str, seconds: float) -> Rate:
    """tf.data over TFRecord: TensorFlow's JPEG decoder, bilinear without anti-aliasing."""
    import tensorflow as tf

    def image(record: Any) -> Any:
        pixels = tf.io.decode_jpeg(record, CHANNELS, dct_method='INTEGER_FAST', fancy_upscaling=False)
        return tf.cast(tf.image.resize(pixels, [SIDE, SIDE]), tf.uint8)

    with tempfile.TemporaryDirectory() as folder:
        path = f'{folder}/images.tfrecord'
        with tf.io.TFRecordWriter(path) as writer:
            for data in members_in_memory(archive):
                writer.write(data)
        dataset = tf.data.TFRecordDataset(path).shuffle(1000).repeat()
        dataset = dataset.map(image, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(2)
        return rate((len(batch) for batch in dataset), seconds)


CONTENDERS: dict[str, Callable[[str, float], Rate]] = {
    'document': document,
    'exact': lambda archive, seconds: ours(archive, seconds, 'exact'),
    'fast': lambda archive, seconds: ours(archive, seconds, 'fast'),
    'bare': bare,
    'webdataset': lambda archive, seconds: webdataset(archive, seconds, exact_pillow, 1),
    'webdataset-2': lambda archive, seconds: webdataset(archive, seconds, exact_pillow, 2),
    'webdataset-2-draft': lambda archive, seconds: webdataset(archive, seconds, draft_pillow, 2),
    'torchvision': torchvision,
    'tfrecord': tfrecord,
}


def _split(archive: str, parts: int, folder: Path) -> list[str]:
    """Writes an archive's images into several; returns their paths."""
    import tarfile

    from estimator_lab.data.tar.stream import stream_members

    paths = [str(folder / f'{number}.tar') for number in range(parts)]
    archives = [tarfile.open(path, 'w') for path in paths]  # noqa: SIM115 - closed below
    for number, member in enumerate(stream_members(archive)):
        # webdataset takes a name up to its first dot for the example's key.
        info = tarfile.TarInfo(f'{number:06}.jpg')
        info.size = len(member.data)
        archives[number % parts].addfile(info, io.BytesIO(member.data))
    for opened in archives:
        opened.close()
    return paths


if __name__ == '__main__':
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    name, archive_path, seconds_text, *shape = sys.argv[1:]
    SIDE, CHANNELS = map(int, shape or (SIDE, CHANNELS))
    print(*CONTENDERS[name](archive_path, float(seconds_text)))
