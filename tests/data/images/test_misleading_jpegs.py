"""JPEGs in which one reader finds another frame than another: before Pillow 13 they overwrote memory."""

import io
import random
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.images import decode
from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.images.jpeg import frame_of
from estimator_lab.data.images.reader import DECODERS
from estimator_lab.data.member import BadExampleError
from tests.archive_files import encoded
from tests.places import ROOT
from tests.robustness import frame_fuzz
from tests.robustness.jpeg_streams import (
    frame_header,
    misread_segment,
    parts_of,
    random_jpeg,
    real_jpegs,
    segment,
)

# Pillow's odd metadata; pytest resets the module's own filter for each test.
pytestmark = pytest.mark.filterwarnings('ignore:::PIL')


def jpeg(width, height):
    return encoded(Image.new('RGB', (width, height), (9, 99, 200)), 'JPEG')


def begun_with(data, *segments):
    """The JPEG with more bytes after its start."""
    return data[:2] + b''.join(segments) + data[2:]


def with_frames(data, *segments):
    """The JPEG with something else in place of its frame."""
    parts = parts_of(data)
    return data[:2] + b''.join(b''.join(segments) if part[1] == 0xC0 else part for part in parts)


SMALL, WIDE = jpeg(16, 16), jpeg(4000, 40)
SMALL_FRAME, WIDE_FRAME = frame_header(16, 16), frame_header(4000, 40)
COMMENT = segment(0xFE, SMALL_FRAME)

# In both decoders and in Pillow these are the wide image, or the small one.
HARMLESS = {
    'frame in a comment': begun_with(WIDE, COMMENT),
    'thumbnail': begun_with(WIDE, segment(0xE1, b'Exif\0\0' + SMALL)),
    'small frame after the scan': WIDE[:-2] + SMALL_FRAME + WIDE[-2:],
    'wide frame after the scan': SMALL[:-2] + WIDE_FRAME + SMALL[-2:],
    'small image after the end': WIDE + SMALL,
    'wide image after the end': SMALL + WIDE,
}
# Each could make a careless reader find the one frame and libjpeg the other.
MISLEADING = {
    'fill byte before a comment': begun_with(WIDE, misread_segment(SMALL_FRAME)),
    'fill byte before application data': begun_with(WIDE, misread_segment(SMALL_FRAME, 0xE0)),
    'fill bytes': begun_with(WIDE, b'\xff\xff\xff', COMMENT),
    'small frame before': begun_with(WIDE, SMALL_FRAME),
    'small frame after': with_frames(WIDE, WIDE_FRAME, SMALL_FRAME),
    'wide frame after': with_frames(SMALL, SMALL_FRAME, WIDE_FRAME),
    'same frame after': with_frames(WIDE, WIDE_FRAME, WIDE_FRAME),
    'wide progressive frame after': with_frames(WIDE, SMALL_FRAME, frame_header(4000, 40, marker=0xC2)),
    'wide arithmetic frame after': with_frames(WIDE, SMALL_FRAME, frame_header(4000, 40, marker=0xC9)),
    'small arithmetic frame before': begun_with(WIDE, frame_header(16, 16, marker=0xC9)),
    'small lossless frame before': begun_with(WIDE, frame_header(16, 16, marker=0xC3)),
    'hierarchical': begun_with(WIDE, frame_header(16, 16, marker=0xDE)),
    'tables alone before': b'\xff\xd8\xff\xd9' + WIDE,
    'frame and end before': b'\xff\xd8' + SMALL_FRAME + b'\xff\xd9' + WIDE,
    'end after the frame': with_frames(WIDE, SMALL_FRAME, b'\xff\xd9\xff\xd8', WIDE_FRAME),
    'second start': begun_with(WIDE, b'\xff\xd8'),
    'second start after the frame': with_frames(WIDE, SMALL_FRAME, b'\xff\xd8', WIDE_FRAME),
    'scan before the frame': begun_with(SMALL, segment(0xDA, b'\1\1\0\0\x3f\0'), WIDE_FRAME),
    'scan without a frame': with_frames(WIDE),
    'length 0': begun_with(WIDE, segment(0xFE, b'', length=0), SMALL_FRAME),
    'length 1': begun_with(WIDE, segment(0xFE, b'', length=1), SMALL_FRAME),
    'frame longer than its components': with_frames(WIDE, segment(0xC0, SMALL_FRAME[4:] + b'\4\x11\0')),
    'frame shorter than its components': with_frames(WIDE, segment(0xC0, SMALL_FRAME[4:-3]), WIDE_FRAME),
    'frame of no components': with_frames(WIDE, frame_header(16, 16, 0), WIDE_FRAME),
    'frame of two components': with_frames(WIDE, frame_header(16, 16, 2)),
    'frame of 4 components': with_frames(WIDE, frame_header(16, 16, 4)),
    'frame of 12 bits': with_frames(WIDE, frame_header(16, 16, bits=12), WIDE_FRAME),
    'frame cut short': with_frames(WIDE, segment(0xC0, SMALL_FRAME[4:9]), WIDE_FRAME),
    'lines defined later': with_frames(WIDE, frame_header(4000, 0), segment(0xDC, b'\0\x28')),
    'restart marker': begun_with(WIDE, b'\xff\xd0', COMMENT),
    'temporary marker': begun_with(WIDE, b'\xff\1', COMMENT),
    'stuffed byte': begun_with(WIDE, b'\xff\0', COMMENT),
    'bytes between segments': begun_with(WIDE, segment(0xFE, b''), b'junk', COMMENT),
    'reserved marker': begun_with(WIDE, segment(0xF0, SMALL_FRAME)),
    'arithmetic conditioning': begun_with(WIDE, segment(0xCC, SMALL_FRAME)),
    'cut in the frame': WIDE[: WIDE.index(b'\xff\xc0') + 12],
    'cut in the tables': WIDE[: WIDE.index(b'\xff\xda') - 5],
}
HOSTILE = HARMLESS | MISLEADING

