"""What the first look at some training images shows, and what a run says of it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.examples.member import MAX_MEMBER_BYTES, Member
from estimator_lab.data.images.decode import GREY, ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.runs.trained import Trained
from estimator_lab.training import plan
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.small_runs import cnn_settings, opened, trained
from tests.support.streams import stream_members

BLACK = 'all pixels of the first 6 images are black'
BACKGROUND = f'{BLACK}; transparent images are placed on black: --background=white'


def settings(tmp_path, images, **changes):
    files = [(f'{n % 2}/{n}.png', encoded(image)) for n, image in enumerate(images)]
    return cnn_settings(write_tar(tmp_path / 'x.tar', files), tmp_path / 'model', **changes)


def icons():
    """Black squares on transparency."""
    for n in range(6):
        icon = Image.new('RGBA', (16, 16), (0, 0, 0, 0))
        icon.paste((0, 0, 0, 255), (n, n, n + 5, n + 8))
        yield icon


def looked(chosen):
    return IMAGES.look(chosen, stream_members(chosen.data[0]))


def test_black_icons_are_said_to_need_a_background(tmp_path):
    black = settings(tmp_path, icons(), max_steps=1)
    assert f'Warning: {BACKGROUND}.' in trained(black)[1]
    white = settings(tmp_path, icons(), background='white')
    assert looked(white).caution == ''
    assert looked(settings(tmp_path, [Image.new('L', (9, 9))] * 6)).caution == f'Warning: {BLACK}.'
    alike = looked(settings(tmp_path, [Image.new('L', (9, 9), 90)] * 2))
    assert alike.caution == 'Warning: all pixels of the first 2 images are of one value.'
    assert alike.pixels.deviation == 0.05, 'nothing is divided by 0'


@pytest.mark.slow
def test_a_run_keeps_its_background(tmp_path):
    chosen = settings(tmp_path, icons(), background='white', model='mlp', hparams='layers=4')
    trained(chosen)
    reader = Trained.open(tmp_path / 'model').reader
    (pixels, *_) = reader.read(list(stream_members(chosen.data[0])))
    assert pixels[-1, -1, 0] == 255 and pixels[1, 1, 0] < 100


@pytest.mark.parametrize(('tint', 'is_coloured'), [(1.0, True), (0.1, False)])
def test_colour_images_are_said_to_be_read_as_grey(tmp_path, monkeypatch, tint, is_coloured):
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 200, (6, 9, 9, 1)) + np.zeros(3)
    grey[:, 2:5, 2:5] += tint * np.array([50, 0, 20])
    images = [Image.fromarray(pixels.astype(np.uint8)) for pixels in grey]
    chosen = settings(tmp_path, images)
    look = looked(chosen)
    assert bool(look.caution) == is_coloured
    assert looked(settings(tmp_path, images, channels=3)).caution == ''
    said = opened(chosen)[1]
    line = 'Images are in colour, and are read as grey: --channels=3 keeps their colours.'
    assert (line in said) == is_coloured
    monkeypatch.setattr(plan, 'faces_folder', lambda: tmp_path)
    built_in = Path(chosen.data[0]).replace(tmp_path / 'train.tar')
    assert line not in opened(dataclasses.replace(chosen, data=(str(built_in),)))[1]


def test_the_mean_image_and_the_range(tmp_path):
    images = [picture(n) for n in range(6)]
    look = looked(settings(tmp_path, images, image_size=24))
    resized = [image.resize((24, 24), Image.Resampling.LANCZOS) for image in images]
    low, high = look.pixels.low, look.pixels.high
    mean = np.mean([np.asarray(one) @ GREY for one in resized], 0) / 255
    assert look.mean_image[..., 0] == pytest.approx((mean - low) / (high - low), abs=1e-5)
    assert look.pixels.mean == pytest.approx((mean.mean() - low) / (high - low), abs=1e-5)


# Of 8x8 pixels, 48 are a frame of 200, and 16 are bits. With bits of 0 or 200, 7/8 of all pixels are bright:
# their variance is 7/64 of 200 squared, and that of the bits, 1/4 for a quarter of the pixels, is 4/64. With
# bits of 0 or 24, the variance is about 3/16 of 188 squared, 6627, of which the bits have 144/4: 0.005.
@pytest.mark.parametrize(('bright', 'is_alike'), [(200, False), (24, True)])
@pytest.mark.parametrize('brightness', [0, 40])
def test_images_that_hardly_differ_are_alike(tmp_path, bright, is_alike, brightness):
    rng = np.random.default_rng(1)
    framed = np.full((40, 8, 8), 200)
    framed[:, 2:6, 2:6] = bright * rng.integers(0, 2, (40, 4, 4))
    framed += rng.integers(0, brightness + 1, (40, 1, 1))
    images = [Image.fromarray(pixels.astype(np.uint8)) for pixels in framed]
    look = looked(settings(tmp_path, images, model='recurrent', image_size=8))
    expected = np.std((framed - framed.mean(0)) / 255)
    assert look.pixels.deviation * (look.pixels.high - look.pixels.low) == (
        pytest.approx(max(expected, 0.05), abs=0.002) if is_alike else 0
    )


def test_16_bit_files_with_few_used_bits_are_read_as_floats(tmp_path):
    levels = np.random.default_rng(1).integers(0, 1024, (6, 8, 8)).astype(np.uint16)
    chosen = settings(tmp_path, map(Image.fromarray, levels))
    plan, _ = opened(chosen)
    assert (plan.params.pixels.low, plan.params.pixels.high) == pytest.approx((0, 1023 / 65535), abs=1e-4)
    reader = plan.reader
    batch = reader.collate(reader.read(list(stream_members(chosen.data[0]))))['image']
    assert batch.dtype == np.float32 and batch[..., 0] == pytest.approx(levels / 65535, abs=1e-6)
    assert not opened(settings(tmp_path, [picture(n) for n in range(6)]))[0].reader.options.floats


def test_16_bit_files_of_four_levels_are_seen(tmp_path):
    """Fewer than 8 levels counted as one grey: an mlp guessed where 9 of 10 can be recognised."""
    levels = np.random.default_rng(1).integers(118, 122, (6, 8, 8)).astype(np.uint16)
    pixels = looked(settings(tmp_path, map(Image.fromarray, levels))).pixels
    assert (pixels.low, pixels.high) == pytest.approx((118 / 65535, 121 / 65535), rel=1e-4)
    rounded = looked(settings(tmp_path, map(Image.fromarray, np.minimum(levels, 119)))).pixels
    assert (rounded.low, rounded.high) == (0, 1)


def test_images_that_cannot_be_decoded_show_nothing(tmp_path):
    path = write_tar(tmp_path / 'x.tar', [('a/1.png', b'bad'), ('b/2.png', b'bad')])
    look = looked(cnn_settings(path, tmp_path / 'model'))
    assert (look.pixels, look.caution) == (None, '')


def test_a_member_that_claims_too_much_is_a_bad_example_among_images_in_memory():
    reader = ImageReader(ImageOptions(ImageShape(2, 3, 1)))
    images = [
        Member('', '0', data=np.full((2, 3, 1), 7, np.uint8)),
        Member('x', 'y', size=MAX_MEMBER_BYTES + 1),
    ]
    pixels, bad = reader.read(images)
    assert pixels.tolist() == [[[7]] * 3] * 2 and str(bad).startswith(
        f'it claims {MAX_MEMBER_BYTES + 1} bytes'
    )
