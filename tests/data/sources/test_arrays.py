"""Images in memory are examples like those of an archive."""

import numpy as np
import pytest
from PIL import Image

from estimator_lab import api
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.keys import to_bytes, to_unit_range
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.images.augment import Augmentation
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.input_fns import Epochs, archive_input_fn
from estimator_lab.data.sources.arrays import array_source, is_array
from tests.support.archive_files import encoded
from tests.support.input_batches import batches_of

pytestmark = pytest.mark.trains

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (12, 4, 5, 3)).astype(np.uint8)
Y = np.arange(12) % 3


def opened(data):
    return open_archives([array_source(data)], IMAGES)


def batch_of(data, shape, changes=None):
    """Returns the images of an array as a network gets them."""
    archives = opened(data)
    options = ImageOptions(ImageShape(*shape), augmentation=changes).with_floats(archives.has_floats)
    reader = ImageReader(options)
    (features,) = batches_of(
        archive_input_fn(Epochs(archives.order(), len(data)), reader, InputReport(IMAGES))
    )
    return features['image']


def as_png(image):
    """Returns an image as a file of an archive."""
    return encoded(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image))


def test_each_image_is_a_member_with_its_pixels_and_its_label():
    archives = opened((X, Y))
    members = list(archives.order().epoch(0))
    assert [member.label for member in members] == [str(label) for label in Y]
    assert archives.labels == ('0', '1', '2') and archives.total == 12 and archives.has_random_access
    np.testing.assert_array_equal([member.read().data for member in members], X)


@pytest.mark.parametrize('images', [X, X[..., :1]])
@pytest.mark.parametrize('shape', [(4, 5, 3), (4, 5, 1), (7, 3, 3), (7, 3, 1)])
def test_bytes_are_those_of_a_png(images, shape):
    expected = np.stack([decode_image(as_png(image), *shape) for image in images])
    assert np.array_equal(batch_of(images, shape), to_unit_range(expected))


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_floats_keep_their_precision(dtype):
    images = RNG.random((3, 4, 5, 3)).astype(dtype)
    got = batch_of(images, (4, 5, 3))
    assert got.dtype == np.float32 and np.array_equal(got, images.astype(np.float32))


@pytest.mark.parametrize('shape', [(7, 3, 3), (7, 3, 1), (2, 9, 3)])
@pytest.mark.parametrize('channels', [1, 3])
def test_floats_are_scaled_as_bytes_are(shape, channels):
    images = 100 + X[..., :channels] // 4  # the filter overshoots, and bytes are clipped after each pass
    got = batch_of(images / 255, shape)
    # Bytes are rounded after each of the two passes, and once more to grey.
    np.testing.assert_allclose(got, batch_of(images, shape), atol=1.6 / 255)
    assert len(np.unique(got)) > 12 * shape[0] * shape[1] * 0.9
    assert got.min() >= 0 and got.max() <= 1


def test_augmented_floats_have_8_bits():
    images = RNG.random((3, 4, 5, 3))
    got = batch_of(images, (4, 5, 3), Augmentation(mirror=True))
    assert np.array_equal(np.sort(got, axis=2), np.sort(to_unit_range(to_bytes(images)), axis=2))


def test_arrays_are_read_without_a_copy():
    """However many epochs there are, and whether or not the images fit into the cache."""
    (member, *_) = opened(X).order().epoch(0)
    (read,) = ImageReader(ImageOptions(ImageShape(4, 5, 3))).read([member])
    assert np.shares_memory(read, X)


