"""Small files that stand for much: what a process takes for them, as the system counts it."""

import gzip
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.archive_files import encoded, write_tar

pytestmark = pytest.mark.both

needs_proc = pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='the system counts no peak')

# Reads all batches of an archive, shuffled or not; prints the megabytes above those before.
READER = """
import os, re, sys
os.cpu_count = lambda: 2
from pathlib import Path
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.batches import read_batches
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.pack import PackSettings
from tests.support.pack_files import packing

def peak():
    return int(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]) * 1024 / 1e6

def quiet(line):
    pass

def read(archive, how):
    if how == 'pack':
        try:
            packing([archive], Path(archive + '.packed'), PackSettings(1, 8, max_bad_fraction=1), quiet)
        except Exception as error:
            assert 'no image to pack' in str(error), error
        return
    schedule = open_archives([archive], IMAGES).order(10_000 if how == 'train' else 1).epoch(0)
    reader = ImageReader(ImageOptions(ImageShape(8, 8)))
    for batch in read_batches(schedule, 64, reader, InputReport(IMAGES, quiet)):
        pass

ordinary, bomb, how = sys.argv[1:]
read(ordinary, how)
before = peak()
read(bomb, how)
print(peak() - before)
"""


def images_of(size: tuple[int, int]) -> dict[str, bytes]:
    """Returns intact images of one colour, a few kilobytes each, by file name."""
    palette = Image.new('P', size)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    colour = Image.new('RGB', size, (200, 100, 50))
    return {
        'palette.png': encoded(palette, 'PNG', bits=1, transparency=0),
        'alpha.png': encoded(Image.new('RGBA', size, (9, 9, 9, 9)), 'PNG'),
        'deep.png': encoded(Image.fromarray(np.zeros(size[::-1], np.uint16)), 'PNG'),
        'baseline.jpg': encoded(colour, 'JPEG'),
        'progressive.jpg': encoded(colour, 'JPEG', progressive=True, subsampling='4:4:4'),
        'inks.jpg': encoded(Image.new('CMYK', size), 'JPEG'),
        'frame.gif': encoded(palette, 'GIF'),
        'strip.tif': encoded(colour, 'TIFF', compression='tiff_lzw', tiffinfo={278: size[1]}),
        'lossless.webp': encoded(colour, 'WEBP', lossless=True),
    }


def zeros(path, members, size):
    """Writes a gzip archive of members of zeros; `size` is a multiple of 512."""
    with gzip.open(path, 'wb', compresslevel=1) as file:
        for number in range(members):
            info = tarfile.TarInfo(f'{number % 3}/{number}.png')
            info.size = size
            file.write(info.tobuf())
            for _ in range(size // 512):
                file.write(bytes(512))
        file.write(bytes(1024))


@pytest.fixture(scope='module')
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bombs')
    zeros(folder / 'zeros.tar', 24, 24 * 10**6 // 512 * 512)
    images = images_of((2000, 2000))
    half = encoded(Image.new('RGB', (2000, 2000)), 'PNG')[:6_000]
    many = [(f'a/{number}_{name}', data) for number in range(2) for name, data in images.items()]
    write_tar(folder / 'images.tar', many + [(f'b/{number}.png', half) for number in range(20)], 'w:gz')
    write_tar(folder / 'ordinary.tar', [('a/1.png', encoded(Image.new('RGB', (99, 99)), 'PNG'))], 'w:gz')
    return folder


@pytest.mark.slow
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
from estimator_lab.data.images.decode import decode_image

def peak():
    return int(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]) * 1024 / 1e6

data = Path(sys.argv[1]).read_bytes()
before = peak()
with ThreadPoolExecutor(4) as pool:
    for done in [pool.submit(decode_image, data, 8, 8) for _ in range(12)]:
        done.result()
print(peak() - before)
"""


@pytest.mark.slow
@needs_proc
def test_a_thread_keeps_nothing_of_an_image(run_python, tmp_path):
    (tmp_path / 'alpha.png').write_bytes(images_of((4000, 4000))['alpha.png'])
    done = run_python('-c', IN_TURN, str(tmp_path / 'alpha.png'))
    assert done.returncode == 0, done.stderr
    # RGBA and RGB of 16 megapixels, in four bytes each, are 128 MB, and the system may leave up to 70 MB more
    # to the process; where each thread keeps the blocks of its last image, it is 346.
    assert float(done.stdout) < 256
