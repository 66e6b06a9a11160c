"""docs/stream.md: programs that are killed and go on exactly; PyTorch's loaders with workers and states."""

import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from tests.support.places import ROOT

pytestmark = pytest.mark.once

NEEDS_PYTORCH = pytest.mark.skipif(not find_spec('torch'), reason='PyTorch is in the extra `bench`')

# The page's program with NumPy in the place of PyTorch: softmax regression by gradient descent with momentum.
WITH_NUMPY = """
import os, sys
from pathlib import Path
import numpy as np
from tests.support.data_loader import DataLoader
from estimator_lab.api import stream

data_path, checkpoint, workers = sys.argv[1], Path(sys.argv[2], 'checkpoint.pt'), int(sys.argv[3])
data = stream(data_path, image_shape=(16, 16, 3), batch_size=8, epochs=40, augment='mirror')
state = {'weights': np.zeros((16 * 16 * 3, len(data.labels))), 'momentum': 0.0, 'step': 0}
if checkpoint.exists():
    state = np.load(checkpoint, allow_pickle=True).item()
    data.load_state_dict(state['data'])
for batch in DataLoader(data, batch_size=None, num_workers=workers):
    images = batch.data.reshape(len(batch.data), -1) / 255
    scores = np.exp(images @ state['weights'])
    error = scores / scores.sum(1, keepdims=True) - np.eye(len(data.labels))[batch.class_ids]
    state['momentum'] = 0.9 * state['momentum'] + images.T @ error
    state['weights'] = state['weights'] - 0.001 * state['momentum']
    state['step'] += 1
    if state['step'] % 10 == 0:
        state['data'] = data.state_at(state['step'] * 8)
        with checkpoint.with_suffix('.partial').open('wb') as file:
            np.save(file, state)
        os.replace(checkpoint.with_suffix('.partial'), checkpoint)
print(state['step'], 'steps, weights', state['weights'].tolist())
"""


def stream(*arguments, **options):
    from estimator_lab.api import stream

    return stream(*arguments, **options)


@pytest.fixture(params=['numpy', pytest.param('pytorch', marks=NEEDS_PYTORCH)])
def program(request, tmp_path):
    code = WITH_NUMPY
    if request.param == 'pytorch':
        page = (ROOT / 'docs/stream.md').read_text(encoding='utf-8')
        (code,) = re.findall(r'^```python\n(""".*?)^```', page, re.DOTALL | re.MULTILINE)
    path = tmp_path / 'train.py'
    path.write_text(code)
    return path


def loader_of(data, **options):
    from torch.utils.data import DataLoader

    return DataLoader(data, batch_size=None, **options)


def started(program, archive, folder, workers):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, program, archive, folder, str(workers)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return output


def test_the_program_is_killed_and_goes_on_exactly(program, archive, tmp_path):
    whole = finished(started(program, archive, tmp_path / 'whole', 0))
    assert whole.startswith('120 steps')
    folder = tmp_path / 'killed'
    checkpoint = folder / 'checkpoint.pt'
    for workers in (0, 2, 1):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = started(program, archive, folder, workers)
        while process.poll() is None and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert finished(started(program, archive, folder, 2)) == whole


@NEEDS_PYTORCH
def test_batches_are_the_same_with_any_number_of_workers(archive):
    def keys(workers, state=None):
        data = stream(archive, batch_size=5, epochs=2)
        if state:
            data.load_state_dict(state)
        return [batch.keys for batch in loader_of(data, num_workers=workers)]

    alone = keys(0)
    assert len(alone) == 10 and sum(map(len, alone)) == 48
    for workers in (1, 3):
        assert keys(workers) == alone
    assert keys(2, stream(archive).state_at(15)) == alone[3:]


@NEEDS_PYTORCH
@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_workers_go_on_after_what_was_yielded_before(archive, method):
    whole = [batch.keys for batch in stream(archive, batch_size=4)]
    data = stream(archive, batch_size=4)
    next(data)
    loader = loader_of(data, num_workers=2, multiprocessing_context=method)
    assert [batch.keys for batch in loader] == whole[1:]


@NEEDS_PYTORCH
@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('in_batches', [True, False])
def test_a_stateful_loader_goes_on(archive, workers, in_batches):
    loaders = pytest.importorskip('torchdata.stateful_dataloader', reason='torchdata is in the extra `bench`')

    def loader():
        data = stream(archive, batch_size=4 if in_batches else None, epochs=2)
        return loaders.StatefulDataLoader(data, batch_size=None if in_batches else 4, num_workers=workers)

    def keys(batch):
        return list(batch.keys if in_batches else batch.key)

    whole = [keys(batch) for batch in loader()]
    first = loader()
    batches = iter(first)
    begun = [keys(next(batches)) for _ in range(5)]
    state = first.state_dict()
    second = loader()
    second.load_state_dict(state)
    assert begun + [keys(batch) for batch in second] == whole
