"""The contenders of input_pipeline.py, one a process:

    python benchmarks/input_contenders.py NAME ARCHIVE SECONDS [SIDE CHANNELS]

reads images, 128x128 and grey by default, from the JPEGs of a tar in batches of 32. It prints one line of
JSON: images/s after a warm-up, and the seconds of processor time an image, which other programs disturb less.
Other loaders are used as their documentation shows, with two workers.
"""

import functools
import io
import itertools
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from archives import stream_members
from PIL import Image
from runner import CORES, Measured, measure_stream, run_contender

SIDE = 128
CHANNELS = 1
BATCH = 32
_WARM_UP = 300


def _mode() -> str:
    return {1: 'L', 3: 'RGB'}[CHANNELS]


def members_in_memory(archive: str) -> list[bytes]:
    """Returns the encoded images, read in advance."""

    return [member.data for member in stream_members(archive)]


def exact_pillow(data: bytes) -> np.ndarray:
    """The notes' pixels by Pillow alone: decode, Lanczos, grey or RGB; uint8 [side, side(, 3)]."""
    image = Image.open(io.BytesIO(data)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.array(image.convert(_mode()))


def draft_pillow(data: bytes) -> np.ndarray:
    """Pillow's draft mode: scaled and converted while it is decoded; uint8 [side, side(, 3)]."""
    image = Image.open(io.BytesIO(data))
    image.draft(_mode(), (SIDE, SIDE))
    return np.array(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def document(archive: str, seconds: float) -> Measured:
    """The notes' input function: 16,384 scalars an image."""
    from estimator_lab.data.images.decode import decode_image
    from estimator_lab.tf1 import tf

    count = SIDE**2

    def examples() -> Iterator[tuple[Any, ...]]:
        for member in stream_members(archive):
            yield (*(decode_image(member.data, SIDE, SIDE).ravel() / np.float32(255)), member.label)

    with tf.Graph().as_default(), tf.Session() as session:
        dataset = tf.data.Dataset.from_generator(examples, (tf.float32,) * count + (tf.string,))
        *pixels, label = dataset.make_one_shot_iterator().get_next()
        sizes = (len(session.run([pixels, label])[0]) // SIDE**2 for _ in itertools.count())
        return measure_stream(sizes, seconds)


def ours(archive: str, seconds: float, decode: str) -> Measured:
    """Our input function, as training reads it, through tf.data and a session."""
    from estimator_lab.data.archives.opened import open_archives
    from estimator_lab.data.examples.labels import Vocabulary
    from estimator_lab.data.images.decode import ImageShape
    from estimator_lab.data.images.options import ImageOptions
    from estimator_lab.data.images.reader import IMAGES, ImageReader
    from estimator_lab.data.input.bad_examples import InputReport
    from estimator_lab.data.input.input_fns import Onwards, archive_input_fn
    from estimator_lab.tf1 import prepare_process, tf

    prepare_process()  # as commands do
    archives = open_archives([archive], IMAGES)
    input_fn = archive_input_fn(
        Onwards(archives.order(shuffle_buffer=1000, seed=1), BATCH),
        ImageReader(ImageOptions(ImageShape(SIDE, SIDE, CHANNELS), decode)),
        InputReport(IMAGES),
        Vocabulary(tuple(archives.counts)),
    )
    with tf.Graph().as_default(), tf.Session() as session:
        features, labels = input_fn().make_one_shot_iterator().get_next()
        ready = features['image'].op  # fetches nothing: a model reads the images inside the graph
        sizes = (len(session.run([labels, ready])[0]) for _ in itertools.count())
        return measure_stream(sizes, seconds, _WARM_UP)


def bare(archive: str, seconds: float) -> Measured:
    """Two threads that only decode images in memory: the limit for these pixels."""
    images = members_in_memory(archive)
    counts, stop = [0] * CORES, threading.Event()

    def work(number: int) -> None:
        for data in itertools.cycle(images[number::CORES]):
            exact_pillow(data)
            counts[number] += 1
            if stop.is_set():
                return

    def sizes() -> Iterator[int]:
        while True:
            before = sum(counts)
            time.sleep(0.1)
            yield sum(counts) - before

    threads = [threading.Thread(target=work, args=[number]) for number in range(CORES)]
    for thread in threads:
        thread.start()
    measured = measure_stream(sizes(), seconds, _WARM_UP)
    stop.set()
    for thread in threads:
        thread.join()
    return measured


def webdataset(archive: str, seconds: float, decode: Callable[[bytes], np.ndarray], parts: int) -> Measured:
    """webdataset and PyTorch's DataLoader, which gives each worker its own archives."""
    import torch
    import webdataset as wds

    with tempfile.TemporaryDirectory() as folder:
        urls = _split(archive, parts, Path(folder))
        dataset = wds.WebDataset(urls, shardshuffle=False).to_tuple('jpg').map_tuple(decode).repeat()
        loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, num_workers=parts)
        return measure_stream((len(batch[0]) for batch in loader), seconds, _WARM_UP)


def one_archive(archive: str, seconds: float) -> Measured:
    """webdataset and PyTorch's loader on one archive, which one of two workers has to itself."""
    import torch
    import webdataset as wds

    with tempfile.TemporaryDirectory() as folder:
        urls = _split(archive, 1, Path(folder))
        dataset = wds.WebDataset(urls, shardshuffle=False, empty_check=False)
        dataset = dataset.to_tuple('jpg').map_tuple(exact_pillow).repeat()
        loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, num_workers=2)
        return measure_stream((len(batch[0]) for batch in loader), seconds, _WARM_UP)


def loader(archive: str, seconds: float) -> Measured:
    """`estimator_lab.api.dataset` and PyTorch's loader on one archive, two workers, shuffled as a whole."""
    from torch.utils.data import DataLoader

    from estimator_lab import api

    images = api.dataset(archive, image_shape=(SIDE, SIDE, CHANNELS))
    order = images.order(BATCH, epochs=None)
    batches = DataLoader(images, batch_sampler=order, num_workers=2, collate_fn=images.collate)
    return measure_stream((len(batch.keys) for batch in batches), seconds, _WARM_UP)


def random_dataset(archive: str, seconds: float) -> Measured:
    """Encoded images by random position, one by one, by `estimator_lab.api.dataset`."""
    from estimator_lab import api

    return _by_position(api.dataset(archive), seconds, lambda example: example.data)


def random_wids(archive: str, seconds: float) -> Measured:
    """The same by wids, of webdataset before 1.0."""
    from wids import ShardListDataset

    with tempfile.TemporaryDirectory() as folder:
        (url,) = _split(archive, 1, Path(folder))
        count = len(members_in_memory(archive))
        shards = [{'url': url, 'nsamples': count}]
        dataset = ShardListDataset(shards, localname=lambda url: url, keep=True, transformations=[])
        return _by_position(dataset, seconds, lambda sample: sample['.jpg'].read())


def random_files(archive: str, seconds: float) -> Measured:
    """The same from a folder of files, by their paths."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f'{number:06}.jpg') for number in range(len(members_in_memory(archive)))]
        for path, data in zip(paths, members_in_memory(archive), strict=True):
            path.write_bytes(data)
        return _by_position(paths, seconds, lambda path: path.read_bytes())


def _by_position(source: Any, seconds: float, bytes_of: Callable[[Any], bytes]) -> Measured:
    rng = random.Random(1)
    places = [rng.randrange(len(source)) for _ in range(10_000)]
    read = (sum(1 for place in places if bytes_of(source[place])) for _ in itertools.count())
    return measure_stream(read, seconds, 10_000)


def webdataset_bytes(archive: str, seconds: float) -> Measured:
    """webdataset alone: encoded bytes, shuffled in its buffer of 1,000."""
    import webdataset as wds

    with tempfile.TemporaryDirectory() as folder:
        urls = _split(archive, 1, Path(folder))
        dataset = wds.WebDataset(urls, shardshuffle=False).shuffle(1000).to_tuple('jpg', '__key__').repeat()
        return measure_stream(_sizes_of_examples(iter(dataset)), seconds, _WARM_UP)


def stream(archive: str, seconds: float, decode: str = 'exact') -> Measured:
    """`estimator_lab.api.stream`, pixels in batches, in one process and without TensorFlow."""
    from estimator_lab import api

    shape = SIDE, SIDE, CHANNELS
    batches = api.stream(archive, image_shape=shape, batch_size=BATCH, epochs=None, decode=decode)
    return measure_stream((len(batch.keys) for batch in batches), seconds, _WARM_UP)


def stream_bytes(archive: str, seconds: float) -> Measured:
    """`estimator_lab.api.stream`, encoded bytes one by one, shuffled as a whole."""
    from estimator_lab import api

    return measure_stream(_sizes_of_examples(api.stream(archive, epochs=None)), seconds, _WARM_UP)


def _sizes_of_examples(examples: Iterable[Any]) -> Iterator[int]:
    """Yields the number of examples at each thousand: measuring each would take longer than reading it."""
    while True:
        yield sum(1 for _ in itertools.islice(examples, 1000))


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


def torchvision(archive: str, seconds: float) -> Measured:
    """torchvision's own JPEG decoder, straight to grey or RGB, on bytes in memory."""
    import torch

    dataset = _InMemory(members_in_memory(archive))
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=BATCH, num_workers=CORES, shuffle=True, persistent_workers=True
    )
    sizes = (len(batch) for _ in itertools.count() for batch in loader)
    return measure_stream(sizes, seconds, _WARM_UP)