@pytest.mark.slow
@pytest.mark.trains
def test_every_verb_sees_the_floats_that_training_saw_and_training_goes_on(tmp_path):
    """As bytes, all of these images would be black."""
    x, y = RNG.random((24, 8, 8, 1)) * 0.0019, np.where(np.arange(24) % 2, 'white', 'black')
    half = x[:12], y[:12]
    given = {'eval_data': half, 'model_dir': tmp_path / 'm', 'batch_size': 6, 'hparams': 'layers=4'}
    run = api.fit('mlp', (x, y), max_steps=2, say=lambda line: None, **given)
    assert run.labels == ('black', 'white') and run.shape == (8, 8, 1)
    found = run.predict_arrays(x)['probabilities']
    assert len(np.unique(found[:, 0])) > 10
    np.testing.assert_allclose(run.inspect(x[3]).values['probabilities'], found[3], rtol=1e-6)
    assert run.evaluate(half).metrics['loss'] == pytest.approx(run.metrics['loss'])
    said = []
    assert api.fit('mlp', (x, y), max_steps=4, say=said.append, **given).step == 4
    assert not any('data has changed' in line or 'array is' in line for line in said), said
    assert 'accuracy' in run.metrics


def test_equal_arrays_are_recognised():
    given = (X, Y), (X.copy(), Y), (X, Y * 0), (255 - X, Y), (X, ['1', '11'] * 6), (X, ['11', '1'] * 6)
    one, same, *others = (opened(data).identities[0] for data in given)
    assert one == same
    assert len({one.name, *(other.name for other in others)}) == 5, 'so that their keys differ'
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_arrays_are_told_from_paths():
    assert is_array(X) and is_array((X, Y))
    assert not is_array('a.tar') and not is_array(['a.tar', 'b.tar']) and not is_array(())


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (np.zeros((2, 2, 1)), 'An array of images has the shape'),
        (np.zeros((1, 2, 2, 2)), 'An array of images has the shape'),
        (np.zeros((1, 2, 2, 1), str), 'An array of images is uint8 or floats'),
        *((np.full((1, 2, 2, 1), value), 'has pixels in .0, 1., not') for value in (1.5, -0.1, np.nan)),
        ((X, Y[:3]), '12 images need as many labels'),
        ((X, np.eye(12)), r'12 images need as many labels, .n., not an array .12, 12.'),
    ],
)
def test_other_arrays_are_rejected(data, words):
    with pytest.raises(FlagError, match=words):
        array_source(data)


def test_fit_needs_labels_for_a_classifier(tmp_path):
    with pytest.raises(DataError, match=r'has no label: give a pair, \(images, labels\)'):
        api.fit('mlp', X, model_dir=tmp_path / 'm', say=lambda line: None)


@pytest.mark.parametrize(
    ('labels', 'expected'),
    [
        (np.array([b'cat', b'dog'] * 6), ('cat', 'dog')),
        (np.array(['cat', 'dog'] * 6), ('cat', 'dog')),
        (np.array([b'cat', b'dog'] * 6, object), ('cat', 'dog')),
        ([np.str_('cat'), np.int64(3)] * 6, ('3', 'cat')),
        (np.array([np.int64(4), 'cat'] * 6, object), ('4', 'cat')),
    ],
)
def test_labels_are_texts(labels, expected):
    assert opened((X, labels)).labels == expected


@pytest.mark.parametrize('labels', [[None] * 12, np.arange(12) / 2, np.array(['a', None] * 6, object)])
def test_other_labels_are_refused(labels):
    with pytest.raises(FlagError, match=r'A label is a text or a class id, .* not (None|0\.0)\.'):
        array_source((X, labels))


class Tensor:
    """What only looks like an array."""

    def numpy(self):
        return X


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        ([X, Y], 'it is a list of two, not a tuple'),
        (Tensor(), r'it is a Tensor, which \.numpy\(\) makes an array'),
        ((Tensor(), Y), r'it is a Tensor, which \.numpy\(\) makes an array'),
        (np.array(['a.jpg']), r'it is an array of texts, whose list is data\.tolist\(\)'),
        ([], r'it is \[\]'),
        ([X[0], X[1]], 'np.stack makes an array of a list of images'),
    ],
)
def test_what_is_nearly_an_array_is_told_the_way(data, words):
    with pytest.raises(FlagError, match=rf'^data must be paths, an array of images .* tuple .*: {words}\.$'):
        is_array(data)
