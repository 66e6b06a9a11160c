"""What a process of a cluster reads from TF_CONFIG, waits for, and ends at, without TensorFlow's servers."""

import json
import re
import socket
import threading
import time
from dataclasses import replace

import pytest

from estimator_lab.base.errors import FlagError, LabError
from estimator_lab.base.interrupts import Interrupted, StopSwitch
from estimator_lab.base.shares import EVERY, Slice
from estimator_lab.data.archives.opened import Identity
from estimator_lab.runs.record import InputRecord, Record
from estimator_lab.tf1 import tf
from estimator_lab.training import watch as watching
from estimator_lab.training.cluster import Cluster, check_agreement, read_cluster
from estimator_lab.training.watch import Watch
from tests.support.cluster import free_ports

pytestmark = pytest.mark.trains

TASKS = {'chief': ['h0:1'], 'worker': ['h1:1', 'h2:1'], 'ps': ['h3:1']}
WITHOUT_PS = {job: TASKS[job] for job in ('chief', 'worker')}
CHIEF = {'type': 'chief', 'index': 0}


@pytest.fixture
def read(monkeypatch):
    def make(tf_config, distribution='none'):
        text = tf_config if isinstance(tf_config, str) else json.dumps(tf_config)
        monkeypatch.setenv('TF_CONFIG', text)
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
        return read_cluster(distribution)

    return make


@pytest.mark.parametrize(
    ('tf_config', 'words'),
    [
        ('{', 'Expecting property name'),
        *((text, f'it is {text}, not an object such as ') for text in ('[1]', '[]', 'null', '""', '3')),
        *(({'cluster': wrong}, 'its cluster is ') for wrong in (3, None, [])),
        ({'cluster': TASKS, 'task': None}, 'its task is null, not an object'),
        ({'cluster': {'worker': ['h:1']}, 'task': CHIEF}, 'the task is the chief, but the cluster has none'),
        ({'cluster': TASKS, 'task': {'type': 'evaluator', 'index': 1}}, 'the task is evaluator 1, but a run'),
        ({'cluster': {'chief': ['h']}, 'task': CHIEF}, 'needs a "host:port" of its own, not \'h\''),
        ({'cluster': {'chief': ['h:1'], 'ps': ['h:1']}, 'task': CHIEF}, "of its own, not 'h:1'"),
        ({'cluster': {'chief': ['h:0'], 'ps': ['h:1']}, 'task': CHIEF}, "'h:0' is not a number from 1"),
        ({'cluster': {'chief': ['h:65536'], 'ps': ['h:1']}, 'task': CHIEF}, "'h:65536' is not a number"),
        ({'cluster': TASKS, 'task': {'type': 'worker', 'index': 0.5}}, 'task is 0.5, not a whole number'),
        ({'cluster': TASKS, 'task': {'type': 'worker', 'index': True}}, 'task is True, not'),
        ({'cluster': {**TASKS, 'boss': ['b:1']}, 'task': CHIEF}, "the job 'boss' is unknown"),
        ({'cluster': {'ps': ['h:1']}, 'task': {'type': 'ps'}}, 'must have one "chief" node'),
        ({'sparseCluster': {'worker': {'1': 'h:1'}}}, 'set enableDynamicWorker: false.'),
        ({'cluster': {'chief': ['h:1', 'h:2']}, 'task': CHIEF}, 'must have only one "chief" node'),
        ({'cluster': TASKS}, 'task type must be set'),
        ({'cluster': TASKS, 'task': {'type': 'boss', 'index': 0}}, 'boss is not a valid task_type'),
        ({'cluster': TASKS, 'task': {'type': 'worker', 'index': 2}}, '2 is not a valid task_id'),
        ({'cluster': TASKS, 'task': {'type': 'worker', 'index': 'x'}}, 'invalid literal'),
        ({'task': CHIEF}, 'task type must be WORKER'),
        ({'model_dir': '/elsewhere'}, 'model_dir'),
        ({'service': 3}, '"service"'),
    ],
)
def test_a_wrong_tf_config_gets_one_sentence(read, tf_config, words):
    with pytest.raises(FlagError, match=r'^TF_CONFIG: ') as caught:
        read(tf_config)
    assert words in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ('distribution', 'tf_config', 'words'),
    [
        ('multi_worker', '', 'names no cluster: give distribution=none or mirrored'),
        ('parameter_server', '', 'names no cluster'),
        ('parameter_server', {'cluster': WITHOUT_PS, 'task': CHIEF}, 'without ps tasks: give '),
        ('none', {'cluster': WITHOUT_PS, 'task': CHIEF}, 'without ps tasks'),
        ('multi_worker', {'cluster': TASKS, 'task': CHIEF}, 'names ps tasks: give distribution=parameter_'),
        ('mirrored', {'cluster': TASKS, 'task': CHIEF}, 'names ps tasks'),
    ],
)
def test_a_distribution_that_does_not_fit_the_cluster(read, distribution, tf_config, words):
    with pytest.raises(FlagError, match=f'distribution={distribution} does not fit TF_CONFIG, .*{words}'):
        read(tf_config, distribution)


