"""docs/data.md: programs that are killed and go on exactly; the loaders of PyTorch, torchdata and grain."""

import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from estimator_lab.api import dataset
from tests.support.places import ROOT

pytestmark = pytest.mark.slow

NEEDS_PYTORCH = pytest.mark.skipif(not find_spec('torch'), reason='PyTorch is in the extra `bench`')

# The page's program with NumPy in the place of PyTorch: softmax regression by gradient descent with momentum.
WITH_NUMPY = """
import os, sys
from pathlib import Path
import numpy as np
from tests.support.data_loader import DataLoader
from estimator_lab.api import dataset

data_path, checkpoint, workers = sys.argv[1], Path(sys.argv[2], 'checkpoint.pt'), int(sys.argv[3])
data = dataset(data_path, image_shape=(16, 16, 3), augment='mirror')
order = data.order(batch_size=8, epochs=40)
state = {'weights': np.zeros((16 * 16 * 3, len(data.labels))), 'momentum': 0.0, 'step': 0}
if checkpoint.exists():
    state = np.load(checkpoint, allow_pickle=True).item()
    order.load_state_dict(state['data'])
for batch in DataLoader(data, batch_sampler=order, num_workers=workers, collate_fn=data.collate):
    images = batch.data.reshape(len(batch.data), -1) / 255
    scores = np.exp(images @ state['weights'])
    error = scores / scores.sum(1, keepdims=True) - np.eye(len(data.labels))[batch.class_ids]
    state['momentum'] = 0.9 * state['momentum'] + images.T @ error
    state['weights'] = state['weights'] - 0.001 * state['momentum']
    state['step'] += 1
    if state['step'] % 10 == 0:
        state['data'] = order.state_at(state['step'] * 8)
        with checkpoint.with_suffix('.partial').open('wb') as file:
            np.save(file, state)
        os.replace(checkpoint.with_suffix('.partial'), checkpoint)
print(state['step'], 'steps, weights', state['weights'].tolist())
"""


@pytest.fixture(params=['numpy', pytest.param('pytorch', marks=NEEDS_PYTORCH)])
def program(request, tmp_path):
    code = WITH_NUMPY
    if request.param == 'pytorch':
        page = (ROOT / 'docs/data.md').read_text(encoding='utf-8')
        (code,) = re.findall(r'^```python\n(""".*?)^```', page, re.DOTALL | re.MULTILINE)
    path = tmp_path / 'train.py'
    path.write_text(code)
    return path


def started(program, archive, folder, workers):
    folder.mkdir(exist_ok=True)
    words = [sys.executable, program, archive, folder, str(workers)]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)


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
    for _ in range(2):  # the last time after its end, as if it had been killed after its last step
        assert finished(started(program, archive, folder, 2)) == whole


@NEEDS_PYTORCH
@pytest.mark.parametrize('method', ['fork', 'spawn', 'forkserver'])
@pytest.mark.parametrize('persistent', [False, True])
def test_batches_are_the_same_with_any_workers(archive, method, persistent):
    from torch.utils.data import DataLoader

    faces = dataset(archive)
    alone = [[faces[place].key for place in places] for places in faces.order(5, epochs=3)]
    order = faces.order(5, epochs=1)
    options = {'persistent_workers': persistent, 'multiprocessing_context': method}
    loader = DataLoader(faces, batch_sampler=order, collate_fn=faces.collate, num_workers=2, **options)
    assert len(loader) == 5
    whole = [key for places in alone for key in places]
    for number in range(3):
        assert [key for batch in loader for key in batch.keys] == whole[24 * number : 24 * number + 24]
    order.load_state_dict(order.state_at(15))
    assert [key for batch in loader for key in batch.keys] == whole[15:24]


@NEEDS_PYTORCH
@pytest.mark.parametrize('workers', [0, 2])
def test_a_stateful_loader_goes_on(archive, workers):
    loaders = pytest.importorskip('torchdata.stateful_dataloader', reason='torchdata is in the extra `bench`')

    def loader():
        faces = dataset(archive)
        order = faces.order(4, epochs=2)
        options = {'collate_fn': faces.collate, 'num_workers': workers}
        return loaders.StatefulDataLoader(faces, batch_sampler=order, **options)

    whole = [batch.keys for batch in loader()]
    for count in (1, 5, 11):
        first = loader()
        batches = iter(first)
        begun = [next(batches).keys for _ in range(count)]
        second = loader()
        second.load_state_dict(first.state_dict())
        assert begun + [batch.keys for batch in second] == whole


@NEEDS_PYTORCH
def test_a_transform_makes_what_a_loader_collates(archive):
    from torch.utils.data import DataLoader

    pairs = dataset(archive, image_shape=(8, 8, 3), transform=lambda one: (one.data, one.class_id))
    images, ids = next(iter(DataLoader(pairs, batch_sampler=pairs.order(6))))
    assert images.shape == (6, 8, 8, 3) and ids.shape == (6,)


def test_grain_goes_on(archive):
    grain = pytest.importorskip('grain')
    faces = dataset(archive)

    def batches():
        data = grain.MapDataset.source(faces).shuffle(seed=1).repeat(2).batch(8, batch_fn=faces.collate)
        return iter(data.to_iter_dataset())

    whole = [batch.keys for batch in batches()]
    assert sorted(key for keys in whole[:3] for key in keys) == sorted(one.key for one in faces)
    first, second = batches(), batches()
    begun = [next(first).keys for _ in range(4)]
    second.set_state(first.get_state())
    assert begun + [batch.keys for batch in second] == whole


def test_it_reads_without_tensorflow(run_python, archive):
    """In an environment of which the page installs NumPy, Pillow and absl-py: others are out of reach."""
    code = (
        'import sys\n'
        'class Absent:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        "        if name.partition('.')[0] in ('tensorflow', 'tensorboard', 'keras', 'tf_slim'):\n"
        '            raise ImportError(name)\n'
        'sys.meta_path.insert(0, Absent())\n'
        'from estimator_lab.api import dataset, stream\n'
        f'faces = dataset({str(archive)!r}, image_shape=(8, 8, 3))\n'
        f'print(len(faces), faces[1].data.shape, next(stream({str(archive)!r})).label != "")\n'
    )
    done = run_python('-c', code)
    assert (done.stdout, done.stderr) == ('24 (8, 8, 3) True\n', '')
