"""Parts for Estimators of the user's own: input functions, model functions, losses of style."""

import numpy as np
import pytest

from estimator_lab import api
from estimator_lab.base.keys import to_unit_range
from estimator_lab.data.images.decode import decode_image
from estimator_lab.tf1 import tf
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.input_batches import batches_of as batches
from tests.support.streams import stream_members

pytestmark = [pytest.mark.both, pytest.mark.trains]


def keys(found):
    return [key for features, _ in found for key in features['key']]


def test_an_epoch_has_each_image_once_in_stored_order(archive):
    input_fn = api.input_fn(archive, (8, 8, 1), 5)
    found, members = batches(input_fn), list(stream_members(archive))
    assert input_fn.size == len(members) == 24
    assert [len(ids) for _, ids in found] == [5, 5, 5, 5, 4]
    assert [input_fn.labels[id_] for _, ids in found for id_ in ids] == [one.label for one in members]
    pixels = np.concatenate([features['image'] for features, _ in found])
    wanted = np.stack([decode_image(one.data, 8, 8) for one in members])
    np.testing.assert_array_equal(pixels, to_unit_range(wanted))


def test_epochs_differ_in_order_and_batches_do_not_end_with_them(archive):
    found = batches(api.input_fn(archive, (8, 8, 1), 10, shuffle=True, epochs=2))
    assert [len(ids) for _, ids in found] == [10, 10, 10, 10, 8]
    first, second = keys(found)[:24], keys(found)[24:]
    assert set(first) == set(second) and first != second
    endless = api.input_fn(archive, (8, 8, 1), 10, shuffle=True, epochs=None)
    assert keys(batches(endless, limit=4))[:24] == keys(batches(endless, limit=4))[:24] == first


def test_parts_of_a_split_share_the_vocabulary_and_no_image(archive):
    several = [api.input_fn(archive, (8, 8, 1), split=part) for part in ((0, 0.7), (0.7, 1))]
    assert several[0].labels == several[1].labels
    first, second = (keys(batches(input_fn)) for input_fn in several)
    assert len(set(first) | set(second)) == len(first) + len(second) == 24
    assert [input_fn.size for input_fn in several] == [len(first), len(second)]


def test_labels_that_are_not_in_the_vocabulary_have_no_id(archive):
    (batch,) = batches(api.input_fn(archive, (8, 8, 1), 24, vocabulary=('n000001', 'n000002')))
    assert batch[1].tolist() == [-1] * 6 + [0] * 6 + [1] * 6 + [-1] * 6


def test_without_labels_a_dataset_has_features_alone(tmp_path):
    archive = write_tar(tmp_path / 'a.tar', [(f'{n}.png', encoded(picture(n))) for n in range(3)])
    with pytest.raises(api.FlagError, match='unknown: give vocabulary, or labelled=False'):
        api.input_fn(archive, (8, 8, 1))
    input_fn = api.input_fn(archive, (8, 8, 1), labelled=False)
    (features,) = batches(input_fn)
    assert features['image'].shape == (3, 8, 8, 1) and input_fn.labels == ()


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'batch_size': 0}, 'batch_size=0'),
        ({'batch_size': None}, 'batch_size=None'),
        ({'image_shape': (8, 8)}, 'image_shape'),
        ({'epochs': 0}, 'epochs=0'),
        ({'split': (0.5, 0.5)}, 'split='),
        ({'augment': 'spin'}, 'spin'),
    ],
)
def test_wrong_arguments_are_named(archive, given, message):
    with pytest.raises(api.FlagError, match=message):
        api.input_fn(archive, **{'image_shape': (8, 8, 1), **given})


def test_damage_that_is_found_in_training_stops_it(archive):
    """Estimator would take the end of the input for the end of training."""
    input_fn = api.input_fn(archive, (8, 8, 1), 4, epochs=None)
    archive.write_bytes(archive.read_bytes()[:4000])
    with pytest.raises(tf.errors.OpError, match='DataError'):
        batches(input_fn)


def test_too_many_bad_images_stop_the_input(tmp_path):
    members = [(f'a/n{n % 2}/{n}.png', encoded(picture(n)) if n < 2 else b'none') for n in range(40)]
    input_fn = api.input_fn(write_tar(tmp_path / 'a.tar', members), (8, 8, 1), 4)
    with pytest.raises(tf.errors.OpError, match='bad'):
        batches(input_fn)


@pytest.mark.slow
def test_a_model_function_trains_on_an_input_function(archive, tmp_path):
    train = api.input_fn(archive, (8, 8, 1), 8, shuffle=True, epochs=None)
    params = {'image_shape': (8, 8, 1), 'vocabulary': train.labels, 'filters': 2, 'dense_units': 4}
    config = tf.estimator.RunConfig(str(tmp_path), tf_random_seed=1)
    estimator = tf.estimator.Estimator(api.model_fn('cnn'), config=config, params=params)
    metrics = estimator.train(train, steps=2).evaluate(api.input_fn(archive, (8, 8, 1)))
    assert metrics['global_step'] == 2 and 0 <= metrics['accuracy'] <= 1
