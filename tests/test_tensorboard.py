"""TensorBoard shows what a run has written: its data by HTTP, and pages in a real Chromium."""

import json
import shutil
import time
import urllib.parse
import urllib.request

import pytest
from tensorboard import program

from tests.support.archive_files import small_archive
from tests.support.chromium import colours, screenshot
from tests.support.small_runs import SMALL, cnn_settings, trained

pytestmark = pytest.mark.trains

LABELS = ['n000000', 'n000001', 'n000002', 'n000003']
SPEEDS = ['examples_per_second', 'global_step/sec']
PICTURES = ['input', 'filters_conv1', 'activation_map_conv2']
LAYERS = ['conv2d', 'max_pooling2d', 'dense', 'dense_1', 'dropout', 'input', 'cross_entropy', 'train']
WEIGHTS = [f'weights/{layer}/kernel' for layer in ('conv1', 'conv2', 'dense', 'logits')]


@pytest.fixture(scope='module')
def logdir(cnn_dir, tmp_path_factory):
    """Two runs: the shared one, and one of another learning rate."""
    folder = tmp_path_factory.mktemp('runs')
    shutil.copytree(cnn_dir, folder / 'first')
    changes = {'batch_size': 12, 'save_summary_steps': 1, 'hparams': f'{SMALL},learning_rate=0.05'}
    trained(cnn_settings(small_archive(tmp_path_factory.mktemp('data')), folder / 'second', **changes))
    return folder


@pytest.fixture(scope='module')
def server(logdir):
    """The address of a TensorBoard that has read both runs."""
    address = launched(logdir)
    end = time.monotonic() + 300
    while len(fetch(address, 'pr_curves/tags')) < 2 or set(fetch(address, 'projector/runs')) < {'first/eval'}:
        assert time.monotonic() < end, 'TensorBoard reads nothing'
        time.sleep(0.2)
    return address


def launched(logdir):
    """Returns the address of a TensorBoard in this process that reads a folder."""
    tensorboard = program.TensorBoard()
    flags = ['--logdir', str(logdir), '--host', '127.0.0.1', '--port', '0', '--load_fast', 'false']
    tensorboard.configure(argv=['tensorboard', *flags])
    return tensorboard.launch().rstrip('/')


def fetch(server, route, post=None, **query):
    url = f'{server}/data/plugin/{route}?{urllib.parse.urlencode(query)}'
    data = None if post is None else json.dumps(post).encode()
    request = urllib.request.Request(url, data, {'Content-Type': 'application/json'})
    with urllib.request.urlopen(request, timeout=300) as answer:
        text = answer.read().decode()
    return json.loads(text) if text.startswith(('[', '{')) else text


@pytest.mark.slow
@pytest.mark.parametrize(
    ('page', 'run', 'tags'),
    [
        ('scalars', 'second', ['accuracy', 'learning_rate', 'loss', *SPEEDS]),
        ('scalars', 'first/eval', ['accuracy', 'dead_units/conv2', 'loss', 'mean_per_class_accuracy']),
        ('images', 'second', [f'images/{name}/image' for name in PICTURES]),
        ('histograms', 'second', ['activations/conv1', 'activations/conv2', 'activations/dense', *WEIGHTS]),
        ('distributions', 'second', ['activations/dense', *WEIGHTS]),
        ('pr_curves', 'first/eval', [f'pr_curves/{label}/0' for label in (*LABELS, 'micro_average')]),
    ],
)
def test_tags(server, page, run, tags):
    assert set(fetch(server, f'{page}/tags')[run]) >= set(tags)


def test_graph(server):
    graph = fetch(server, 'graphs/graph', run='first', conceptual='false')
    for layer in LAYERS:
        assert f'name: "{layer}/' in graph


def test_curves_belong_to_the_last_evaluation(server):
    curves = fetch(server, 'pr_curves/pr_curves', run='first/eval', tag='pr_curves/n000002/0')
    last = curves['first/eval'][-1]
    assert last['step'] == 3
    # At the threshold 0 all 24 images are predicted to have the label, as 6 of them are.
    assert (last['true_positives'][0], last['false_positives'][0]) == (6, 18)
    assert (last['precision'][0], last['recall'][0]) == (0.25, 1.0)


def test_runs_are_compared(server):
    metric = {'group': '', 'tag': 'accuracy'}
    shown = ('learning_rate', 'batch_size', 'steps', 'model', 'augment')
    question = {
        'experimentName': '',
        'allowedStatuses': ['STATUS_UNKNOWN', 'STATUS_SUCCESS', 'STATUS_FAILURE', 'STATUS_RUNNING'],
        'colParams': [
            {'metric': metric, 'includeInResult': True},
            *({'hparam': name, 'includeInResult': True} for name in shown),
        ],
        'startIndex': 0,
        'sliceSize': 10,
    }
    groups = fetch(server, 'hparams/session_groups', post=question)['sessionGroups']
    chosen = [[group['hparams'][name] for name in shown[:3]] for group in groups]
    assert sorted(chosen) == [[0.001, 6, 3], [0.05, 12, 4]]
    for group in groups:
        values = {m['name']['tag']: m['value'] for m in group['metricValues']}
        assert 0 <= values['accuracy'] <= 1
        assert group['hparams']['model'] == 'cnn' and group['hparams']['augment'] == 'none'


def test_a_single_run_has_a_row_with_the_metrics_of_its_evaluations(logdir):
    address = launched(logdir / 'first')
    end = time.monotonic() + 300
    tags = set()
    while 'accuracy' not in tags:
        assert time.monotonic() < end, tags
        time.sleep(0.2)
        found = fetch(address, 'hparams/experiment', post={'experimentName': ''})
        tags = {info['name']['tag'] for info in found.get('metricInfos', ())}
    assert {'loss', 'mean_per_class_accuracy'} <= tags and 'learning_rate' not in tags
    assert found['metricInfos'][0]['name']['tag'] == 'accuracy'
    assert not {'cg_steps', 'damping'} & {info['name'] for info in found['hparamInfos']}


def test_points_of_the_projector(server):
    (points,) = fetch(server, 'projector/info', run='first/eval')['embeddings']
    assert (points['tensorName'], points['tensorShape']) == ('embeddings', [24, 8])
    rows = fetch(server, 'projector/metadata', run='first/eval', name='embeddings').splitlines()
    assert rows[0] == 'label\tkey\tpredicted'
    assert sorted(row.split('\t')[0] for row in rows[1:]) == sorted(LABELS * 6)
    assert all(row.split('\t')[1].split('/')[-2] == row.split('\t')[0] for row in rows[1:])  # its folder


@pytest.mark.parametrize('page', ['timeseries', 'images', 'graphs'])
def test_a_page_is_drawn_by_chromium(server, page, tmp_path):
    picture = screenshot(f'{server}/#{page}', tmp_path / 'page.png')
    below_the_bar = picture.crop((0, 80, picture.width, picture.height))
    assert colours(below_the_bar) > 20