def test_tasks(read):
    worker = read({'cluster': TASKS, 'task': {'type': 'worker', 'index': 1}})
    assert worker.distribution == 'parameter_server'
    assert (worker.name, worker.rank, worker.workers) == ('worker 1', 2, 3)
    assert worker.has_own_pace and not worker.is_chief and not worker.evaluates
    assert str(worker) == 'worker 1 of 1 chief, 2 worker, 1 ps'
    evaluator = read({'cluster': TASKS, 'task': {'type': 'evaluator', 'index': 0}})
    assert evaluator.evaluates and not evaluator.trains and evaluator.shard(6) == EVERY
    synchronous = Cluster('multi_worker', 'worker', 0, WITHOUT_PS)
    assert synchronous.shard(12) == Slice(1, 3, 12) and not synchronous.has_own_pace
    evaluator = replace(synchronous, task_type='evaluator')
    assert evaluator.strategy is None and evaluator.batches_a_step == 3


def test_the_chief_may_be_called_master(read):
    """As in the TF_CONFIG of TensorFlow 1.4 to 1.15 and of its job schedulers."""
    cluster = {'master': ['h0:1'], 'worker': ['h1:1'], 'ps': ['h3:1']}
    chief = read({'cluster': cluster, 'task': {'type': 'master', 'index': 0}})
    assert chief.name == 'chief 0' and chief.is_chief and tf.estimator.RunConfig().is_chief
    worker = read({'cluster': cluster, 'task': {'type': 'worker', 'index': 0}})
    assert worker.name == 'worker 0' and worker.tasks['chief'] == ['h0:1']


WORKERS = {'cluster': {'worker': ['h0:1', 'h1:1', 'h2:1']}, 'environment': 'cloud'}


@pytest.mark.parametrize(('index', 'name'), [(0, 'chief 0'), ('1', 'worker 0'), (2, 'worker 1')])
def test_without_a_chief_it_is_the_first_worker(read, index, name):
    """As Ray and the TFJobs of Kubernetes write TF_CONFIG, of which the latter has an environment."""
    task = read({**WORKERS, 'task': {'type': 'worker', 'index': index}}, 'multi_worker')
    assert (task.name, task.workers, task.rank) == (name, 3, int(index))
    assert task.tasks == {'chief': ['h0:1'], 'worker': ['h1:1', 'h2:1']}
    with_servers = {'worker': ['h0:1'], 'ps': ['h1:1']}
    server = read({'cluster': with_servers, 'task': {'type': 'ps', 'index': 0}})
    assert (server.name, server.workers) == ('ps 0', 1)
    config = tf.estimator.RunConfig()
    assert config.cluster_spec.as_dict() == {'chief': ['h0:1'], 'ps': ['h1:1']}


SLURM = {
    'SLURM_JOB_ID': '1002',  # 20,000 + 1002 * 16 % 12,000 is 24,032
    'SLURM_STEP_NUM_TASKS': '4',
    'SLURM_STEP_NODELIST': 'n[8,10],m1',
    'SLURM_STEP_TASKS_PER_NODE': '2,1(x2)',
}


@pytest.fixture
def slurm(monkeypatch):
    def make(distribution='multi_worker', say=print, **changes):
        for name, value in {**SLURM, 'TF_CONFIG': '', **changes}.items():
            monkeypatch.setenv(name, value)
        return read_cluster(distribution, say)

    return make


@pytest.mark.parametrize(
    ('rank', 'name', 'host'),
    [(0, 'chief 0', 'n8:24032'), (1, 'worker 0', 'n8:24033'), (3, 'worker 2', 'm1:24032')],
)
def test_srun_gives_each_task_its_part(slurm, rank, name, host):
    lines = []
    task = slurm(say=lines.append, SLURM_PROCID=str(rank))
    assert (task.name, task.rank) == (name, rank)
    assert task.tasks == {'chief': ['n8:24032'], 'worker': ['n8:24033', 'n10:24032', 'm1:24032']}
    assert lines == [f'Slurm            {name} of 4 tasks, at {host}']


