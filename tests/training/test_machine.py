"""What a run checks of its machine before it opens any data, and how checkpoints are timed."""

import json

import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.training import run
from estimator_lab.training.run import open_run
from estimator_lab.training.settings import Settings

CLUSTER = {'chief': ['127.0.0.1:2222'], 'worker': ['127.0.0.1:2223']}


def opened(tmp_path, **settings):
    return open_run(Settings(model_dir=tmp_path / 'model', data=['/nothing.tar'], **settings), print)


@pytest.mark.parametrize(
    ('flags', 'sentence'),
    [
        ({'communication': 'ring'}, '--communication=ring has no use without --distribution=multi_worker'),
        (
            {'save_checkpoints_steps': 5, 'save_checkpoints_seconds': 5},
            '--save_checkpoints_steps and --save_checkpoints_seconds exclude each other',
        ),
    ],
)
def test_what_cannot_work_gets_one_sentence(tmp_path, flags, sentence):
    with pytest.raises(FlagError, match=sentence):
        opened(tmp_path, **flags)


@pytest.mark.parametrize(
    ('flags', 'sentence'),
    [
        ({'communication': 'nccl'}, '--communication=nccl needs GPUs'),
        ({'save_checkpoints_seconds': 5}, 'multi_worker, whose processes save after the same step'),
    ],
)
def test_what_synchronous_workers_cannot_do(tmp_path, monkeypatch, flags, sentence):
    monkeypatch.setenv('TF_CONFIG', json.dumps({'cluster': CLUSTER, 'task': {'type': 'chief', 'index': 0}}))
    monkeypatch.setattr(run, 'gpus', list)
    with pytest.raises(FlagError, match=sentence):
        opened(tmp_path, distribution='multi_worker', **flags)
