"""--warm_start: which weights are taken from another folder, trained or imported; and which are frozen."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.runs.importing import import_weights
from estimator_lab.runs.record import read_record, write_record
from estimator_lab.training.train import train
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.small_runs import SMALL, cnn_settings, opened, trained, values_in
from tests.support.weight_files import random_values, write_slim

pytestmark = pytest.mark.trains

SHAPE = (32, 32, 3)
NETWORK = {'depth': 11, 'filters': 2}


def vgg_settings(archive, model_dir, warm_start, hparams='', **changes):
    given = {'model': 'vgg', 'image_size': 32, 'channels': 3, 'max_steps': 1, 'warm_start': warm_start}
    network = f'depth=11,filters=2,learning_rate=1e-9{hparams}'
    return cnn_settings(archive, model_dir, **{**given, 'hparams': network, **changes})


def import_network(folder, labels, names=None, **network):
    """Imports random weights of a small VGG into FOLDER/imported; returns them."""
    values = random_values(image_shape=SHAPE, vocabulary=labels, **NETWORK, **network)
    write_slim(folder / 'vgg.ckpt', values)
    import_weights(folder / 'vgg.ckpt', folder / 'imported', 'vgg', {**NETWORK, **network}, SHAPE, names)
    return values


@pytest.mark.slow
def test_frozen_layers_keep_the_weights_they_start_with(archive, tmp_path):
    values = import_network(tmp_path, tuple(f'n{number:06}' for number in range(5)), dense_units=5)

    def chosen(freeze, warm_start='imported', hparams=',dense_units=5', **changes):
        start = tmp_path / warm_start if warm_start else None
        return vgg_settings(archive, tmp_path / 'run', start, hparams, freeze=freeze, **changes)

    with pytest.raises(FlagError, match='freeze=backbone would keep random weights: give warm_start'):
        opened(chosen('backbone', None))
    with pytest.raises(FlagError, match="freeze names the unknown layer 'conv9_1'; did you mean conv"):
        opened(chosen('conv9_1'))
    plan, _ = opened(chosen('conv4_2'))
    found = values_in(train(plan).checkpoint)
    for name, value in values.items():
        layer = name.split('/')[1]
        if not layer.startswith('conv'):
            continue
        is_frozen = layer != 'conv5'
        assert np.array_equal(found[name], value) == is_frozen, name
        assert (f'{name}/Adam' in found) != is_frozen
    with pytest.raises(FlagError, match='was trained with freeze=conv4_2, so that'):
        opened(chosen('', None, max_steps=9))


def test_imported_convolutions_fit_any_size(archive, tmp_path):
    import_network(tmp_path, (), head='pool')
    chosen = vgg_settings(archive, tmp_path / 'run', tmp_path / 'imported', ',head=pool', image_size=40)
    assert len(opened(chosen)[0].warm_start.taken) == 8 * 2, 'a kernel and a bias for each convolution'


def test_imported_weights_are_not_a_run_to_go_on_with(archive, tmp_path):
    labels = tuple(f'n{number:06}' for number in range(4))
    (tmp_path / 'names.txt').write_text('\n'.join(labels))
    import_network(tmp_path, labels, tmp_path / 'names.txt', dense_units=5)
    chosen = vgg_settings(archive, tmp_path / 'imported', None, ',dense_units=5')
    with pytest.raises(FlagError, match=r'holds imported weights, .* give warm_start=\S+imported'):
        opened(chosen)
    chosen = vgg_settings(archive, tmp_path / 'run', tmp_path / 'imported', ',dense_units=5')
    assert opened(chosen)[0].warm_start.new == ()


def test_a_file_is_imported_first(settings, tmp_path):
    (tmp_path / 'vgg.h5').write_bytes(b'')
    with pytest.raises(DataError, match=r'warm_start=\S+vgg.h5 is a file: python -m \S+import_weights'):
        opened(settings(warm_start=tmp_path / 'vgg.h5'))


@pytest.mark.slow
def test_pre_training_need_not_match(archive, tmp_path):
    network = 'activation=sigmoid,layers=6-4'

    def stack(name, more, **changes):
        hparams = f'{network}{more}'
        return cnn_settings(archive, tmp_path / name, model='autoencoder', hparams=hparams, **changes)

    trained(stack('stack', '', max_steps=1))
    record = read_record(tmp_path / 'stack')
    write_record(tmp_path / 'stack', replace(record, hparams={**record.hparams, 'pretrain_epochs': 1.0}))
    plan, _ = opened(stack('run', ',optimizer=lbfgs,memory=3', warm_start=tmp_path / 'stack', max_steps=1))
    layers = ('pixels-6', '6-4', '4-6', '6-pixels')
    assert len(plan.warm_start.taken) == len(layers) * 2 and not plan.warm_start.new


@pytest.mark.slow
def test_warm_start_takes_all_where_the_labels_are_the_same(settings, cnn_dir, tmp_path):
    source = shutil.copytree(cnn_dir, tmp_path / 'source')
    chosen = settings(warm_start=source, hparams=f'{SMALL},learning_rate=1e-9', max_steps=1)
    plan = opened(chosen)[0]
    assert plan.warm_start.new == ()
    result = train(plan)
    before, after = values_in(source), values_in(chosen.model_dir)
    assert (before['global_step'], result.step) == (3, 1)
    assert set(plan.warm_start.taken) == {n for n in after if re.fullmatch(r'[^/]+/(kernel|bias)', n)}
    for name in plan.warm_start.taken:
        assert np.allclose(before[name], after[name], atol=1e-7), name
    shutil.rmtree(source)  # a run that goes on needs it no more
    assert opened(chosen)[0].warm_start is None


@pytest.mark.slow
def test_warm_start_has_a_new_head_for_other_labels(settings, cnn_dir, tmp_path):
    files = [(f'x/{label}/{n}.png', encoded(picture(n))) for label in ('one', 'two') for n in range(3)]
    archive = write_tar(tmp_path / 'two.tar', files)
    hparams = f'{SMALL},learning_rate=1e-9'
    chosen = settings(warm_start=cnn_dir, data=[str(archive)], eval_data=(), hparams=hparams, max_steps=1)
    plan = opened(chosen)[0]
    assert plan.warm_start.new == ('dense_1/kernel', 'dense_1/bias')
    assert str(plan.warm_start) == (
        f'6 variables of {cnn_dir} at step 3: conv2d/kernel, conv2d/bias, conv2d_1/kernel, conv2d_1/bias, '
        'dense/kernel, dense/bias; new: dense_1/kernel, dense_1/bias'
    )
    train(plan)
    before, after = values_in(cnn_dir), values_in(chosen.model_dir)
    assert after['dense_1/kernel'].shape == (8, 2)
    assert np.allclose(before['dense/kernel'], after['dense/kernel'], atol=1e-7)


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'image_size': 12}, r'warm_start=\S+ was trained on images of 8x8x1 .* not 12x12x1'),
        ({'hparams': 'filters=3,dense_units=8'}, r'warm_start=\S+ was made with filters=2, not 3'),
    ],
)
def test_warm_start_from_another_network(settings, cnn_dir, changes, sentence):
    with pytest.raises(FlagError, match=sentence):
        opened(settings(warm_start=cnn_dir, **changes))
