"""Distributed training as people run it: real processes on loopback, each with its TF_CONFIG."""

import itertools
import json
import math
import re
import signal
import time

import pytest

from estimator_lab import train
from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import settings_of
from estimator_lab.data.order import ONLY_WORKER, WorkerShard
from estimator_lab.tf1 import tf
from estimator_lab.training import distribution
from estimator_lab.training.distribution import Role, read_role
from estimator_lab.training.position import CONSUMED
from tests.cluster import Cluster

HPARAMS = 'filters=2,dense_units=8,dropout_rate=0,learning_rate=0.002,learning_rate_schedule=constant'
HOSTS = {
    'chief': ['h0:1'],
    'worker': ['h1:1', 'h2:1'],
    'ps': ['h3:1'],
}


@pytest.fixture
def cluster(archive, tmp_path):
    made = []

    def make(*tasks, **flags):
        every = {
            'data': archive,
            'eval_data': archive,
            'image_size': 8,
            'batch_size': 6,
            'hparams': HPARAMS,
            **flags,
        }
        made.append(Cluster(tmp_path, tasks, [f'--{name}={value}' for name, value in every.items()]))
        return made[-1]

    yield make
    for each in made:
        each.close()


def check_each_image_went_to_one_task(cluster, tasks, images=24):
    """In each epoch, the tasks together read every image once."""
    read, share = [cluster.keys(task) for task in tasks], images // len(tasks)
    epochs = min(map(len, read)) // share
    assert epochs
    everything = sorted(set().union(*read))
    for epoch in range(epochs):
        parts = [keys[epoch * share : (epoch + 1) * share] for keys in read]
        assert sorted(itertools.chain(*parts)) == everything and len(everything) == images


def consumed_in(cluster):
    """Returns how many examples were consumed, by the newest checkpoint."""
    return int(tf.train.load_variable(str(cluster.model_dir), CONSUMED))


def check_it_was_evaluated_and_learned(cluster, task, steps):
    found = re.findall(r'evaluated at step (\d+): .*loss ([\d.]+)', cluster.output(task))
    losses = {int(step): float(loss) for step, loss in found}
    assert max(losses) >= steps
    first, last = min(losses), max(losses)
    # An evaluator that comes late sees the last checkpoint alone; four labels know nothing at ln 4.
    assert losses[last] < (losses[first] if first < last else math.log(4)), losses
    assert list((cluster.model_dir / 'eval').glob('events*'))


def test_parameter_server(cluster):
    run = cluster(
        *('chief', 'worker0', 'ps0', 'evaluator'),
        distribution='parameter_server',
        max_steps=500,
        save_checkpoints_steps=100,
    )
    run.start('ps0', 'chief', 'evaluator', pace=0.05)
    # A worker that looks before the chief has set up the variables would look again after 30 s only.
    run.wait_for(lambda: run.saved_step() >= 0)
    run.start('worker0', pace=0.05)
    assert run.statuses() == {'ps0': 0, 'chief': 0, 'evaluator': 0, 'worker0': 0}, run.outputs()
    assert run.saved_step() >= 500
    first, second = run.keys('chief')[:12], run.keys('worker0')[:12]
    assert sorted([*first, *second]) == sorted(set(run.keys('chief'))) and len(set(first)) == 12
    assert 0 <= consumed_in(run) - 6 * run.saved_step() <= 12, 'but for the steps of others since'
    check_it_was_evaluated_and_learned(run, 'evaluator', 500)
    assert 'evaluated at' not in run.output('chief') and 'Training data' not in run.output('worker0')
    assert 'Task             worker 0 of 1 chief, 1 worker, 1 ps' in run.output('worker0')
    assert len(list(run.model_dir.glob('events*'))) == 1  # the chief's


def test_multi_worker(cluster):
    run = cluster(
        *('chief', 'worker0', 'evaluator'), distribution='multi_worker', epochs=15, save_checkpoints_steps=10
    )
    run.start('chief', 'worker0', 'evaluator')
    assert run.statuses() == {'chief': 0, 'worker0': 0, 'evaluator': 0}, run.outputs()
    assert run.saved_step() == 30  # 15 * 24 images / (2 workers * 6)
    check_each_image_went_to_one_task(run, ['chief', 'worker0'])
    assert consumed_in(run) == 15 * 24
    check_it_was_evaluated_and_learned(run, 'evaluator', 30)
    assert len(list(run.model_dir.glob('events*'))) == 1
    assert not list(run.model_dir.glob('tmp_*')), 'copies of what the chief writes'


@pytest.mark.once
def test_multi_worker_saves_its_last_step(cluster):
    """Also if the worker is told to stop first: it takes part in the chief's steps until that has saved."""
    run = cluster(
        'chief', 'worker0', distribution='multi_worker', max_steps=100_000, save_checkpoints_steps=50_000
    )
    run.start('chief', 'worker0')
    run.wait_for(lambda: len(run.keys('chief')) > 200 * 6)
    for task in ('worker0', 'chief'):
        run.signal(task, signal.SIGTERM)
        time.sleep(0.2)
    assert set(run.statuses().values()) == {130}, run.outputs()
    step = int(re.search(r'Stopped at step (\d+) of 100000', run.output('chief'))[1])
    assert run.saved_step() == step > 100


