"""Compares the frames found in random JPEGs with Pillow's, and decodes them.

    python -m tests.robustness.frame_fuzz --count=1000000

A child process decodes, so that overwritten memory ends the child only, and is counted. Exit status 1 if
anything went wrong.
"""

import argparse
import ctypes
import io
import multiprocessing
import random
import signal

from PIL import Image

from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.images.fast_decode import decode_image_fast
from estimator_lab.data.images.jpeg import Frame, decode_frame, frame_of
from estimator_lab.data.member import BadExampleError
from tests.robustness.driver import main
from tests.robustness.jpeg_streams import random_jpeg, real_jpegs

_MODES = {1: 'L', 3: 'RGB'}
_PIXELS_DECODED = 100_000  # larger images only have their frames compared
_SECONDS_ALLOWED = 60
_SHOWN = 5


class Counts(ctypes.Structure):
    """Counts in memory that a process and its children share.

    Attributes:
      cases: JPEGs that were begun.
      accepted: those in which a frame was found.
      decoded: those decoded by means of it.
      refused: the accepted ones that Pillow's own reader does not open, for reasons other than the frame.
      disagreements: other frames or pixels than Pillow's.
    """

    _fields_ = [
        (name, ctypes.c_int64) for name in ('cases', 'accepted', 'decoded', 'refused', 'disagreements')
    ]


def measure(given: argparse.Namespace) -> int:
    """Runs `--count` cases; returns the disagreements and crashes."""
    fork = multiprocessing.get_context('fork')
    counts = fork.RawValue(Counts)
    crashes = 0
    while counts.cases < given.count:
        child = fork.Process(target=_run, args=(counts, given.count, given.seed))
        child.start()
        child.join()
        if child.exitcode:
            crashes += 1
            if crashes <= _SHOWN:
                print(f'case {counts.cases - 1}: exit status {child.exitcode}', flush=True)
    print(f'{counts.cases} JPEGs, {counts.accepted} accepted, {counts.cases - counts.accepted} declined')
    print(f'{counts.decoded} of the accepted decoded; Pillow itself does not open {counts.refused}')
    print(f'{counts.disagreements} disagreements, {crashes} crashes')
    return counts.disagreements + crashes


def _run(counts: Counts, count: int, seed: int) -> None:
    sources = real_jpegs()
    while counts.cases < count:
        number = counts.cases
        counts.cases += 1
        signal.alarm(_SECONDS_ALLOWED)  # ends this process
        data = random_jpeg(sources, random.Random(seed << 40 | number))
        complaint = compare(data, counts)
        if complaint:
            counts.disagreements += 1
            if counts.disagreements <= _SHOWN:
                print(f'case {number}: {complaint}', flush=True)


def compare(data: bytes, counts: Counts) -> str:
    """Returns how our parser and Pillow's disagree; '' if they agree."""
    frame, own = frame_of(data), _opened(data)
    if frame is None:
        if own and _is_small(own.size):
            _outcome(decode_image, data, 16, 16, 3)
        return ''
    counts.accepted += 1
    counts.refused += own is None
    size, mode = (frame.width, frame.height), _MODES[frame.components]
    complaint = _compare_pixels(data, frame, own, counts) if _is_small(size) else ''
    if own and (size, mode) != (own.size, own.mode):
        return f'{size} {mode}, but {own.size} {own.mode} in Pillow'
    return complaint


def _is_small(size: tuple[int, int]) -> bool:
    return size[0] * size[1] <= _PIXELS_DECODED


def _compare_pixels(data: bytes, frame: Frame, own: Image.Image | None, counts: Counts) -> str:
    for channels in _MODES:
        _outcome(decode_image_fast, data, 16, 16, channels)
    image = _outcome(decode_frame, data, frame)
    if image is None:
        return ''
    counts.decoded += 1
    if own is None:
        return ''
    try:
        own.load()
    except Exception as error:  # noqa: BLE001 - Pillow raises all sorts over odd metadata
        return f'decoded, but not by Pillow: {error}'
    return '' if image.tobytes() == own.tobytes() else 'other pixels than in Pillow'


def _opened(data: bytes) -> Image.Image | None:
    try:
        return Image.open(io.BytesIO(data), formats=('JPEG',))
    except Exception:  # noqa: BLE001 - Pillow raises all sorts over odd metadata
        return None


def _outcome(decode, *arguments):  # type: ignore[no-untyped-def]
    """Returns the decoder's result, None for the errors that it may raise."""
    try:
        return decode(*arguments)
    except (BadExampleError, ValueError):
        return None


if __name__ == '__main__':
    main(__doc__, measure, count=(1_000_000, 'JPEGs'))
