"""--warm_start with a file of weights in the place of a folder, and with a folder of imported weights."""

import numpy as np
import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.models.registry import find_model
from estimator_lab.runs.importing import Import, import_weights
from tests.small_runs import cnn_settings, opened, trained, values_in
from tests.weight_files import random_values, write_keras_2, write_slim

SHAPE = (32, 32, 3)
NETWORK = {'depth': 11, 'filters': 2}


def settings(archive, model_dir, warm_start, hparams='', **changes):
    given = {
        'model': 'vgg',
        'image_size': 32,
        'channels': 3,
        'max_steps': 1,
        'hparams': f'depth=11,filters=2,learning_rate=1e-9{hparams}',
        **changes,
    }
    return cnn_settings(archive, model_dir, warm_start=warm_start, **given)


@pytest.mark.parametrize('write', [write_slim, write_keras_2])
def test_all_but_the_last_layer_is_taken_from_a_file(archive, tmp_path, write):
    values = random_values(image_shape=SHAPE, vocabulary=tuple('abcdefg'), dense_units=5, **NETWORK)
    write(tmp_path / 'file', values)
    experiment, _ = opened(settings(archive, tmp_path / 'run', tmp_path / 'file', ',dense_units=5'))
    found, start = values_in(experiment.train().checkpoint), experiment.warm_start
    assert start.new == ('vgg_a/fc8/weights', 'vgg_a/fc8/biases')
    assert len(start.taken) == 20 and 'new: vgg_a/fc8/weights' in str(start)
    assert all(np.allclose(found[name], values[name], atol=1e-6) for name in start.taken)


def test_a_file_without_the_top(archive, tmp_path):
    values = random_values(image_shape=SHAPE, vocabulary=(), head='pool', **NETWORK)
    write_slim(tmp_path / 'vgg.ckpt', values)
    for hparams, new in ((',dense_units=5', 6), (',head=pool', 2)):
        experiment, _ = opened(settings(archive, tmp_path / 'run', tmp_path / 'vgg.ckpt', hparams))
        assert len(experiment.warm_start.taken) == 16 and len(experiment.warm_start.new) == new
    assert not (tmp_path / 'run').exists()


def test_frozen_layers_keep_the_weights_they_start_with(archive, tmp_path):
    values = random_values(image_shape=SHAPE, vocabulary=(), head='pool', **NETWORK)
    write_slim(tmp_path / 'vgg.ckpt', values)

    def chosen(freeze, warm_start='vgg.ckpt', hparams=',head=pool', **changes):
        start = tmp_path / warm_start if warm_start else None
        return settings(archive, tmp_path / 'run', start, hparams, freeze=freeze, **changes)

    for wrong, words in [
        (chosen('backbone', None), '--freeze=backbone would keep random weights: give --warm_start'),
        (
            chosen('fc6', hparams=',dense_units=5'),
            r'--freeze=fc6 would keep random weights, as \S+ lacks vgg_a/fc6',
        ),
        (chosen('conv9_1'), "--freeze names the unknown layer 'conv9_1'; did you mean conv"),
    ]:
        with pytest.raises(FlagError, match=words):
            opened(wrong)
    experiment, _ = opened(chosen('conv4_2'))
    found = values_in(experiment.train().checkpoint)
    for name, value in values.items():
        is_frozen = name.split('/')[1] != 'conv5'
        assert np.array_equal(found[name], value) == is_frozen, name
        assert (f'{name}/Adam' in found) != is_frozen
    with pytest.raises(FlagError, match='was trained with --freeze=conv4_2, so that'):
        opened(chosen('', None, max_steps=9))
    with pytest.raises(FlagError, match='--model=cnn has no layers that can be frozen'):
        opened(cnn_settings(archive, tmp_path / 'cnn', freeze='backbone'))


def test_imported_convolutions_fit_any_size(archive, tmp_path):
    values = random_values(image_shape=SHAPE, vocabulary=(), head='pool', **NETWORK)
    write_slim(tmp_path / 'vgg.ckpt', values)
    given = Import(tmp_path / 'vgg.ckpt', find_model('vgg'), {**NETWORK, 'head': 'pool'}, SHAPE)
    import_weights(given, tmp_path / 'imported')
    chosen = settings(archive, tmp_path / 'run', tmp_path / 'imported', ',head=pool', image_size=40)
    assert len(opened(chosen)[0].warm_start.taken) == 16


def test_imported_weights_are_not_a_run_to_go_on_with(archive, tmp_path):
    labels = tuple(f'n{number:06}' for number in range(4))
    (tmp_path / 'names.txt').write_text('\n'.join(labels))
    network = {**NETWORK, 'dense_units': 5}
    write_slim(tmp_path / 'vgg.ckpt', random_values(image_shape=SHAPE, vocabulary=labels, **network))
    given = Import(tmp_path / 'vgg.ckpt', find_model('vgg'), network, SHAPE, tmp_path / 'names.txt')
    import_weights(given, tmp_path / 'imported')
    chosen = settings(archive, tmp_path / 'imported', None, ',dense_units=5')
    with pytest.raises(FlagError, match=r'holds imported weights, .* give --warm_start=\S+imported'):
        opened(chosen)
    chosen = settings(archive, tmp_path / 'run', tmp_path / 'imported', ',dense_units=5')
    assert opened(chosen)[0].warm_start.new == ()


def test_a_file_of_another_network(archive, tmp_path):
    write_keras_2(tmp_path / 'file', random_values(image_shape=SHAPE, vocabulary=(), head='pool', **NETWORK))
    chosen = settings(archive, tmp_path / 'run', tmp_path / 'file', ',head=pool,batch_norm=true')
    with pytest.raises(DataError, match=r'^--warm_start=\S+file cannot be used .*: it holds .block1_conv1/'):
        opened(chosen)


def test_pre_training_need_not_match(archive, tmp_path):
    network = 'activation=sigmoid,layers=6-4'

    def stack(name, hparams, **changes):
        hparams = f'{network},{hparams}'
        return cnn_settings(archive, tmp_path / name, model='autoencoder', hparams=hparams, **changes)

    trained(stack('stack', 'pretrain_epochs=1', max_steps=None, epochs=1))
    second_order = 'optimizer=lbfgs,memory=3'
    experiment, _ = opened(stack('run', second_order, warm_start=tmp_path / 'stack', max_steps=1))
    assert len(experiment.warm_start.taken) == 8 and not experiment.warm_start.new
    assert experiment.train().step == 1
