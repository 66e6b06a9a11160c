"""The glue to the distribute coordinator, compared with TensorFlow 2.15's own where that is installed."""

import itertools
import json
from types import SimpleNamespace

import pytest

from estimator_lab.tf1 import coordinator as glue
from estimator_lab.tf1 import tf

pytestmark = [pytest.mark.both, pytest.mark.trains]

HOSTS = {
    'chief': ['localhost:1'],
    'worker': ['localhost:2', 'localhost:3'],
    'ps': ['localhost:4', 'localhost:5'],
    'evaluator': ['localhost:6'],
}


def native_glue():
    if not tf.__version__.startswith('2.15.'):
        pytest.skip('only TensorFlow 2.15 has the original')
    from tensorflow.python.distribute import estimator_training

    return estimator_training


def contexts():
    """Yields every role in clusters with and without each kind of task."""
    kinds = [
        ('chief', 'worker'),
        ('worker',),
        ('chief', 'worker', 'ps'),
        ('chief', 'worker', 'ps', 'evaluator'),
    ]
    for jobs in kinds:
        for job, task in itertools.chain.from_iterable(((j, i) for i in range(len(HOSTS[j]))) for j in jobs):
            yield SimpleNamespace(
                cluster_spec=tf.train.ClusterSpec({j: HOSTS[j] for j in jobs}),
                task_type=job,
                task_id=task,
                master_target='grpc://x',
                is_chief=job == 'chief',
            )
    yield SimpleNamespace(
        cluster_spec=tf.train.ClusterSpec({}), task_type=None, task_id=None, master_target='', is_chief=True
    )


def comparable(config):
    return {k: v.as_dict() if k == '_cluster_spec' else v for k, v in vars(config).items()}


def test_roles_equal_those_of_tensorflow_2_15():
    native = native_glue()
    for context in contexts():
        ours, theirs = SimpleNamespace(), SimpleNamespace()
        glue._take_role(ours, context)
        native._init_run_config_from_worker_context(theirs, context)
        assert comparable(ours) == comparable(theirs), context


def test_global_ids_put_the_chief_first_and_parameter_servers_last():
    cluster = tf.train.ClusterSpec({j: HOSTS[j] for j in ('chief', 'worker', 'ps')})
    ids = {
        (job, task): glue._global_id(SimpleNamespace(cluster_spec=cluster, task_type=job, task_id=task))
        for job in ('chief', 'worker', 'ps')
        for task in range(len(HOSTS[job]))
    }
    assert ids == {('chief', 0): 0, ('worker', 0): 1, ('worker', 1): 2, ('ps', 0): 3, ('ps', 1): 4}


def run_config(monkeypatch, jobs=(), **arguments):
    if jobs:
        tf_config = {'cluster': {j: HOSTS[j] for j in jobs}, 'task': {'type': jobs[0], 'index': 0}}
        monkeypatch.setenv('TF_CONFIG', json.dumps(tf_config))
    else:
        monkeypatch.delenv('TF_CONFIG', raising=False)
    return tf.estimator.RunConfig(**arguments)


def test_who_coordinates(monkeypatch):
    strategy = tf.distribute.OneDeviceStrategy('/cpu:0')
    local = run_config(monkeypatch, train_distribute=strategy)
    assert not glue.should_run_distribute_coordinator(local)
    between = run_config(monkeypatch, ('chief', 'worker'))
    assert not glue.should_run_distribute_coordinator(between)
    assert (between.task_type, between.num_worker_replicas) == ('chief', 3)
    coordinated = run_config(monkeypatch, ('chief', 'worker'), train_distribute=strategy)
    assert glue.should_run_distribute_coordinator(coordinated)
    assert coordinated._distribute_coordinator_mode == 'independent_worker'


def test_a_strategy_given_twice_is_an_error(monkeypatch):
    strategy = tf.distribute.OneDeviceStrategy('/cpu:0')
    twice = SimpleNamespace(train_distribute=strategy, eval_distribute=None, remote_cluster=None)
    sentence = (
        'Either `train_distribute` or`experimental_distribute.train_distribute` can be set.'  # as on 2.15
    )
    with pytest.raises(ValueError, match=f'^{sentence}$'):
        run_config(monkeypatch, train_distribute=strategy, experimental_distribute=twice)


def test_train_or_evaluate_alone_does_not_run_a_cluster():
    for call in (glue.estimator_train, glue.estimator_evaluate):
        with pytest.raises(ValueError, match=r'not supported .*train_and_evaluate'):
            call(None, None, [])


def test_a_remote_cluster_is_not_supported():
    remote = SimpleNamespace(train_distribute=None, eval_distribute=None, remote_cluster={'worker': ['x:1']})
    config = SimpleNamespace(
        _experimental_distribute=remote, _init_distributed_setting_from_environment_var=lambda tf_config: None
    )
    with pytest.raises(NotImplementedError, match='remote_cluster is not supported'):
        glue.init_run_config(config, {})


@pytest.mark.parametrize(
    ('task', 'workers', 'servers', 'own_id'),
    [('chief', 3, 2, 0), ('worker', 3, 2, 1), ('ps', 3, 2, 3), ('evaluator', 0, 0, None)],
)
def test_a_task_counts_the_chief_among_the_workers(task, workers, servers, own_id):
    config = SimpleNamespace()
    cluster = tf.train.ClusterSpec({job: HOSTS[job] for job in HOSTS if job != 'evaluator' or task == job})
    context = SimpleNamespace(
        cluster_spec=cluster, task_type=task, task_id=0, master_target='grpc://x', is_chief=task == 'chief'
    )
    glue._take_role(config, context)
    found = config._num_worker_replicas, config._num_ps_replicas, config._global_id_in_cluster
    assert found == (workers, servers, own_id)


def test_a_process_alone_is_the_only_worker():
    config, (*_, alone) = SimpleNamespace(), contexts()
    glue._take_role(config, alone)
    assert (config._num_worker_replicas, config._num_ps_replicas, config._global_id_in_cluster) == (1, 0, 0)
    alone.cluster_spec = tf.train.ClusterSpec({'worker': HOSTS['worker']})
    assert glue._global_id(alone) == 0


def test_a_strategy_may_be_given_as_an_experimental_one(monkeypatch):
    strategy = tf.distribute.OneDeviceStrategy('/cpu:0')
    given = SimpleNamespace(train_distribute=None, eval_distribute=strategy, remote_cluster=None)
    config = run_config(monkeypatch, experimental_distribute=given)
    assert config.eval_distribute is strategy and config.train_distribute is None


def test_each_worker_of_a_cluster_saves_its_input_under_a_name_of_its_own(tmp_path):
    for workers, name in ((1, 'input'), (3, 'input_worker_1')):
        config = SimpleNamespace(
            num_worker_replicas=workers,
            task_type='worker',
            task_id=1,
            save_checkpoints_secs=None,
            save_checkpoints_steps=5,
        )
        with tf.Graph().as_default():
            tf.train.create_global_step()
            batch = tf.data.make_one_shot_iterator(tf.data.Dataset.range(9))
            tf.add_to_collection('iterators', batch._iterator_resource)
            element = batch.get_next()
            estimator = SimpleNamespace(config=config, _config=config, model_dir=str(tmp_path / name))
            hook = tf.data.experimental.CheckpointInputPipelineHook(estimator)
            with tf.train.MonitoredSession(hooks=[hook]) as session:
                session.run(element)
        assert {path.name.partition('.')[0] for path in (tmp_path / name).iterdir()} >= {
            f'checkpoint_{name}',
            name,
        }
