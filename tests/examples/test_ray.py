"""Training and prediction by a local Ray of two workers, as docs/distributed.md shows them."""

import csv
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from estimator_lab import api
from tests.support.places import ROOT

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not find_spec('ray'), reason="no Ray: pip install '.[ray]'"),
]

# The loop of examples/ray_train.py, without dropout, whose random numbers depend on the worker.
LOOP = """
import sys
import ray
from ray.train import ScalingConfig
from ray.train.tensorflow import TensorflowTrainer

def train(config):
    from estimator_lab import api
    shared = {{'model_dir': config['folder'], 'distribution': 'multi_worker', 'batch_size': 6}}
    api.fit('mlp', config['data'], **shared, **{given})

ray.init(num_cpus=3, include_dashboard=False, runtime_env={{'env_vars': {{'TF_USE_LEGACY_KERAS': '1'}}}})
config = dict(zip(('data', 'folder'), sys.argv[1:]))
TensorflowTrainer(train, train_loop_config=config, scaling_config=ScalingConfig(num_workers=2)).fit()
"""
GIVEN = {
    'hparams': 'layers=8,dropout_rate=0,input_dropout_rate=0,optimizer=sgd',
    'image_size': 8,
    'max_steps': 20,
}


def run(folder, *arguments):
    """Runs Python with an own folder of Ray."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'RAY_TMPDIR': '/tmp', 'RAY_USAGE_STATS_ENABLED': '0'},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def weights(folder):
    from estimator_lab.tf1 import tf

    reader = tf.train.load_checkpoint(str(folder))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if 'layer' in name}


def test_two_workers_learn_what_one_process_does(archive, tmp_path):
    (tmp_path / 'loop.py').write_text(LOOP.format(given=GIVEN))
    run(tmp_path, 'loop.py', archive, tmp_path / 'shared')
    api.fit('mlp', archive, model_dir=tmp_path / 'alone', batch_size=12, **GIVEN)
    alone, shared = weights(tmp_path / 'alone'), weights(tmp_path / 'shared')
    assert alone and alone.keys() == shared.keys()
    for name, values in alone.items():
        np.testing.assert_allclose(shared[name], values, atol=1e-6, err_msg=name)


def test_the_examples(archive, tmp_path):
    run(tmp_path, ROOT / 'examples/ray_train.py', archive, tmp_path / 'run')
    run(tmp_path, ROOT / 'examples/ray_predict.py', tmp_path / 'run', tmp_path / 'out', archive)
    rows = [row for path in (tmp_path / 'out').glob('*.csv') for row in csv.DictReader(path.open())]
    wanted = [row['label'] for row in api.load(tmp_path / 'run').predict(archive)]
    assert sorted(row['label'] for row in rows) == sorted(wanted) and len(rows) == 24
