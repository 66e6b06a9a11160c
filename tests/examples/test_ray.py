"""Training and prediction by a local Ray of two workers, as docs/distributed.md shows them."""

import csv
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from estimator_lab import api
from tests.support.archive_files import small_archive
from tests.support.places import ROOT
from tests.support.small_runs import values_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_spec('ray'), reason="no Ray: pip install '.[ray]'"),
]

# In place of those of examples/ray_train.py; without dropout, whose random numbers depend on the worker.
THEIRS = 'image_size=28, max_steps=200'
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
    return {name: values for name, values in values_in(folder).items() if 'layer' in name}


@pytest.fixture(scope='module')
def shared(tmp_path_factory):
    """An archive, and what the two workers of the example have learned from it."""
    folder = tmp_path_factory.mktemp('ray')
    archive = small_archive(folder)
    example = (ROOT / 'examples/ray_train.py').read_text()
    assert THEIRS in example
    own = ', '.join(f'{name}={value!r}' for name, value in GIVEN.items())
    (folder / 'train.py').write_text(example.replace(THEIRS, f'batch_size=6, {own}'))
    run(folder, 'train.py', archive, folder / 'run')
    return archive, folder / 'run'


def test_two_workers_learn_what_one_process_does(shared, tmp_path):
    archive, trained = shared
    api.fit('mlp', archive, model_dir=tmp_path / 'alone', batch_size=12, **GIVEN)
    alone, together = weights(tmp_path / 'alone'), weights(trained)
    assert alone and alone.keys() == together.keys()
    for name, values in alone.items():
        np.testing.assert_allclose(together[name], values, atol=1e-6, err_msg=name)


def test_a_pool_predicts_what_one_process_does(shared, tmp_path):
    archive, trained = shared
    run(tmp_path, ROOT / 'examples/ray_predict.py', trained, tmp_path / 'out', archive)
    rows = [row for path in (tmp_path / 'out').glob('*.csv') for row in csv.DictReader(path.open())]
    wanted = [row['label'] for row in api.load(trained).predict(archive)]
    assert sorted(row['label'] for row in rows) == sorted(wanted) and len(rows) == 24
