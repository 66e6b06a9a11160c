import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError, with_dashes
from estimator_lab.core.model import FINAL
from estimator_lab.core.params import Pixels, resolve
from estimator_lab.models import dbn
from estimator_lab.models.boltzmann import pretraining
from estimator_lab.tf1 import tf
from estimator_lab.training.plan import make_plan
from estimator_lab.training.train import train
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.small_runs import small_settings, summaries_in, train_run, values_in

pytestmark = pytest.mark.trains

HPARAMS = 'layers=6-5,pretrain_epochs=0.5,head_steps=2,dropout_rate=0,input_dropout_rate=0'


@pytest.fixture
def settings(archive, tmp_path):
    """24 images in batches of 6: half an epoch, 2 steps, for each of two layers, then up to step 7."""

    def make(**changes):
        given = {'data': [str(archive)], 'max_steps': 7, 'hparams': HPARAMS, 'save_summary_steps': 2}
        return small_settings('dbn', tmp_path, **{**given, **changes})

    return make


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A finished run: (result, model_dir, what it said)."""
    folder, lines = tmp_path_factory.mktemp('dbn'), []
    run = small_settings('dbn', folder, max_steps=7, hparams=HPARAMS, save_summary_steps=1)
    return train_run(run, lines.append), run.model_dir, lines


@pytest.mark.slow
def test_phases_share_one_axis_of_steps(trained):
    result, folder, lines = trained
    assert result.step == 7 and 0 <= result.metrics['accuracy'] <= 1
    codes = ('pretrain_1/eval/hidden', 6), ('pretrain_2/eval/hidden', 5), ('eval/embeddings', 5)
    for points, units in codes:
        assert np.loadtxt(folder / f'{points}.tsv').shape == (24, units)
    latest = [tf.train.latest_checkpoint(str(folder / name)) for name in ('pretrain_1', 'pretrain_2', '')]
    assert [Path(path).name for path in latest] == ['model.ckpt-2', 'model.ckpt-4', 'model.ckpt-7']
    phases = [line.split(': ')[1].split(' in ')[0] for line in lines if line.startswith('Phase')]
    assert phases == ['step 0 to 2', 'step 2 to 4', 'step 4 to 7']
    for name, first in (('pretrain_1', 0), ('pretrain_2', 2), ('', 4)):
        hparams = json.loads((folder / name / 'experiment.json').read_text())['hparams']
        assert (hparams['phase'], hparams['first_step']) == (name, first)


def test_each_phase_begins_where_the_one_before_ended(trained):
    _, folder, _ = trained
    first, second = values_in(folder / 'pretrain_1', 2), values_in(folder / 'pretrain_2', 4)
    begun, last = values_in(folder, 4), values_in(folder, 7)
    for name in ('kernel', 'bias', 'visible_bias'):
        assert np.array_equal(first[f'layer_1/{name}'], second[f'layer_1/{name}']), 'the layer below rests'
    for layer in (1, 2):
        for name in ('kernel', 'bias'):
            assert np.array_equal(begun[f'layer_{layer}/{name}'], second[f'layer_{layer}/{name}'])
            assert not np.array_equal(last[f'layer_{layer}/{name}'], second[f'layer_{layer}/{name}'])


def test_the_new_top_layer_learns_first(trained):
    _, folder, _ = trained
    begun, end = values_in(folder, 4), values_in(folder, 7)
    assert not np.array_equal(begun['logits/kernel'], end['logits/kernel'])
    # head_steps=2: of the three steps only the last one reached the layers below. Adam's second moment is
    # then 0.001 g^2 and its first 0.1 g of that one gradient, so that their ratio m^2 / v is 10 in each
    # weight that has one; a head that let all three through would mix three gradients into both.
    moment, square = (end[f'layer_1/kernel/{slot}'] for slot in ('Adam', 'Adam_1'))
    moved = np.abs(moment) > 1e-8
    assert moved.mean() > 0.5
    assert np.allclose(moment[moved] ** 2 / square[moved], 10, rtol=1e-2)
    assert (end['layer_1/kernel'] == begun['layer_1/kernel'])[~moved].all()


@pytest.mark.parametrize(('given', 'steps'), [(0.025, 600), (0, 0), (0.5, 12_000), (1, 1), (600, 600)])
def test_head_steps_below_1_are_a_share_of_fine_tuning(given, steps):
    params = resolve(dbn.Params, {'image_shape': (4, 4, 1), 'head_steps': given, 'train_steps': 24_000})
    assert params.steps_of_head == steps


@pytest.mark.slow
def test_it_goes_on_in_the_phase_where_it_was_killed(settings, trained, tmp_path):
    run = settings()
    for phase in ('pretrain_2:', 'last:'):

        def say(line, phase=phase):
            if line.startswith('Phase') and phase in line:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train_run(run, say)
    train_run(run)
    whole, parts = values_in(trained[1], 7), values_in(run.model_dir, 7)
    for name in whole:
        assert np.allclose(whole[name], parts[name], atol=1e-6), name


def test_without_pretraining_it_is_the_same_network(trained, graph):
    params = resolve(dbn.Params, {'image_shape': (8, 8, 1), 'layers': '6-5', 'pretrain_epochs': 0.0})
    assert [phase.name for phase in dbn.MODEL.phases(params)] == [FINAL]
    dict(dbn.network(tf.zeros([1, 8, 8, 1]), params))
    names = {v.op.name for v in tf.trainable_variables()}
    assert names == {name for name in values_in(trained[1], 7) if re.match(r'(layer_.|logits)/\w+$', name)}


@pytest.mark.slow
def test_machines_pretrain_on_images_without_labels(settings, tmp_path):
    loose = write_tar(tmp_path / 'loose.tar', [(f'{i}.png', encoded(picture(i))) for i in range(12)])
    run = settings(pretrain_data=[str(loose)], max_steps=2, hparams='layers=6,pretrain_epochs=0.5')
    plan = make_plan(run, lambda line: None)
    # 12 images in batches of 6: half an epoch is one step
    assert [phase.last_step for phase in plan.stages] == [1, 2]
    assert train(plan).step == 2


def test_each_phase_is_a_run_of_tensorboard(trained):
    folder = trained[1]
    folders = [folder / phase for phase in ('pretrain_1', 'pretrain_2', '')]
    assert {path.parent for path in folder.rglob('events*')} == {*folders, *(f / 'eval' for f in folders)}
    tags = {tag.removesuffix('/image') for tag in summaries_in(folders[1])}
    assert tags >= {'images/receptive_fields', 'images/reconstruction', 'images/dream', 'activations/layer_2'}


def test_another_length_of_pretraining_does_not_go_on_in_the_same_folder(settings, trained, tmp_path):
    shutil.copytree(trained[1], tmp_path / 'model')
    with pytest.raises(FlagError, match=r'pretrain_epochs=0.5, not 1.0'):
        make_plan(settings(hparams=HPARAMS.replace('0.5', '1.0'), max_steps=20), lambda line: None)


def test_upper_machines_learn_from_units_and_the_top_one_from_their_samples(monkeypatch):
    learned = []

    def head(args, stack):
        return SimpleNamespace(train_spec=lambda: learned.append(args.params))

    monkeypatch.setattr(pretraining, 'MachineHead', head)
    for number in (1, 2, 3):
        params = dbn.Params(phase=f'pretrain_{number}', layers='6-5-4')
        with tf.Graph().as_default():
            dbn.model_fn({}, None, tf.estimator.ModeKeys.TRAIN, {**vars(params), 'image_shape': (2, 2, 1)})
    assert [machine.of_units for machine in learned] == [False, True, True]
    assert [machine.binarize for machine in learned] == [False, False, True]


@pytest.mark.parametrize(
    ('given', 'least'),
    [
        ({}, [3000, 3000, 4500]),
        ({'pretrain_epochs': 2.0}, [0, 0, 4500]),
        ({'pretrain_epochs': dbn.Params.pretrain_epochs}, [0, 0, 4500]),
    ],
)
def test_each_phase_has_a_least_number_of_steps_unless_its_length_is_given(given, least):
    params = resolve(dbn.Params, {'layers': '6-5', **given})
    assert [phase.least_steps for phase in dbn.MODEL.phases(params)] == least
    again = resolve(dbn.Params, vars(params))  # as a model function gets them
    assert [phase.least_steps for phase in dbn.MODEL.phases(again)] == least


@pytest.mark.parametrize(
    ('side', 'hparams', 'warned'),
    [
        *((128, {}, True), (64, {}, False)),
        *((128, {'visible_units': 'gaussian'}, False), (128, {'pretrain_epochs': 0}, False)),
    ],
)
def test_it_warns_of_more_pixels_than_binary_units_learn_from(side, hparams, warned):
    params = resolve(dbn.Params, {'image_shape': (side, side, 1), **hparams})
    words = 'binary units learn little from images of 16,384 values: give a smaller --image_size.'
    assert with_dashes(params.caution()) == (words if warned else '')


def test_its_machines_see_pale_pixels_as_probabilities_from_0_to_1(session):
    given = {'image_shape': (1, 3, 1), 'layers': '2', 'pixels': Pixels(0.8, 1.0), 'phase': 'pretrain_1'}
    seen = dbn.stack_of(resolve(dbn.Params, given)).pixels(tf.reshape([0.8, 0.9, 1.0], [1, 1, 3, 1]))
    assert session.run(seen)[0] == pytest.approx([0, 0.5, 1], abs=1e-6)