OUTCOMES = """
import pathlib, sys
from tests.data.images.test_misleading_jpegs import outcomes
for path in map(pathlib.Path, sys.argv[1:]):
    print(path.name, *outcomes(path.read_bytes()), sep='|', flush=True)
"""
WRONG_FRAMES = """
import pathlib, sys
from estimator_lab.data.images.jpeg import Frame, decode_frame
data, place = pathlib.Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
try: decode_frame(data, Frame(16, 16, 3, place))
except ValueError as error: print(error)
"""


def outcomes(data):
    """Mean colours by both decoders, or their errors."""
    found = []
    for decoder in DECODERS.values():
        try:
            found.append(np.mean(decoder(data, 2, 2, 3), axis=(0, 1)).round().tolist())
        except BadExampleError as error:
            found.append(str(error))
    return found


def in_a_process(code, *arguments):
    command = [sys.executable, '-c', code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_they_harm_no_process_and_have_pillows_pixels(tmp_path):
    for name, data in HOSTILE.items():
        (tmp_path / name).write_bytes(data)
    done = in_a_process(OUTCOMES, *(tmp_path / name for name in HOSTILE))
    assert done.returncode == 0, done.stdout + done.stderr
    with mock.patch.object(decode, 'frame_of', return_value=None):
        expected = ['|'.join(map(str, (name, *outcomes(data)))) for name, data in HOSTILE.items()]
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize('name', HARMLESS)
def test_the_frame_is_pillows(name):
    frame = frame_of(HARMLESS[name])
    assert (frame.width, frame.height) == Image.open(io.BytesIO(HARMLESS[name])).size


@pytest.mark.parametrize('name', MISLEADING)
def test_unclear_jpegs_are_left_to_pillow(name):
    assert frame_of(MISLEADING[name]) is None


@pytest.mark.parametrize('name', ['frame in a comment', 'fill byte before a comment', 'small frame before'])
def test_libjpeg_uses_the_frame_that_it_is_given(name, tmp_path):
    """A second frame is an error wherever it is found."""
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    done = in_a_process(WRONG_FRAMES, path, HOSTILE[name].index(SMALL_FRAME))
    assert (done.returncode, done.stdout.splitlines()) == (0, ['cannot decode image data']), done.stderr


def test_frames_in_random_jpegs_are_pillows():
    rng, sources, counts = random.Random(0), real_jpegs(), frame_fuzz.Counts()
    assert not any(frame_fuzz.compare(random_jpeg(sources, rng), counts) for _ in range(1000))
    assert counts.accepted > 100 < counts.decoded


def test_decode_image_decodes_what_the_fast_path_does_not():
    assert decode_image(MISLEADING['fill bytes'], 1, 1, 3)[0, 0].tolist() == pytest.approx(
        [9, 99, 200], abs=2
    )