@pytest.mark.parametrize(
    ('distribution', 'workers'),
    [
        ('block:cyclic', ['a:24033', 'a:24034', 'b:24032', 'b:24033']),
        ('cyclic', ['b:24032', 'a:24033', 'b:24033', 'a:24034']),
        ('plane=2', ['a:24033', 'b:24032', 'b:24033', 'a:24034']),
    ],
)
def test_tasks_are_on_the_nodes_that_their_distribution_gives_them(slurm, distribution, workers):
    """Three tasks on node a, and two on node b; ports follow the number of a task on its node."""
    nodes = {'SLURM_STEP_NODELIST': 'a,b', 'SLURM_STEP_TASKS_PER_NODE': '3,2', 'SLURM_STEP_NUM_TASKS': '5'}
    task = slurm(SLURM_PROCID='2', SLURM_DISTRIBUTION=distribution, **nodes)
    assert task.tasks == {'chief': ['a:24032'], 'worker': workers}
    with pytest.raises(FlagError, match=r'SLURM_DISTRIBUTION=arbitrary does not say .*: use srun --dist'):
        slurm(SLURM_PROCID='2', SLURM_DISTRIBUTION='arbitrary', **nodes)


def test_a_step_of_one_task_is_a_cluster_of_one_for_multi_worker_only(slurm):
    nodes = {'SLURM_STEP_NODELIST': 'n8', 'SLURM_STEP_TASKS_PER_NODE': '1'}
    one = {'SLURM_PROCID': '0', 'SLURM_STEP_NUM_TASKS': '1', **nodes}
    alone = slurm(**one)
    assert alone.is_chief and alone.workers == 1 and alone.tasks == {'chief': ['n8:24032']}
    assert not slurm('none', **one).tasks


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'SLURM_STEP_NODELIST': 'n[0'}, 'SLURM_STEP_NODELIST=n[0: it is not a list of nodes'),
        ({'SLURM_STEP_NODELIST': 'n[a-b]'}, 'SLURM_STEP_NODELIST=n[a-b]: invalid literal'),
        ({'SLURM_STEP_NODELIST': 'n[8-9]'}, '2 nodes with 4 tasks, and number 0, are not 4 tasks'),
        ({'SLURM_STEP_TASKS_PER_NODE': '2(x'}, 'SLURM_STEP_TASKS_PER_NODE=2(x: it is not a list of numbers'),
        ({'SLURM_JOB_ID': 'x'}, 'SLURM_JOB_ID=x: invalid literal'),
        ({'SLURM_PROCID': '4'}, 'number 4, are not 4 tasks'),
    ],
)
def test_a_step_that_slurm_does_not_describe(slurm, changes, words):
    with pytest.raises(FlagError, match=r'^Slurm does not describe its step: ') as caught:
        slurm(**{'SLURM_PROCID': '0', **changes})
    assert words in str(caught.value)


@pytest.mark.parametrize('tf_config', ['', '{}', '{"task": {}}', '{"environment": "cloud"}'])
def test_without_a_cluster_there_is_one_process(read, tf_config):
    alone = read(tf_config)
    assert alone.is_chief and alone.evaluates and alone.workers == 1 and not alone.tasks
    assert read(tf_config, 'mirrored').batches_a_step == 1
    with alone.scope():
        assert tf.estimator.RunConfig().is_chief


@pytest.fixture
def work(monkeypatch):
    """Work without end, as a parameter server's; a second of its watch takes a tenth."""
    for name in ('_POLL_SECONDS', '_QUIET_SECONDS', '_STEP_SECONDS', '_SAVE_SECONDS'):
        monkeypatch.setattr(watching, name, getattr(watching, name) / 10)
    done = threading.Event()
    yield done
    done.set()


@pytest.fixture
def listener():
    with socket.create_server(('127.0.0.1', 0)) as server:
        yield server


def address_of(listener):
    return f'127.0.0.1:{listener.getsockname()[1]}'


def silent():
    return f'127.0.0.1:{free_ports(1)[0]}'


def watch(job='ps', distribution='parameter_server', finished=False, check=lambda: None, **tasks):
    """Returns a watch and the lines that it says."""
    tasks = {'chief': silent(), 'worker' if distribution == 'multi_worker' else 'ps': silent(), **tasks}
    cluster = Cluster(distribution, job, 0, {name: [address] for name, address in tasks.items()})
    said = []
    return Watch(cluster, StopSwitch(), lambda: finished, check, said.append), said