def tfrecord(archive: str, seconds: float) -> Measured:
    """tf.data over TFRecord: TensorFlow's JPEG decoder, bilinear without anti-aliasing; float32 in [0, 1]."""
    import tensorflow as tf

    def image(record: Any) -> Any:
        pixels = tf.io.decode_jpeg(record, CHANNELS, dct_method='INTEGER_FAST', fancy_upscaling=False)
        return tf.image.resize(pixels, [SIDE, SIDE]) / 255.0

    with tempfile.TemporaryDirectory() as folder:
        path = f'{folder}/images.tfrecord'
        with tf.io.TFRecordWriter(path) as writer:
            for data in members_in_memory(archive):
                writer.write(data)
        dataset = tf.data.TFRecordDataset(path).shuffle(1000).repeat()
        dataset = dataset.map(image, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(2)
        return measure_stream((len(batch) for batch in dataset), seconds, _WARM_UP)


def dali(archive: str, seconds: float) -> Measured:
    """NVIDIA DALI's pipeline for processors on the same tar; float32 in [0, 1]."""
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(batch_size=BATCH, num_threads=CORES, device_id=None)
    def pipeline() -> Any:
        encoded = fn.readers.webdataset(paths=[archive], ext=['jpg'], random_shuffle=True, initial_fill=1000)
        mode = {1: types.GRAY, 3: types.RGB}[CHANNELS]
        image = fn.resize(fn.decoders.image(encoded, output_type=mode), size=[SIDE, SIDE])
        return fn.cast(image, dtype=types.FLOAT) / 255.0

    built = pipeline()
    built.build()
    return measure_stream((len(built.run()[0]) for _ in itertools.count()), seconds, _WARM_UP)


def _split(archive: str, parts: int, folder: Path) -> list[str]:
    """Writes an archive's images into several; returns their paths."""
    from archives import write_tar

    # webdataset uses a name up to its first dot as the key of the example.
    files = [(f'{number:06}.jpg', data) for number, data in enumerate(members_in_memory(archive))]
    paths = [folder / f'{part}.tar' for part in range(parts)]
    for part, path in enumerate(paths):
        write_tar(path, files[part::parts])
    return list(map(str, paths))


CONTENDERS: dict[str, Callable[[str, float], Measured]] = {
    'document': document,
    'exact': functools.partial(ours, decode='exact'),
    'fast': functools.partial(ours, decode='fast'),
    'bare': bare,
    'webdataset': functools.partial(webdataset, decode=exact_pillow, parts=1),
    'webdataset-2': functools.partial(webdataset, decode=exact_pillow, parts=2),
    'webdataset-2-draft': functools.partial(webdataset, decode=draft_pillow, parts=2),
    'webdataset-bytes': webdataset_bytes,
    'stream': stream,
    'stream-fast': functools.partial(stream, decode='fast'),
    'stream-bytes': stream_bytes,
    'webdataset-1-2': one_archive,
    'loader': loader,
    'random-dataset': random_dataset,
    'random-wids': random_wids,
    'random-files': random_files,
    'torchvision': torchvision,
    'tfrecord': tfrecord,
    'dali': dali,
}


def _contender(measure: Callable[[str, float], Measured]) -> Callable[..., Measured]:
    def contender(archive: str, seconds: str, side: str = '128', channels: str = '1') -> Measured:
        global SIDE, CHANNELS
        SIDE, CHANNELS = int(side), int(channels)
        return measure(archive, float(seconds))

    return contender


if __name__ == '__main__':
    run_contender({name: _contender(measure) for name, measure in CONTENDERS.items()})