def test_mirrored(cluster):
    """With one replica: over two logical CPU devices 2.15 takes no step."""
    run = cluster(distribution='mirrored', epochs=8)
    run.start('alone')
    assert run.statuses() == {'alone': 0}, run.outputs()
    assert run.saved_step() == 32  # 8 * 24 images / 6
    assert consumed_in(run) == 8 * 24
    assert len(set(run.keys('alone')[:24])) == 24  # the first evaluation comes later
    check_it_was_evaluated_and_learned(run, 'alone', 32)


@pytest.mark.once
def test_each_task_may_be_killed_and_comes_back(cluster):
    """A worker, the chief, then the parameter server: the others wait for it and go on."""
    run = cluster('chief', 'worker0', 'ps0', max_steps=900, save_checkpoints_steps=20)
    run.start('ps0', 'chief', pace=0.05)
    run.wait_for(lambda: run.saved_step() >= 0)
    run.start('worker0', pace=0.05)

    run.wait_for(lambda: len(run.keys('worker0')) >= 12)
    run.kill('worker0')
    trained = len(run.keys('worker0'))
    run.start('worker0', pace=0.05)
    run.wait_for(lambda: len(run.keys('worker0')) > trained)

    run.wait_for(lambda: run.saved_step() >= 40)
    run.kill('chief')
    step = run.saved_step()
    assert step < 900
    run.start('chief', pace=0.05)
    run.wait_for(lambda: run.saved_step() >= step + 40)
    assert re.findall(r'Training +step (\d+) to 900', run.output('chief')) == ['0', str(step)]

    run.kill('ps0')
    step = run.saved_step()
    assert step < 900
    run.start('ps0')
    assert run.statuses() == {'ps0': 0, 'chief': 0, 'worker0': 0}, run.outputs()
    assert run.saved_step() >= 900


def role(distribution='none', job='chief', index=0, jobs=('chief', 'worker', 'ps')):
    tf_config = {'cluster': {j: HOSTS[j] for j in jobs}, 'task': {'type': job, 'index': index}}
    return read_role(distribution, json.dumps(tf_config))


def test_shares_of_the_images():
    synchronous = role('multi_worker', 'worker', 0, ('chief', 'worker'))
    assert synchronous.shard(12) == WorkerShard(1, 3, 12) and not synchronous.has_own_share
    own = role(job='worker', index=1)
    assert own.shard(24) == WorkerShard(2, 3, 24) and own.has_own_share
    assert role(job='ps').shard(6) == role(job='evaluator').shard(6) == ONLY_WORKER
    for alone in (read_role('none', ''), read_role('mirrored', ''), role(jobs=('chief', 'ps'))):
        assert (alone.shard(6).world_size, alone.workers, alone.has_own_share) == (1, 1, False)


def test_batches_of_a_step():
    """With a strategy each step takes a batch from every replica."""
    with tf.Graph().as_default():  # with eager execution on, the second device would have to exist
        mirrored = tf.distribute.MirroredStrategy(['/cpu:0', '/cpu:1'])
    alone = read_role('mirrored', '')
    vars(alone)['strategy'] = mirrored
    assert alone.batches_a_step == 2
    evaluator = role('multi_worker', 'evaluator', jobs=('chief', 'worker'))
    assert evaluator.strategy is None and evaluator.batches_a_step == 3
    assert role().batches_a_step == 1
    assert role().distribution == 'parameter_server'  # asynchronous


def test_workers_depend_on_parameter_servers_only():
    filters = role(job='worker', index=1).session_config(tf.ConfigProto()).device_filters
    assert list(filters) == ['/job:ps', '/job:worker/task:1']
    assert role(job='evaluator').session_config(tf.ConfigProto()) == tf.ConfigProto()
    assert role().session_config(None) is None


