"""Compares the frame that is found in random JPEGs with Pillow's own, and decodes them.

    python -m tests.robustness.frame_fuzz --count=1000000

The decoding is done in a process of its own, so that memory that is overwritten ends that one alone and is
counted. Exit status 1 if anything went wrong.
"""

import argparse
import ctypes
import io
import multiprocessing
import platform
import random
import signal
import time
from collections.abc import Sequence

import PIL
from PIL import Image, features

from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.images.fast_decode import decode_image_fast
from estimator_lab.data.images.jpeg import Frame, decode_frame, frame_of
from estimator_lab.data.member import BadExampleError
from tests.robustness.jpeg_streams import random_jpeg, real_jpegs

_MODES = {1: 'L', 3: 'RGB'}
_PIXELS_DECODED = 100_000  # of larger ones only the frames are compared
_SECONDS_ALLOWED = 60
_SHOWN = 5


class Tally(ctypes.Structure):
    """Counts, in memory that a process and its children share.

    Attributes:
      cases: JPEGs that were begun.
      accepted: those in which a frame was found.
      decoded: those that were decoded by way of it.
      refused: those of the accepted that Pillow's own reader does not open, for reasons other than the frame.
      disagreements: other frames or pixels than Pillow's.
    """

    _fields_ = [
        (name, ctypes.c_int64) for name in ('cases', 'accepted', 'decoded', 'refused', 'disagreements')
    ]


def measure(count: int, seed: int) -> tuple[Tally, int]:
    """Runs `count` cases; returns what was counted, and how many of them ended their process."""
    fork = multiprocessing.get_context('fork')
    tally = fork.RawValue(Tally)
    crashes = 0
    while tally.cases < count:
        child = fork.Process(target=_run, args=(tally, count, seed))
        child.start()
        child.join()
        if child.exitcode:
            crashes += 1
            if crashes <= _SHOWN:
                print(f'case {tally.cases - 1}: exit status {child.exitcode}', flush=True)
    return tally, crashes


def _run(tally: Tally, count: int, seed: int) -> None:
    sources = real_jpegs()
    while tally.cases < count:
        number = tally.cases
        tally.cases += 1
        signal.alarm(_SECONDS_ALLOWED)  # ends this process
        data = random_jpeg(sources, random.Random(seed << 40 | number))
        complaint = _compare(data, tally)
        if complaint:
            tally.disagreements += 1
            if tally.disagreements <= _SHOWN:
                print(f'case {number}: {complaint}', flush=True)


def _compare(data: bytes, tally: Tally) -> str:
    """Returns in what the short way and Pillow's own disagree."""
    frame, own = frame_of(data), _opened(data)
    if frame is None:
        if own and _is_small(own.size):
            _outcome(decode_image, data, 16, 16, 3)
        return ''
    tally.accepted += 1
    tally.refused += own is None
    size, mode = (frame.width, frame.height), _MODES[frame.components]
    complaint = _compare_pixels(data, frame, own, tally) if _is_small(size) else ''
    if own and (size, mode) != (own.size, own.mode):
        return f'{size} {mode}, but {own.size} {own.mode} in Pillow'
    return complaint


def _is_small(size: tuple[int, int]) -> bool:
    return size[0] * size[1] <= _PIXELS_DECODED


def _compare_pixels(data: bytes, frame: Frame, own: Image.Image | None, tally: Tally) -> str:
    for channels in _MODES:
        _outcome(decode_image_fast, data, 16, 16, channels)
    image = _outcome(decode_frame, data, frame)
    if image is None:
        return ''
    tally.decoded += 1
    if own is None:
        return ''
    try:
        own.load()
    except Exception as error:
        return f'decoded, but not by Pillow: {error}'
    return '' if image.tobytes() == own.tobytes() else 'other pixels than in Pillow'


def _opened(data: bytes) -> Image.Image | None:
    try:
        return Image.open(io.BytesIO(data), formats=('JPEG',))
    except Exception:  # Pillow raises all sorts over odd metadata
        return None


def _outcome(decode, *arguments):  # type: ignore[no-untyped-def]
    """Returns what the decoder does, None for the errors that it may raise."""
    try:
        return decode(*arguments)
    except (BadExampleError, ValueError):
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what came of the cases that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--count', type=int, default=1_000_000)
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args(arguments)
    print(f'Python {platform.python_version()}, Pillow {PIL.__version__}, libjpeg {features.version("jpg")}')
    started = time.monotonic()
    tally, crashes = measure(given.count, given.seed)
    print(f'{tally.cases} JPEGs, {tally.accepted} accepted, {tally.cases - tally.accepted} declined')
    print(f'{tally.decoded} of the accepted decoded; Pillow itself does not open {tally.refused}')
    print(f'{tally.disagreements} disagreements, {crashes} crashes')
    print(f'{time.monotonic() - started:.0f} s')
    return 1 if tally.disagreements or crashes else 0


if __name__ == '__main__':
    raise SystemExit(main())