@pytest.mark.parametrize('job', ['ps', 'worker'])
def test_a_task_ends_when_training_has_ended_and_the_chief_is_gone(work, listener, job):
    one, _ = watch(job, finished=True, chief=address_of(listener))
    threading.Timer(0.3, listener.close).start()
    started = time.monotonic()
    one.run(work.wait)
    assert time.monotonic() - started > 0.3 and not work.is_set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('job', 'has_begun', 'names'),
    [('worker', False, ['chief 0', 'ps 0']), ('worker', True, ['ps 0']), ('chief', True, ['ps 0'])],
)
def test_it_says_once_for_whom_it_waits(work, job, has_begun, names):
    """Once training has begun, not for the chief."""
    one, said = watch(job)
    one.has_begun = has_begun
    threading.Timer(1, work.set).start()
    one.run(work.wait)
    (line,) = said
    assert line.startswith('Waiting for      ') and re.findall(r'(\w+ \d) \(127\.0\.0\.1:', line) == names


@pytest.mark.parametrize('job', ['ps', 'chief', 'worker', 'evaluator'])
@pytest.mark.parametrize('has_begun', [True, False])
def test_a_stuck_task_ends_within_seconds_of_a_signal(work, job, has_begun):
    """As with a session that waits for a parameter server: nothing in it hears the signal."""
    one, _ = watch(job)
    one.has_begun, one.switch.on = has_begun, True
    started = time.monotonic()
    with pytest.raises(Interrupted):
        one.run(work.wait)
    assert time.monotonic() - started < 10


def test_a_lost_partner_ends_synchronous_training(work):
    one, _ = watch('worker', 'multi_worker')
    one.has_begun = True
    with pytest.raises(LabError, match=r'^chief 0 .* is gone, and without it no step is possible'):
        one.run(work.wait)


def test_errors_reach_the_main_thread():
    with pytest.raises(ZeroDivisionError):
        watch()[0].run(lambda: 1 / 0)


def test_a_port_in_use(work, listener):
    with pytest.raises(LabError, match=r'The port of this process, ps 0 .* is used by another program'):
        watch('ps', ps=address_of(listener))[0].run(work.wait)


def test_it_compares_its_settings_once_the_chief_answers(work, listener):
    def disagree():
        raise FlagError('other')

    with pytest.raises(FlagError, match='other'):
        watch('worker', chief=address_of(listener), check=disagree)[0].run(work.wait)


def test_agreement():
    source = Identity('a.tar', 10, 'f')
    second = replace(source, name='b.tar', fingerprint='g')
    made = InputRecord((source, second), (source,), {'batch_size': 6})
    in_other_order = replace(made, archives=(second, source))
    hparams = {'filters': 2, 'frozen': ('conv1',)}
    record = Record('cnn', (8, 8, 1), ('a', 'b'), hparams, {'tensorflow': '2.21.0'}, input=made)
    worker, evaluator = (Cluster('parameter_server', job, 0, TASKS) for job in ('worker', 'evaluator'))
    chiefs = replace(record, hparams={'filters': 2, 'frozen': ['conv1']})  # read from a file
    check_agreement(worker, record, chiefs)
    other_input = replace(made, settings={'batch_size': 8})
    other_data = replace(made, archives=(replace(source, images=9), second))
    for other, words in (
        (replace(record, hparams={**hparams, 'filters': 3}), 'filters 2, but the chief 3'),
        (replace(record, image_shape=(9, 9, 1)), r'image_shape \[8, 8, 1\], but the chief \[9, 9, 1\]'),
        (replace(record, versions={'tensorflow': '2.15.1'}), 'tensorflow 2.21.0, but the chief 2.15.1'),
        (replace(record, input=other_input), 'worker 0 has batch_size 6, but the chief 8: start all'),
        (replace(record, input=other_data), r"data \['a.tar', 10, 'f'\], but the chief \['a.tar', 9, 'f'\]"),
        (replace(record, input=other_data, hparams={}), 'has data '),
        (replace(record, input=in_other_order), r"data \['a.tar', .*, but the chief \['b.tar', "),
        (replace(record, input=replace(made, evaluation=())), r"eval_data \['a.tar', .*, but the chief None"),
    ):
        with pytest.raises(FlagError, match=words):
            check_agreement(worker, record, other)
    check_agreement(evaluator, record, replace(record, input=other_input))
