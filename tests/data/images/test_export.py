import numpy as np
import pytest
from PIL import Image

from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.export import decode_batch, image_receiver
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.tf1 import tf
from tests.support.archive_files import encoded, picture

pytestmark = pytest.mark.both

LANCZOS = Image.Resampling.LANCZOS


def decoded(files, shape, **options):
    """What the graph makes of the files: int [n, height, width, channels]."""
    with tf.Graph().as_default(), tf.Session() as session:
        pixels = session.run(decode_batch(tf.constant(files, tf.string), shape, **options))
    assert np.array_equal(pixels, pixels.astype(int))
    return pixels.astype(int)


def distances(files, shape):
    """How far each value is from Pillow's, in [0, 255]."""
    return np.abs(decoded(files, shape) - np.array([decode_image(file, *shape) for file in files], int))


@pytest.mark.parametrize('shape', [ImageShape(20, 20, 1), ImageShape(20, 20, 3), ImageShape(13, 40, 3)])
def test_pixels_are_those_of_pillow(shape):
    # Smaller and larger than wanted, in each direction: the order of the two passes depends on that.
    sizes = [(20, 20), (15, 11), (90, 24), (24, 90), (20, 60), (60, 20), (70, 50), (33, 200)]
    files = [
        encoded(picture(seed, *size), kind, **options)
        for seed, size in enumerate(sizes)
        for kind, options in (
            ('PNG', {}),
            ('JPEG', {'quality': 90}),
            ('JPEG', {'quality': 50, 'subsampling': 0}),
            ('JPEG', {'progressive': True, 'subsampling': 1}),
        )
    ]
    found = distances(files, shape)
    assert found.max() <= 1 and found.mean() < 0.002


def test_a_version_of_pillow_that_scales_the_width_first_always(monkeypatch):
    tall = picture(0, 90, 24)
    wanted = np.array(tall.resize((20, 90), LANCZOS).resize((20, 20), LANCZOS))
    monkeypatch.setattr('estimator_lab.data.images.export.HEIGHT_MAY_COME_FIRST', False)
    assert np.abs(decoded([encoded(tall)], ImageShape(20, 20, 3))[0] - wanted).max() <= 1


def transparent():
    image = picture(3, mode='RGBA')
    image.putalpha(Image.linear_gradient('L').resize(image.size))
    return image


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize(
    ('image', 'kind'),
    [
        (picture(1, mode='L'), 'JPEG'),
        (picture(1, mode='L'), 'PNG'),
        (picture(1, mode='1'), 'PNG'),
        (picture(1).quantize(16), 'PNG'),
        (transparent(), 'PNG'),
        (transparent().convert('LA'), 'PNG'),
        (picture(1), 'BMP'),
        (picture(1).quantize(16), 'GIF'),
    ],
    ids=['grey-jpeg', 'grey-png', 'bits', 'palette', 'alpha', 'grey-alpha', 'bmp', 'gif'],
)
def test_other_kinds_of_images(image, kind, channels):
    assert distances([encoded(image, kind)], ImageShape(9, 9, channels)).max() <= 1


@pytest.mark.parametrize('image', [transparent(), transparent().convert('LA')], ids=['alpha', 'grey-alpha'])
def test_transparency_on_white(image):
    data, shape = encoded(image, 'PNG'), ImageShape(9, 9, 3)
    found = decoded([data], shape, background='white')[0]
    assert np.abs(found - decode_image(data, *shape, background='white')).max() <= 1
    assert np.abs(found - decode_image(data, *shape)).max() > 100


def test_an_empty_batch():
    assert decoded([], ImageShape(9, 9, 3)).shape == (0, 9, 9, 3)


@pytest.mark.parametrize('data', [b'no image', b'', encoded(picture(0))[:60]])
def test_no_image(data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoded([data], ImageShape(9, 9, 1))


def test_a_receiver_has_images_and_what_else_a_model_reads():
    with tf.Graph().as_default():
        latent = tf.placeholder(tf.float32, [None, 5])
        options = ImageOptions(ImageShape(8, 9, 1))
        for more, names in ({}, {'image'}), ({'latent': {'code': latent}}, {'image', 'code'}):
            made = image_receiver(options, False, lambda more=more: more)()
            assert made.features.keys() == names and made.features['image'].shape.as_list() == [None, 8, 9, 1]
            assert made.receiver_tensors_alternatives.keys() == {'pixels', *more}
    assert made.features['code'] is latent
