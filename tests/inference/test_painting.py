import io

import numpy as np
import pytest
from PIL import Image

from estimator_lab.base.errors import FlagError
from estimator_lab.core import keys
from estimator_lab.data.archives.opened import open_stream
from estimator_lab.data.examples.member import BadExampleError
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.inference import painting
from estimator_lab.inference.painting import painted_batches, upright, with_painting_settings
from estimator_lab.inference.run import Run
from estimator_lab.inference.settings import PaintingSettings
from tests.support.archive_files import encoded, picture

pytestmark = [pytest.mark.trains, pytest.mark.slow]


@pytest.fixture(scope='module')
def trained(style_dir):
    return Run.open(style_dir)


@pytest.fixture(scope='module')
def artist(trained):
    with trained.architecture.painter(trained) as paint:
        yield paint


def photo(height, width, seed=3):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize('size', [(40, 24), (7, 19), (2, 2), (1, 5)])
def test_a_painting_has_its_photos_size(artist, size):
    assert artist(photo(*size)).shape == (*size, 3)


def test_a_photo_may_be_too_large(monkeypatch):
    monkeypatch.setattr(painting, 'MOST_PIXELS', 500)
    assert upright(encoded(picture(1, 20, 25))).size == (25, 20)
    with pytest.raises(BadExampleError, match='it has 30x20 pixels, paintings have up to 500'):
        upright(encoded(picture(1, 20, 30)))


def test_paintings_of_a_folder(trained, tmp_path):
    photos = [picture(1, 20, 30), picture(2, 9, 12, 'L'), picture(3, 10, 11).convert('RGBA')]
    files = {'b.png': b'junk', **dict(zip(('a.png', 'c.png', 'd.png'), map(encoded, photos), strict=True))}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    report = InputReport(IMAGES, lambda line: None)
    found = list(painted_batches(trained, open_stream([str(tmp_path)], IMAGES).order(), report))
    wanted = [[str(tmp_path / name)] if name != 'b.png' else [] for name in sorted(files)]
    assert [batch.keys for batch in found] == wanted
    shapes = [batch.values[keys.PAINTED].shape for batch in found]
    assert shapes == [(1, 20, 30, 3), (0, 1, 1, 3), (1, 9, 12, 3), (1, 10, 11, 3)]
    (bad,) = found[1].bad
    assert bad[:3] == (0, str(tmp_path / 'b.png'), 'not an image in a known format')
    assert (report.seen, report.bad) == (4, 1)


def test_a_photo_is_turned_as_its_camera_was_held():
    image = picture(1, 20, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG', exif=exif, quality=95)
    turned = upright(buffer.getvalue())
    assert turned.size == (20, 30)
    plain = np.asarray(upright(encoded(image, 'JPEG', quality=95)), int)
    assert np.abs(np.rot90(plain, -1) - np.asarray(turned)).max() <= 1


def test_styles_strength_and_colours(trained):
    small = photo(24, 24)
    paintings = {}
    for name, options in {
        'first': {},
        'ink': {'style': 'ink'},
        'oil': {'style': 'oil'},
        'both': {'style': 'ink:1+oil:1'},
        'none': {'strength': 0.0},
        'colours': {'preserve_colour': True},
    }.items():
        paintings[name] = np.asarray(trained.paint(small, **options))
    assert np.array_equal(paintings['first'], paintings['ink'])
    assert np.array_equal(paintings['none'], np.asarray(small))
    assert np.array_equal(trained.paint(np.asarray(small)), paintings['first'])
    for other in ('oil', 'both', 'colours'):
        assert not np.array_equal(paintings['ink'], paintings[other])


def test_settings_that_cannot_work(trained, cnn_dir):
    for options, sentence in (
        ({'style': 'water'}, "style=water: There is no style 'water'; there are: ink, oil."),
        ({'strength': 1.5}, 'strength=1.5 is not allowed'),
        ({'strength': float('nan')}, 'strength=nan is not allowed'),
    ):
        with pytest.raises(FlagError) as error:
            with_painting_settings(trained, PaintingSettings(**options))
        assert sentence in str(error.value)
    classifier = Run.open(cnn_dir)
    assert with_painting_settings(classifier, PaintingSettings()) is classifier
    with pytest.raises(FlagError, match=r'are for paintings, but model_dir=.* holds model=cnn'):
        with_painting_settings(classifier, PaintingSettings(style='ink'))
