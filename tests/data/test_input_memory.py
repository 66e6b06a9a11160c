"""Small files that stand for much: what a process takes for them, as the system counts it."""

from pathlib import Path

import numpy as np
import pytest
from estimator_lab.data.budget import Budget
from PIL import Image

from estimator_lab.data.images import decode, fast_decode, jpeg
from estimator_lab.data.images.decode import decode_image, shrink_image
from estimator_lab.data.images.fast_decode import decode_image_fast
from estimator_lab.data.member import BadExampleError
from tests.archive_files import encoded, write_tar
from tests.robustness.bombs import images_of, zeros

needs_proc = pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='the system counts no peak')

# Reads all batches of an archive, shuffled or not; prints the megabytes above those before.
READER = """
import os, re, sys
os.cpu_count = lambda: 2
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.order.order import StreamOrder
from estimator_lab.data.packing.pack_input import PackInput
from estimator_lab.data.packing.shards import PackSettings
from estimator_lab.data.pipeline.batches import read_batches
from estimator_lab.data.pipeline.report import InputReport

def peak():
    return int(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]) * 1024 / 1e6

def quiet(line):
    pass

def read(archive, how):
    if how == 'pack':
        try:
            for member in PackInput([archive], PackSettings(1, 8, max_bad_fraction=1), quiet).members():
                pass
        except Exception as error:
            assert 'no image to pack' in str(error), error
        return
    schedule = StreamOrder([archive], 10_000 if how == 'train' else 1).epoch(0)
    for batch in read_batches(schedule, 64, ImageReader(ImageShape(8, 8)), InputReport(quiet)):
        pass

ordinary, bomb, how = sys.argv[1:]
read(ordinary, how)
before = peak()
read(bomb, how)
print(peak() - before)
"""


@pytest.fixture(scope='module')
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bombs')
    zeros(folder / 'zeros.tar', 24, 24 * 10**6)
    images = images_of((2000, 2000))
    half = encoded(Image.new('RGB', (2000, 2000)), 'PNG')[:6_000]
    many = [(f'a/{number}_{name}', data) for number in range(2) for name, data in images.items()]
    write_tar(folder / 'images.tar', many + [(f'b/{number}.png', half) for number in range(20)], 'w:gz')
    write_tar(folder / 'ordinary.tar', [('a/1.png', encoded(Image.new('RGB', (99, 99)), 'PNG'))], 'w:gz')
    return folder


@needs_proc
@pytest.mark.parametrize(
    ('bomb', 'how', 'allowed'),
    [
        # 576 MB of zeros: a budget of those on their way, in training another for the shuffle buffer.
        ('zeros', 'predict', 250),
        ('zeros', 'train', 450),
        ('zeros', 'pack', 250),
        # 4 megapixels each, of which some formats take 64 MB, in three threads at most.
        ('images', 'predict', 300),
    ],
)
def test_peaks(archives, run_python, bomb, how, allowed):
    done = run_python('-c', READER, str(archives / 'ordinary.tar'), str(archives / f'{bomb}.tar'), how)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < allowed


# Decodes large images one after the other in several threads; prints the megabytes above those before.
IN_TURN = """
import re, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from estimator_lab.data import budget
from estimator_lab.data.images.decode import decode_image

def peak():
    return int(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]) * 1024 / 1e6

budget.DECODED._most = 1
data = Path(sys.argv[1]).read_bytes()
before = peak()
with ThreadPoolExecutor(4) as pool:
    for done in [pool.submit(decode_image, data, 8, 8) for _ in range(12)]:
        done.result()
print(peak() - before)
"""


@needs_proc
def test_a_thread_keeps_nothing_of_an_image(run_python, tmp_path):
    (tmp_path / 'alpha.png').write_bytes(images_of((4000, 4000))['alpha.png'])
    done = run_python('-c', IN_TURN, str(tmp_path / 'alpha.png'))
    assert done.returncode == 0, done.stderr
    # RGBA and RGB of 16 megapixels, in four bytes each, are 128 MB, and the system may leave up to 70 MB more
    # to the process; where each thread keeps the blocks of its last image, it is 346.
    assert float(done.stdout) < 256


