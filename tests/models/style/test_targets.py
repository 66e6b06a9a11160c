import dataclasses

import numpy as np
import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.core.endpoints import published
from estimator_lab.models.style.losses import gram_matrices
from estimator_lab.models.style.model import Params
from estimator_lab.models.style.targets import chosen_layers, make_style_targets, read_styles
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import tf
from tests.support.archive_files import encoded, picture


@pytest.fixture(scope='module')
def styles(tmp_path_factory):
    """A folder of two pictures of 40x50 and 200x60 pixels."""
    folder = tmp_path_factory.mktemp('styles')
    (folder / 'ink.png').write_bytes(encoded(picture(5, 40, 50)))
    (folder / 'oil.jpg').write_bytes(encoded(picture(6, 200, 60), 'JPEG'))
    return folder


def params(**changes):
    return Params(**{'image_shape': (48, 40, 3), **changes})


def test_what_is_frozen_is_what_the_network_computes(vgg_dir, styles):
    """At another size than it was trained with, of two layers by default chosen."""
    asked = params(perceptual=str(vgg_dir), style_image=str(styles / 'ink.png'))
    perceptual_loss, names = make_style_targets(asked)
    assert names == ('ink',) and perceptual_loss.content_layer == 'conv2_1'
    assert list(perceptual_loss.grams) == ['conv1_1', 'conv2_1', 'conv3_2', 'conv4_2']
    pictures = np.random.default_rng(0).random((2, 48, 40, 3)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        maps = perceptual_loss.network.perceive(tf.constant(pictures), ['conv4_2'])['conv4_2']
        session.run(tf.local_variables_initializer())
        found = session.run(maps)
    ink = np.asarray(picture(5, 40, 50), np.float32)[np.newaxis] / 255
    assert np.allclose(found, maps_of(vgg_dir, pictures, 'conv4_2'), rtol=1e-4, atol=1e-3)
    with tf.Graph().as_default(), tf.Session() as session:
        gram = session.run(gram_matrices(tf.constant(maps_of(vgg_dir, ink, 'conv2_1'))))
    assert np.allclose(perceptual_loss.grams['conv2_1'], gram, rtol=1e-3)


def maps_of(model_dir, pictures, layer):
    """The same by the model itself, with its own checkpoint."""
    trained = Trained.open(model_dir)
    resized = dataclasses.replace(trained.params, image_shape=pictures.shape[1:])
    with tf.Graph().as_default() as graph:
        dataclasses.replace(trained, params=resized).predictions({'image': tf.constant(pictures)})
        with trained.session() as session:
            return session.run(published(graph)[layer])


def test_a_cnn_perceives_too(styles, cnn_dir):
    asked = params(image_shape=(48, 40, 1), perceptual=str(cnn_dir), style_image=str(styles))
    loss, names = make_style_targets(asked)
    assert names == ('ink', 'oil') and loss.styles == 2
    assert list(loss.grams) == ['conv1', 'conv2'] and loss.content_layer == 'conv2'


def test_grey_pictures_are_shown_to_a_network_of_colours(vgg_dir, styles, session):
    asked = params(image_shape=(32, 32, 1), perceptual=str(vgg_dir), style_image=str(styles / 'ink.png'))
    loss, _ = make_style_targets(asked)
    maps = loss.network.perceive(tf.ones([1, 32, 32, 1]), ['conv1_1'])
    session.run(tf.local_variables_initializer())
    assert session.run(maps)['conv1_1'].shape == (1, 32, 32, 2)


def test_a_grey_network_is_refused_colours(cnn_dir, styles):
    with pytest.raises(DataError, match='was trained on grey images: name one that'):
        make_style_targets(params(perceptual=str(cnn_dir), style_image=str(styles)))


def test_a_layer_that_there_is_not(vgg_dir, styles):
    for name, value in (('content_layer', 'conv9'), ('style_layers', 'conv1_1+conv9')):
        with pytest.raises(FlagError, match=f"{name}=.*has no layer 'conv9'; it has conv1_1, pool1, conv2_1"):
            make_style_targets(params(perceptual=str(vgg_dir), style_image=str(styles), **{name: value}))


def test_layers_are_chosen_by_the_size_of_their_maps(graph):
    layers = {
        name: tf.placeholder(tf.float32, [None, side, side, 1])
        for name, side in (('a', 32), ('b', 32), ('c', 16), ('d', 8))
    }
    layers['pool'] = tf.nn.max_pool2d(layers['d'], 2, 2, 'SAME')
    assert chosen_layers(layers, params()) == (['b', 'c', 'd'], 'c')
    asked = params(style_layers='pool+a', content_layer='d')
    assert chosen_layers(layers, asked) == (['a', 'pool'], 'd'), 'in the order of the network'
    del layers['a'], layers['b'], layers['c'], layers['d']
    with pytest.raises(DataError, match='has no convolutions: name the folder of model=vgg or cnn'):
        chosen_layers(layers, params(perceptual='runs/mlp'))


def test_pictures_of_styles(styles):
    ink, oil = read_styles(f'{styles / "ink.png"}+{styles / "oil.jpg"}')
    assert (ink.name, oil.name) == ('ink', 'oil')
    assert ink.picture(3, 256).shape == (40, 50, 3), 'a small one keeps its size'
    assert oil.picture(3, 32).shape == (107, 32, 3)
    assert oil.picture(1, 32).shape == (107, 32, 1)
    assert read_styles(str(styles)) == [ink, oil]


def test_what_cannot_be_a_style_or_a_network(styles, tmp_path):
    (tmp_path / 'text.png').write_bytes(b'no picture')
    (tmp_path / 'tiny.png').write_bytes(encoded(picture(1, 31, 40)))
    (tmp_path / 'band.png').write_bytes(encoded(picture(1, 33, 300)))
    (tmp_path / 'empty').mkdir()
    for given, words in (
        ({'style_image': str(tmp_path / 'text.png')}, 'text.png is not a picture: not an image in a known'),
        ({'style_image': str(tmp_path / 'tiny.png')}, 'tiny.png has 40 x 31 pixels: a style needs at least'),
        ({'style_image': str(tmp_path / 'band.png')}, 'band.png has 300 x 33 pixels'),
        ({'style_image': str(tmp_path / 'gone.png')}, "style_image: There is no file '.*gone.png'"),
        ({'style_image': str(tmp_path / 'empty')}, 'empty holds no picture'),
        ({'perceptual': str(tmp_path)}, r'perceptual=.* holds no experiment.json'),
    ):
        with pytest.raises(DataError, match=words):
            make_style_targets(params(**{'style_image': str(styles), **given}))
