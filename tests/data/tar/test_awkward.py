"""Real-world archives: every kind of member and image has a defined outcome.

Long and foreign names, sparse members, links and the size limit are tested in test_extended_headers.py and
test_stream.py; palettes, alpha, 16 bits, animations and decompression bombs in images/test_decode.py.
"""

import gzip
import io
import struct
import sysconfig
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.file_types import is_image_name
from estimator_lab.data.images.decode import _FORMATS, ImageShape, decode_image
from estimator_lab.data.images.fast_decode import decode_image_fast, pixels_or_why
from estimator_lab.data.images.reader import ImageReader
from estimator_lab.data.member import BadExampleError
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.pipeline.batches import read_batches
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.data.tar.index import build_index
from estimator_lab.data.tar.stream import scan_members, stream_members
from tests.archive_files import encoded as encode
from tests.kinds import AnyFile

DECODERS = [decode_image, decode_image_fast]
pytestmark = pytest.mark.filterwarnings('ignore:::PIL')

FILES = AnyFile()


def write_tar(path, files, **options):
    with tarfile.open(path, 'w', **options) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


# Archives.


def standard_test_archive():
    """Python's own awkward archive; its place has changed with 3.13."""
    folder = Path(sysconfig.get_path('stdlib')) / 'test'
    for path in (folder / 'archivetestdata' / 'testtar.tar', folder / 'testtar.tar'):
        if path.exists():
            return path
    pytest.skip('this Python comes without its test folder')
    return None


def test_pythons_own_test_archive_streams_through():
    path = str(standard_test_archive())
    members = list(stream_members(path, kind=FILES))
    with tarfile.open(path, encoding='utf-8', errors='backslashreplace') as archive:
        expected = [(info.name, archive.extractfile(info).read()) for info in archive if info.isreg()]
    assert [(member.name, member.data) for member in members] == expected
    assert len(members) > 15
    assert [entry.name for entry in scan_members(path, kind=FILES)] == [member.name for member in members]
    index = build_index(path, kind=FILES)
    assert [index.member(row).read() for row in range(len(index))] == members
    assert index.damage == ''


def test_member_after_a_global_pax_header_is_found_again(tmp_path):
    path = tmp_path / 'a.tar'
    files = [('a/1.png', picture(10)), ('a/2.png', picture(20))]
    write_tar(path, files, format=tarfile.PAX_FORMAT, pax_headers={'comment': 'of all members'})
    index = build_index(str(path))
    assert [index.member(row).read() for row in range(2)] == list(stream_members(path))
    assert [index.member(row).offset for row in range(2)] == [0, 2048]  # the first one's headers include it


def test_pythons_own_test_archive_has_no_images():
    assert list(stream_members(standard_test_archive())) == []


def picture(grey):
    return encode(Image.new('L', (9, 9), grey))


def examples(archive, expected_bad=0):
    """(key without archive, grey level) of all examples, by the way that training takes."""
    order = open_archives([archive]).order()
    report = InputReport(say=lambda line: None)
    batches = read_batches(order.epoch(0), 4, ImageReader(ImageShape(4, 4)), report)
    found = [
        (key.removeprefix(f'{archive}:'), int(image[0, 0, 0]))
        for batch in batches
        for key, image in zip(batch.keys, batch.arrays['image'], strict=True)
    ]
    assert report.bad == expected_bad
    return found


