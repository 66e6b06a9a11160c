"""Compares an exported model with the trained one: its pixels with Pillow's, its predictions with ours.

    python benchmarks/exported.py --model_dir=runs/photos --data=photos-train.tar

Takes about 1 minute for 2,000 photos at 128x128 on 2 cores. `--model_dir` is any trained model.
"""

import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from archives import stream_members
from runner import command_line, machine

from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.export import decode_batch
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.runs.serving import ENCODED_SIGNATURE, IMAGE_BYTES, export_saved_model
from estimator_lab.tf1 import tf
from tests.input_batches import numpy_input_fn

_BATCH = 32


def main() -> None:
    """Prints the figures."""
    given = command_line(
        __doc__,
        model_dir=(None, 'a trained model'),
        data=(None, 'tar archive of images'),
        images=(2000, 'how many of them'),
    ).parse_args()
    print(machine())
    trained = open_trained(Path(given.model_dir))
    files = [member.data for member in itertools.islice(stream_members(given.data), given.images)]
    started = time.monotonic()
    pillow = np.array([decode_image(data, *trained.shape) for data in files])
    print(f'Pillow           {len(files) / (time.monotonic() - started):,.0f} images/s, one thread')
    _compare_pixels(files, pillow, trained.shape)
    _compare_predictions(files, pillow, trained)


def _compare_pixels(files: Sequence[bytes], pillow: np.ndarray, shape: ImageShape) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        encoded = tf.placeholder(tf.string, [None])
        images = decode_batch(encoded, shape)
        started = time.monotonic()
        found = np.concatenate([session.run(images, {encoded: batch}) for batch in _batches(files)])
        seconds = time.monotonic() - started
    distance = np.abs(found - pillow)
    print(f'in the graph     {len(files) / seconds:,.0f} images/s')
    print(
        f'pixels           {len(files):,} at {"x".join(map(str, shape))}: {distance.mean():.5f} of 255 '
        f'grey levels apart on average, {distance.max():.0f} at most, {(distance == 0).mean():.3%} equal'
    )


def _compare_predictions(files: Sequence[bytes], pillow: np.ndarray, trained: Trained) -> None:
    predictions = list(trained.estimator.predict(numpy_input_fn(pillow, batch_size=_BATCH)))
    with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default(), tf.Session() as session:
        export = export_saved_model(trained, Path(folder))
        signature = tf.saved_model.loader.load(session, ['serve'], str(export)).signature_def[
            ENCODED_SIGNATURE
        ]
        outputs = {name: info.name for name, info in signature.outputs.items()}
        feed = signature.inputs[IMAGE_BYTES].name
        answers: list[Any] = [session.run(outputs, {feed: batch}) for batch in _batches(files)]
    for name in sorted(outputs):
        found = np.concatenate([answer[name] for answer in answers])
        wanted = np.array([prediction[name] for prediction in predictions])
        if found.dtype.kind == 'f':
            print(f'{name:<16} at most {np.abs(found - wanted).max():.6f} apart')
        else:
            print(f'{name:<16} {np.mean(found == wanted):.3%} the same, {len(set(wanted))} different ones')


def _batches(files: Sequence[bytes]) -> Iterator[Any]:
    for first in range(0, len(files), _BATCH):
        yield np.array(files[first : first + _BATCH], object)


if __name__ == '__main__':
    main()