TASK = {'type': 'chief', 'index': 0}
ADDRESSES = (
    *('h:1', None, {}, [1], [['h:1']], ['h'], ['h:0'], ['h:65536'], ['h:-1'], ['h:²'], [f'h:{"9" * 9999}']),
    *([':1'], ['a..b:1'], ['h\n:1'], [f'{"h" * 64}:1'], ['http://h:1']),
)
INDEXES = (2, -1, [0], {}, True, False, 0.0, None, '', '-0', '²', 10**30, '9' * 9999, 'zero')
WRONG = {
    'TF_CONFIG is not JSON: Expecting': ['{'],
    'TF_CONFIG is not JSON: it is nested more than': ['[' * 100_000],
    'TF_CONFIG is not JSON: it has the name': ['{"cluster": {}, "cluster": {}}'],
    'TF_CONFIG is not JSON: it holds NaN': ['{"task": NaN}'],
    'TF_CONFIG must be an object': ['[1]'],
    '"cluster" in TF_CONFIG must be an object': [{'cluster': each} for each in ([1], None, 0, '')],
    "names the job 'master'; known are: chief": [{'cluster': {'master': ['h:1']}}],
    '\'chief\' in TF_CONFIG must be a list of "host:port", with ports from 1 to 65535': [
        {'cluster': {'chief': each}} for each in ADDRESSES
    ],
    'TF_CONFIG must name one chief, not 0': [{'cluster': {'worker': ['h:1']}}],
    'TF_CONFIG must name one chief, not 2': [{'cluster': {'chief': ['h:1', 'h:2']}}],
    "TF_CONFIG names 'h:1' twice": [{'cluster': {'chief': ['h:1'], 'ps': ['h:1']}}],
    "TF_CONFIG names 'p:1' twice": [{'cluster': {'chief': ['h:1'], 'ps': ['p:1', 'p:1']}}],
    'TF_CONFIG must say which task this process is': [{'cluster': HOSTS}, {'cluster': HOSTS, 'task': None}],
    'in TF_CONFIG, which its cluster does not have': [
        {'cluster': HOSTS, 'task': {'type': each, 'index': 0}} for each in ('boss', ['chief'], {}, None)
    ],
    'in TF_CONFIG is not one of its worker tasks': [
        {'cluster': HOSTS, 'task': {'type': 'worker', 'index': each}} for each in INDEXES
    ],
    'in TF_CONFIG is not one of its evaluator tasks': [
        {'cluster': HOSTS, 'task': {'type': 'evaluator', 'index': 1}}
    ],
    'TF_CONFIG names workers but no ps task': [
        {'cluster': {'chief': ['h:1'], 'worker': ['h:2']}, 'task': TASK}
    ],
    'TF_CONFIG says which task this process is, but not of which "cluster"': [
        *({'task': each} for each in (TASK, {'type': 'worker', 'index': 1}, [])),
        {'cluster': {}, 'task': {'index': 'x'}},
    ],
    '"model_dir" in TF_CONFIG has no use here': [{'model_dir': '/elsewhere'}],
    "'service' in TF_CONFIG must be an object, not 3": [{'service': 3}],
    "'session_master' in TF_CONFIG must be text": [{'session_master': ['x']}],
}


def fails(distribution, tf_config, words):
    text = tf_config if isinstance(tf_config, str) else json.dumps(tf_config)
    with pytest.raises(FlagError, match=re.escape(words)) as caught:
        read_role(distribution, text)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400


@pytest.mark.parametrize('words', WRONG)
def test_a_wrong_tf_config_gets_one_sentence(words):
    for tf_config in WRONG[words]:
        fails('none', tf_config, words)


@pytest.mark.parametrize(
    ('distribution', 'tf_config', 'words'),
    [
        ('multi_worker', '', '--distribution=multi_worker needs TF_CONFIG'),
        ('parameter_server', '', '--distribution=parameter_server needs TF_CONFIG'),
        ('parameter_server', {'cluster': {'chief': ['h:1']}, 'task': TASK}, 'at least one ps task'),
        ('multi_worker', {'cluster': HOSTS, 'task': TASK}, 'TF_CONFIG names ps tasks'),
        ('mirrored', {'cluster': HOSTS, 'task': TASK}, 'but TF_CONFIG names a cluster'),
        ('mirored', '', '--distribution=mirored is not allowed: one of none, mirrored'),
    ],
)
def test_a_distribution_that_does_not_fit_the_cluster(distribution, tf_config, words):
    fails(distribution, tf_config, words)


@pytest.mark.parametrize(
    'tf_config',
    [
        {'cluster': {'chief': ['[::1]:1'], 'ps': ['10.0.0.1:65535', 'a-b.c_d.example:0080']}, 'task': TASK},
        {'cluster': {'chief': ['h:1'], 'ps': ['p:1']}, 'task': {'type': 'ps', 'index': '0'}},
        {'cluster': {}, 'task': {'type': 'worker', 'index': 0}, 'environment': 'cloud', 'job': {'any': 1}},
        {'task': {}},
    ],
)
def test_what_tensorflow_accepts_as_well(tf_config, monkeypatch):
    monkeypatch.setenv('TF_CONFIG', json.dumps(tf_config))
    found, config = read_role('none', json.dumps(tf_config)), tf.estimator.RunConfig()
    assert config.is_chief == found.is_chief
    assert config.task_id == found.index
    assert config.cluster_spec.as_dict() == {job: list(tasks) for job, tasks in found.cluster.items()}


@pytest.mark.parametrize('tf_config', ['', '{}'])
def test_an_empty_tf_config_is_none(tf_config, monkeypatch):
    monkeypatch.setenv('TF_CONFIG', tf_config)
    assert read_role('none', tf_config) == Role()
    with read_role('none', tf_config).scope():
        assert tf.estimator.RunConfig().is_chief
    assert read_role('mirrored', tf_config).batches_a_step == 1


def test_the_flag_knows_all_distributions():
    assert settings_of(train.COMMAND.settings)['distribution'].choices == distribution.DISTRIBUTIONS