@pytest.mark.parametrize('mode', ['tar', 'gz'])
def test_duplicate_names_are_an_example_each(tmp_path, mode, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    path = write_tar(
        tmp_path / 'a.tar', [('a/1.png', picture(10)), ('b/2.png', picture(20)), ('a/1.png', picture(30))]
    )
    if mode == 'gz':
        Path(path).write_bytes(gzip.compress(Path(path).read_bytes()))
    assert examples(path) == [('a/1.png', 10), ('b/2.png', 20), ('a/1.png', 30)]


def test_links_are_not_examples_but_their_targets_are(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    path = tmp_path / 'a.tar'
    with tarfile.open(path, 'w') as archive:
        info = tarfile.TarInfo('a/1.png')
        info.size = len(picture(10))
        archive.addfile(info, io.BytesIO(picture(10)))
        for kind in (tarfile.LNKTYPE, tarfile.SYMTYPE):
            link = tarfile.TarInfo(f'b/{kind.decode()}.png')
            link.type, link.linkname = kind, 'a/1.png'
            archive.addfile(link)
    assert examples(str(path)) == [('a/1.png', 10)]


def test_zero_bytes_are_a_bad_image(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    path = write_tar(tmp_path / 'a.tar', [('a/1.png', b''), ('a/2.png', picture(20))])
    assert examples(path, expected_bad=1) == [('a/2.png', 20)]


def test_member_above_the_limit_is_a_bad_image(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr('estimator_lab.data.member.MAX_MEMBER_BYTES', 500)
    path = write_tar(tmp_path / 'a.tar', [('a/1.png', bytes(501)), ('a/2.png', picture(20))])
    assert examples(path, expected_bad=1) == [('a/2.png', 20)]


@pytest.mark.parametrize('format', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_are_keys(tmp_path, monkeypatch, format):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    names = ['d' * 120 + '/' + 'x' * 150 + '.png', 'Zoë/猫.png', 'a/caf\udce9.png']
    files = [(name, picture(10)) for name in names]
    path = write_tar(tmp_path / 'a.tar', files, format=format, encoding='utf-8', errors='surrogateescape')
    assert [key for key, _ in examples(path)] == [*names[:2], 'a/caf\\xe9.png']


# Images: any mode in any format that can hold it.

MODES = [
    '1',
    'L',
    'P',
    'LA',
    'PA',
    'RGB',
    'RGBA',
    'RGBa',
    'La',
    'CMYK',
    'YCbCr',
    'LAB',
    'HSV',
    'I',
    'I;16',
    'F',
]
KINDS = ['JPEG', 'PNG', 'BMP', 'DIB', 'GIF', 'WEBP', 'TIFF', 'PPM', 'TGA', 'ICO', 'PCX', 'JPEG2000']

UNREAD = ('ICO.png',)


def in_every_mode_and_format():
    """(name, data) of everything that Pillow can write."""
    for mode in MODES:
        try:
            image = Image.new(mode, (20, 12))
        except ValueError:
            continue
        for kind in KINDS:
            try:
                yield f'{mode}/{kind}.png', encode(image, kind)
            except (OSError, KeyError, ValueError):
                continue  # it can't hold that mode


@pytest.mark.parametrize('decoder', DECODERS)
def test_every_mode_in_every_format_decodes_or_is_a_bad_image(tmp_path, decoder):
    files = list(in_every_mode_and_format())
    outcomes = {}
    for member in stream_members(write_tar(tmp_path / 'a.tar', files)):
        for channels in (1, 3):
            image = pixels_or_why(decoder, member.data, ImageShape(8, 8, channels))
            if isinstance(image, BadExampleError):
                assert str(image)
                outcomes[member.name] = 'bad'
            else:
                assert (image.shape, image.dtype) == ((8, 8, channels), np.uint8)
                outcomes[member.name] = 'good'
    assert outcomes.keys() == dict(files).keys()
    assert len(outcomes) > 40
    bad = {name for name, outcome in outcomes.items() if outcome == 'bad'}
    # Formats that the package does not read, and floating-point values, which have no known range.
    assert bad == {name for name in outcomes if name.endswith(UNREAD) or name in ('F/TIFF.png', 'F/PPM.png')}
    assert 'F/TIFF.png' in bad


def exif_rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(Image.linear_gradient('L').convert('RGB'), 'JPEG', exif=exif, quality=95)


def sixteen_bit():
    return encode(Image.fromarray(np.full((9, 9), 257 * 100, np.uint16)))


def animated():
    return encode(
        Image.new('L', (9, 9), 100), 'GIF', save_all=True, append_images=[Image.new('L', (9, 9), 9)]
    )


@pytest.mark.parametrize('decoder', DECODERS)
@pytest.mark.parametrize(
    ('data', 'levels'),
    [
        (encode(Image.new('CMYK', (9, 9), (0, 0, 0, 155)), 'JPEG'), (100, 100, 100)),
        (encode(Image.new('CMYK', (9, 9), (0, 0, 0, 155)), 'TIFF'), (100, 100, 100)),
        (encode(Image.new('RGB', (9, 9), (100, 0, 0)).quantize(2)), (100, 0, 0)),
        (encode(Image.new('RGBA', (9, 9), (200, 200, 200, 128))), (100, 100, 100)),
        (encode(Image.new('LA', (9, 9), (200, 128))), (100, 100, 100)),
        (sixteen_bit(), (100, 100, 100)),
        (animated(), (100, 100, 100)),
        (encode(Image.new('L', (9, 9), 100), 'JPEG', quality=95), (100, 100, 100)),
        (encode(Image.new('RGB', (900, 700), (100, 100, 100)), 'JPEG', progressive=True), (100, 100, 100)),
    ],
    ids=['cmyk jpeg', 'cmyk tiff', 'palette', 'alpha', 'grey alpha', '16 bit', 'animated', 'grey', 'large'],
)
def test_colour_of_unusual_images(decoder, data, levels):
    image = decoder(data, 4, 4, 3)
    assert np.abs(image.astype(int) - levels).max() <= 1


@pytest.mark.parametrize('decoder', DECODERS)
def test_exif_orientation_is_ignored(decoder):
    """The gradient runs from black at the top to white at the bottom, as stored."""
    image = decoder(exif_rotated(), 16, 16, 1)[..., 0].astype(int)
    assert image[0].max() < 20
    assert image[-1].min() > 235


def png_that_claims(width, height):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', zlib.compress(bytes(1000))) + chunk(b'IEND', b'')


def jpeg_that_claims(width, height):
    data = encode(Image.new('RGB', (16, 16)), 'JPEG')
    frame = data.index(b'\xff\xc0') + 5
    return data[:frame] + struct.pack('>HH', height, width) + data[frame + 4 :]


@pytest.mark.parametrize('decoder', DECODERS)
@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (png_that_claims(8001, 8000), '8001 x 8000 pixels are more than'),
        (png_that_claims(2**31 - 1, 2**31 - 1), 'decompression bomb'),
        (png_that_claims(70_000, 1), '70000 x 1 pixels are more than'),
        (jpeg_that_claims(65_535, 65_535), '65535 x 65535 pixels are more than'),
        (jpeg_that_claims(8001, 8000), '8001 x 8000 pixels are more than'),
        (jpeg_that_claims(0, 16), '.'),
        (jpeg_that_claims(16, 0), '.'),
        (b'', '0 bytes'),
    ],
)
def test_bombs_and_absurd_sizes_are_bad_images(decoder, data, reason):
    with pytest.raises(BadExampleError, match=reason):
        decoder(data, 8, 8, 1)


@pytest.mark.parametrize('decoder', DECODERS)
def test_longest_allowed_strip(decoder):
    assert decoder(encode(Image.new('L', (65_535, 2), 100)), 4, 4, 1).max() == 100


def test_every_suffix_is_of_a_format_that_is_read():
    known = Image.registered_extensions()
    read = {format for suffix, format in known.items() if is_image_name(f'x{suffix}')}
    assert read <= {*_FORMATS, 'MPO'}  # which is a JPEG at its beginning
    assert read >= {'JPEG', 'PNG', 'GIF', 'WEBP', 'TIFF', 'BMP', 'PPM', 'JPEG2000', 'TGA', 'SGI', 'XPM'}
    unknown = ('.jpe', '.jfif', '.dib', '.qoi', '.dds')
    assert all(is_image_name(f'a.b/c{suffix.upper()}') for suffix in unknown)
    assert not any(map(is_image_name, ('jpg', 'a/.jpg', 'a.jpg/b', 'a.pdf', '__MACOSX/a.jpg', '')))
