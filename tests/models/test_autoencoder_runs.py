"""Autoencoders as the training command runs them."""

import numpy as np
import pytest

from estimator_lab.training.plan import make_plan
from estimator_lab.training.train import train
from tests.support.small_runs import small_settings, values_in

pytestmark = pytest.mark.once


@pytest.fixture
def plan(archive, tmp_path):
    """A run on 24 images of 8x8 pixels in batches of 6."""

    def make(hparams, max_steps):
        run = small_settings(
            'autoencoder', tmp_path, data=[str(archive)], max_steps=max_steps, hparams=hparams
        )
        return make_plan(run, lambda line: None)

    return make


def test_pre_trained_layers_are_unrolled(plan, tmp_path):
    def variables(folder, step):
        return values_in(tmp_path / 'model' / folder, step)

    hparams = 'layers=5-3,pretrain_epochs=0.5,activation=sigmoid'
    assert train(plan(hparams, 5)).step == 5  # two steps a layer, one of fine-tuning
    before, begun, end = variables('pretrain_2', 4), variables('', 4), variables('', 5)
    for layer, mirror in ((1, 2), (2, 1)):
        for name in ('kernel', 'bias'):
            assert np.array_equal(begun[f'layer_{layer}/{name}'], before[f'layer_{layer}/{name}'])
            assert not np.array_equal(begun[f'decoder_{mirror}/{name}'], end[f'decoder_{mirror}/{name}'])
        assert np.array_equal(begun[f'decoder_{mirror}/kernel'], before[f'layer_{layer}/kernel'].T)
        assert np.array_equal(begun[f'decoder_{mirror}/bias'], before[f'layer_{layer}/visible_bias'])
    # Going on saves what it starts from once more: unrolling again would have changed the decoder.
    assert train(plan(hparams, 6)).step == 6
    again = variables('', 5)
    assert all(np.array_equal(again[name], end[name]) for name in end)
