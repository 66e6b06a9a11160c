import numpy as np
import pytest
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.inference.inceptionism.ascent import Ascent, dream
from estimator_lab.inference.inceptionism.dreams import open_dreamer
from estimator_lab.inference.inceptionism.photo import Photo
from estimator_lab.inference.settings import AscentSettings


@pytest.fixture
def colours(tmp_path):
    """The path of a photo of 40x34 pixels."""
    pixels = np.random.default_rng(1).integers(0, 256, (34, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'photo.png')
    return str(tmp_path / 'photo.png')


def dreamer(trained, label='', steps=None, **settings):
    return open_dreamer(trained, AscentSettings(**settings), label, steps)


def test_a_photo_keeps_its_size_and_its_colours_where_the_network_sees_grey(cnn, colours):
    found = dreamer(cnn, layer='conv2', image=colours, steps=2)
    photo = found.photo()
    assert photo.loses_colour and photo.seen.shape == (1, 34, 40, 1)
    grey = np.asarray(Image.open(colours).convert('L')) / 255
    assert photo.seen[0, :, :, 0] == pytest.approx(grey, abs=1 / 255)
    dreamt = found.dream(photo)
    image = photo.with_change(dreamt.images)
    change = image - photo.pixels[0]
    inside = (image > 0).all(axis=2) & (image < 1).all(axis=2)
    assert np.ptp(change[inside], axis=1).max() < 1e-6 < np.abs(change).mean()


def test_a_network_of_colours_sees_a_grey_photo(vgg):
    photo = Photo(np.full((1, 40, 40, 1), 0.3, np.float32), 3)
    assert not photo.loses_colour and photo.seen.shape == (1, 40, 40, 3)
    found = dreamer(vgg, layer='conv2_1', steps=1).dream(photo)
    assert photo.with_change(found.images).shape == (40, 40, 3)


def test_what_a_network_imagines_for_a_label(cnn):
    found = dreamer(cnn, 'n000002')
    dreamt = found.dream(found.photo())
    assert found.what == 'n000002' and dreamt.images.shape == (1, 8, 8, 1)
    assert dreamt.after > dreamt.before


def test_a_class_is_seen_in_windows_of_a_larger_photo(cnn, colours):
    found = dreamer(cnn, 'n000002', image=colours)
    assert found._ascent((34, 40)).sizes == [(12, 15), (17, 20), (24, 29), (34, 40)]
    with found._view(True) as view:
        still = Ascent([(34, 40)], 10, step_size=0.5, jitter=0)
        dreamt = dream(view, found.photo().seen, 0, [2], still, np.random.default_rng(1))
    assert dreamt.images.shape == (1, 34, 40, 1) and dreamt.after > dreamt.before


def test_an_atlas_has_a_picture_of_each_channel(cnn, gan, monkeypatch):
    monkeypatch.setattr('estimator_lab.inference.inceptionism.dreams.MOST_SIDE', 8)  # one at a time
    images, texts, objectives = dreamer(cnn, layer='conv2', atlas=True, steps=1).atlas(64)
    assert images.shape == (2, 8, 8, 1) and texts == ['0', '1'] and objectives.shape == (2,)
    images, texts, _ = dreamer(cnn, layer='logits', atlas=True, steps=1).atlas(3)
    assert texts == ['n000000', 'n000001', 'n000002'] and not np.allclose(images[0], images[1])
    assert dreamer(gan, layer='conv_1', atlas=True, steps=1).atlas(1)[1] == ['0']


def test_without_a_photo_waves_change_except_for_classes(cnn, vgg, colours):
    def in_waves(trained, label='', **settings):
        return dreamer(trained, label, **settings).in_waves

    assert in_waves(cnn, layer='conv2') and in_waves(vgg, layer='conv2_1', atlas=True)
    assert not in_waves(cnn, layer='conv2', image=colours) and not in_waves(cnn, 'n000002')
    assert not in_waves(cnn, layer='dense') and not in_waves(vgg, layer='logits', atlas=True)


def test_a_dream_in_waves(vgg):
    found = dreamer(vgg, layer='conv2_1', channel=1, size=32, steps=9)
    dreamt = found.dream(found.photo())
    assert dreamt.images.shape == (1, 32, 32, 3)
    assert dreamt.images.min() > 0 and dreamt.images.max() < 1
    assert dreamt.after > 1.1 * dreamt.before


@pytest.mark.parametrize(
    ('which', 'label', 'settings', 'sentence'),
    [
        ('cnn', '', {'layer': 'conv2', 'channel': 2}, '--channel=2 is out of range: conv2 has 2 channels'),
        ('cnn', 'x', {}, '--label=x is unknown to the model; it knows labels such as n000000, '),
        ('vgg', 'n000001', {'layer': 'conv1_1'}, '--label=n000001 looks at the last layer'),
        ('cnn', 'n000001', {'channel': 1}, '--label and --channel exclude each other'),
        ('cnn', 'n000001', {'atlas': True}, '--label and --atlas exclude'),
        ('cnn', '', {'layer': 'conv1', 'atlas': True, 'image': 'x'}, '--image has no meaning for --atlas'),
        ('cnn', '', {'layer': 'conv1', 'size': 9, 'image': 'x'}, '--size=9 has no meaning for --image'),
    ],
)
def test_flags_that_cannot_work_get_a_sentence(request, which, label, settings, sentence):
    with pytest.raises(FlagError, match=sentence):
        dreamer(request.getfixturevalue(which), label, **settings)


def test_an_image_may_be_too_small(cnn, tmp_path):
    Image.new('L', (9, 5)).save(tmp_path / 'small.png')
    with pytest.raises(FlagError, match=r'small.png has 9x5 pixels, but dense of .* needs 8x8 or more'):
        dreamer(cnn, layer='dense', image=str(tmp_path / 'small.png')).photo()


def test_what_is_no_image_gets_a_sentence(cnn, tmp_path):
    path = tmp_path / 'junk.png'
    path.write_bytes(b'junk')
    with pytest.raises(DataError, match=r'--image=\S+junk.png cannot be decoded: not an image'):
        dreamer(cnn, layer='conv1', image=str(path)).photo()
