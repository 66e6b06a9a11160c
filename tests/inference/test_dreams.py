import dataclasses

import numpy as np
import pytest
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.inference import dreams
from estimator_lab.inference.ascent import AscentObjective
from estimator_lab.inference.dreams import Dream, find_layer, from_noise
from estimator_lab.inference.settings import DreamSettings
from tests.support.altered_models import altered

pytestmark = pytest.mark.trains


@pytest.fixture
def colours(tmp_path):
    """The path of a photo of 40x34 pixels."""
    pixels = np.random.default_rng(1).integers(0, 256, (34, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'photo.png')
    return str(tmp_path / 'photo.png')


def dream(run, **settings):
    return dreams.ascend(run, DreamSettings(**settings))


def test_a_photo_keeps_its_size_and_its_colours_where_the_network_sees_grey(cnn, colours):
    photo = dreams.open_photo(colours)
    grey = np.asarray(Image.open(colours).convert('L')) / 255
    assert dreams.seen_by(photo, 1)[0, :, :, 0] == pytest.approx(grey, abs=1 / 255)
    assert dreams.seen_by(photo[..., :1], 3).shape == (1, 34, 40, 3)
    found = dream(cnn, layer='conv2', image=colours, steps=2)
    image = np.asarray(found.picture()).astype(int)
    change = image - np.asarray(Image.open(colours))
    inside = (image > 0).all(axis=2) & (image < 255).all(axis=2)
    assert np.ptp(change[inside], axis=1).max() <= 1 < np.abs(change).mean()
    (note,) = found.notes
    assert note.startswith('the network sees grey: the photo keeps its colours')
    assert found.text().startswith('conv2, 40x34 pixels; objective ')


def test_what_a_network_imagines_for_a_label_also_in_windows_of_a_larger_photo(cnn, colours):
    found = dream(cnn, label='n000002')
    assert found.what == 'n000002' and found.image.size == (8, 8)
    assert found.after > found.before
    assert dream(cnn, label='n000002', image=colours, steps=1).image.size == (40, 34)


def test_an_atlas_has_a_picture_of_each_channel(cnn, monkeypatch):
    monkeypatch.setattr(dreams, 'MOST_SIDE', 8)  # one at a time
    told = []
    with AscentObjective(cnn, find_layer(cnn, 'logits'), by_channel=True) as objective:
        settings = DreamSettings(steps=2)
        before, images, after = from_noise(objective, (8, 8, 1), [0, 1, 2], settings, told.append)
    assert images.shape == (3, 8, 8, 1) and not np.allclose(images[0], images[1])
    assert before.shape == (3,) and (after > before).all()
    assert told == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert dream(cnn, layer='conv2', atlas=True, steps=1).text().startswith('2 channels of conv2')


def test_the_tiles_of_an_atlas_are_in_the_order_of_their_channels(cnn, monkeypatch):
    greys = np.array([0.2, 0.8])

    def known(objective, shape, channels, *others):
        assert channels == [0, 1]
        return np.zeros(2), np.ones((2, *shape)) * greys[:, None, None, None], np.ones(2)

    monkeypatch.setattr(dreams, 'from_noise', known)
    pixels = np.asarray(dream(cnn, layer='conv2', atlas=True).image.convert('L'))
    rows, columns = np.nonzero(np.isin(pixels, [51, 204]))
    tiles = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    middle = [int(part[len(part) // 2, part.shape[1] // 2]) for part in np.array_split(tiles, 2, axis=1)]
    assert middle == [51, 204]


def test_convolutions_see_any_size_and_dense_layers_their_own(cnn, vgg):
    layer = find_layer(cnn, 'dense')
    assert layer.fixed and layer.sides == (8, 8) and layer.channels == 8
    assert not find_layer(cnn, 'pool2').fixed and find_layer(cnn, 'pool2').smallest == 4
    # The layer in the middle, without a name, is a convolution.
    assert find_layer(cnn, None).name == 'conv2' and find_layer(vgg, None).name == 'conv4_2'


@pytest.mark.parametrize(
    ('which', 'settings', 'sentence'),
    [
        ('cnn', {'layer': 'conv2', 'channel': 2}, 'channel=2 is out of range: conv2 has 2 channels'),
        ('cnn', {'label': 'x'}, 'label=x is unknown to the model; it knows labels such as n000000, '),
        ('vgg', {'label': 'n000001', 'layer': 'conv1_1'}, 'label=n000001 looks at the last layer'),
        ('cnn', {'label': 'n000001', 'channel': 1}, 'label and channel exclude each other'),
        ('cnn', {'label': 'n000001', 'atlas': True}, 'label and atlas exclude'),
        ('cnn', {'layer': 'conv1', 'atlas': True, 'image': 'x'}, 'image has no meaning for atlas'),
        ('cnn', {'layer': 'conv1', 'size': 9, 'image': 'x'}, 'size=9 has no meaning for image'),
        ('cnn', {'layer': 'dense', 'size': 5}, 'size=5 has 5x5 pixels, but dense of .* needs 8x8 or more'),
    ],
)
def test_flags_that_cannot_work_get_a_sentence(request, which, settings, sentence):
    with pytest.raises(FlagError, match=sentence):
        dream(request.getfixturevalue(which), **settings)


def test_an_image_may_be_too_small_or_none(cnn, tmp_path):
    Image.new('L', (9, 5)).save(tmp_path / 'small.png')
    with pytest.raises(FlagError, match=r'small.png has 9x5 pixels, but dense of .* needs 8x8 or more'):
        dream(cnn, layer='dense', image=str(tmp_path / 'small.png'))
    (tmp_path / 'junk.png').write_bytes(b'junk')
    with pytest.raises(DataError, match=r'image=\S+junk.png cannot be decoded: not an image'):
        dream(cnn, layer='conv1', image=str(tmp_path / 'junk.png'))


@pytest.mark.parametrize(('settings', 'graphs'), [({}, 1), ({'layer': 'conv1'}, 1), ({'layer': 'dense'}, 2)])
def test_a_dream_builds_a_network_for_any_size_once(cnn, colours, monkeypatch, settings, graphs):
    """A layer of fixed size needs another one."""
    built, network = [], cnn.architecture.network
    architecture = altered(
        cnn.architecture, network=lambda images, *others: built.append(1) or network(images, *others)
    )
    run = dataclasses.replace(cnn, architecture=architecture)
    dream(run, image=colours, steps=1, **settings)
    assert len(built) == graphs


@pytest.mark.parametrize(
    ('before', 'after', 'times'),
    [(0.5, 1.0, ', 2.0 times as much'), (0.0, 1.0, ''), (-2.0, 1.0, ''), (1, 1, '')],
)
def test_how_far_the_objective_has_increased(before, after, times):
    text = Dream(None, 'conv1', Image.new('L', (8, 6)), np.array([before]), np.array([after])).text()
    assert text == f'conv1, 8x6 pixels; objective {before:.4g} at the start, {after:.4g} at the end{times}'