@pytest.fixture
def weights(monkeypatch):
    """What decoding asks for, in bytes, all of it counted."""
    asked = []
    budget = Budget(10**9)
    take = budget.take
    monkeypatch.setattr(budget, 'take', lambda weight: asked.append(weight) or take(weight))
    monkeypatch.setattr(decode, 'DECODED', budget)
    monkeypatch.setattr(fast_decode, 'DECODED', budget)
    monkeypatch.setattr('estimator_lab.data.budget._LIGHT', 1)
    yield asked
    assert budget.held == 0


SIDE = 800
PIXELS = SIDE * SIDE


@pytest.mark.parametrize(
    ('name', 'each'),
    [
        ('palette.png', 5),  # a number of a colour, and RGB, which Pillow keeps in four bytes
        ('alpha.png', 8),  # RGBA and RGB
        ('deep.png', 3),  # 16 bits and 8
        ('baseline.jpg', 4),
        ('progressive.jpg', 10),  # and three coefficients of two bytes
        ('inks.jpg', 16),
        ('frame.gif', 5),
        ('strip.tif', 8),
        ('lossless.webp', 16),
    ],
)
def test_memory_is_acquired_by_the_header_before_decoding(weights, name, each):
    data = images_of((SIDE, SIDE))[name]
    decode_image(data, 8, 8)
    shrink_image(data, 8, 90)
    assert weights == [PIXELS * each] * 2


def test_a_jpeg_that_the_decoder_scales_takes_less_memory(weights):
    data = images_of((SIDE, SIDE))['baseline.jpg']
    decode_image_fast(data, 8, 8)
    assert weights == [PIXELS // 8**2 * 4 + 8 * 8 * 5]  # and a float and a byte of each pixel wanted


def test_a_bad_image_releases_its_memory(weights):
    data = encoded(Image.effect_noise((SIDE, SIDE), 50), 'PNG')
    with pytest.raises(BadExampleError):
        decode_image(data[: len(data) // 2], 8, 8)
    assert weights == [PIXELS]


def test_an_image_that_needs_too_much_memory_is_rejected_by_its_header(weights, monkeypatch):
    monkeypatch.setattr(decode, 'MAX_BYTES', 16 * PIXELS - 1)
    data = images_of((SIDE, SIDE))['lossless.webp']
    with pytest.raises(BadExampleError, match=r'^800 x 800 pixels in WEBP take more than 10,239,999 bytes'):
        decode_image(data, 8, 8)
    assert weights == []


def test_strips_of_an_image_give_the_pixels_of_the_whole(monkeypatch):
    rng = np.random.default_rng(1)
    alpha = Image.fromarray(rng.integers(0, 256, (50, 40, 4), np.uint8))
    files = [
        encoded(alpha, 'PNG'),
        encoded(alpha.convert('LA'), 'PNG'),
        encoded(alpha.convert('RGB').quantize(200), 'PNG', transparency=7),
        encoded(Image.fromarray(rng.integers(0, 2**16, (50, 40), np.uint16)), 'PNG'),
        encoded(Image.fromarray(rng.integers(0, 2**16, (50, 40), np.int32)), 'TIFF'),
    ]
    whole = [decode_image(data, 30, 30, 3) for data in files]
    monkeypatch.setattr(decode, '_STRIP_PIXELS', 280)  # 7 rows
    for data, pixels in zip(files, whole, strict=True):
        assert np.array_equal(decode_image(data, 30, 30, 3), pixels)


def test_a_jpeg_in_one_pass_is_recognised():
    kinds = images_of((64, 48))
    assert jpeg.frame_of(kinds['baseline.jpg']).in_one_pass
    assert not jpeg.frame_of(kinds['progressive.jpg']).in_one_pass
    # The scan of a sequential JPEG says how many components it holds.
    data = bytearray(kinds['baseline.jpg'])
    scan = data.index(b'\xff\xda')
    data[scan + 4] = 1
    assert not jpeg.frame_of(bytes(data)).in_one_pass
