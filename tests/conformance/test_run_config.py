"""RunConfig and TF_CONFIG."""

import json

import pytest

from estimator_lab.tf1 import tf

CLUSTER = {'chief': ['h:1'], 'worker': ['h:2', 'h:3'], 'ps': ['h:4', 'h:5']}


@pytest.fixture
def config_of(monkeypatch):
    """Makes the RunConfig of a task in a cluster."""

    def make(task_type, index=0, cluster=None, **more):
        content = {'cluster': cluster or CLUSTER, 'task': {'type': task_type, 'index': index}, **more}
        monkeypatch.setenv('TF_CONFIG', json.dumps(content))
        return tf.estimator.RunConfig()

    return make


def test_defaults(monkeypatch):
    """Without TF_CONFIG a RunConfig is a local chief, with the documented defaults."""
    monkeypatch.delenv('TF_CONFIG', raising=False)
    config = tf.estimator.RunConfig()
    defaults = {'is_chief': True, 'master': '', 'num_worker_replicas': 1, 'num_ps_replicas': 0}
    defaults |= {'save_checkpoints_secs': 600, 'save_checkpoints_steps': None, 'keep_checkpoint_max': 5}
    defaults |= {'save_summary_steps': 100, 'log_step_count_steps': 100, 'tf_random_seed': None}
    assert {name: getattr(config, name) for name in defaults} == defaults
    assert config.task_type == 'worker'


def test_replace():
    """replace returns a changed copy, and rejects fields that may not be replaced."""
    config = tf.estimator.RunConfig('a', save_checkpoints_steps=10)
    changed = config.replace(model_dir='b', keep_checkpoint_max=1)
    assert (changed.model_dir, changed.keep_checkpoint_max, changed.save_checkpoints_steps) == ('b', 1, 10)
    assert (config.model_dir, config.keep_checkpoint_max) == ('a', 5)
    with pytest.raises(ValueError, match='Replacing'):
        config.replace(task_type='chief')


def test_steps_or_seconds():
    """Saving by both steps and seconds is rejected; replacing one clears the other."""
    with pytest.raises(ValueError, match='save_checkpoints'):
        tf.estimator.RunConfig(save_checkpoints_steps=1, save_checkpoints_secs=1)
    config = tf.estimator.RunConfig(save_checkpoints_secs=1).replace(save_checkpoints_steps=7)
    assert (config.save_checkpoints_steps, config.save_checkpoints_secs) == (7, None)


@pytest.mark.parametrize(
    'setting',
    [
        {'save_summary_steps': -1},
        {'keep_checkpoint_max': -1},
        {'tf_random_seed': 1.5},
        {'log_step_count_steps': 0},
        {'session_config': {}},
        {'device_fn': 1},
        {'model_dir': ''},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_bad_values(setting):
    """A RunConfig with an invalid value is rejected."""
    with pytest.raises((ValueError, TypeError), match=next(iter(setting))):
        tf.estimator.RunConfig(**setting)


def test_chief(config_of):
    """TF_CONFIG's chief is worker 0 of all computing tasks, at its own address."""
    config = config_of('chief')
    assert (config.is_chief, config.task_type, config.task_id) == (True, 'chief', 0)
    assert (config.num_worker_replicas, config.num_ps_replicas) == (3, 2)
    assert (config.master, config.global_id_in_cluster) == ('grpc://h:1', 0)
    assert config.cluster_spec.as_dict() == CLUSTER


def test_worker(config_of):
    """TF_CONFIG's worker is not the chief, and its number in the cluster follows the chief's."""
    config = config_of('worker', 1)
    assert (config.is_chief, config.master, config.global_id_in_cluster) == (False, 'grpc://h:3', 2)


def test_parameter_server(config_of):
    """TF_CONFIG's parameter server comes last in the cluster."""
    config = config_of('ps', 1)
    assert (config.is_chief, config.master, config.global_id_in_cluster) == (False, 'grpc://h:5', 4)


def test_evaluator(config_of):
    """TF_CONFIG's evaluator is outside the cluster: no master, no replicas."""
    config = config_of('evaluator')
    assert (config.is_chief, config.task_type, config.master) == (False, 'evaluator', '')
    assert (config.num_worker_replicas, config.num_ps_replicas, config.global_id_in_cluster) == (0, 0, None)
    assert config.cluster_spec.as_dict() == {}


def test_device_filters(config_of):
    """A worker sees only itself and the parameter servers, which see all workers."""
    filters = config_of('worker', 1).session_config.device_filters
    assert list(filters) == ['/job:ps', '/job:worker/task:1']
    assert '/job:worker' in config_of('ps').session_config.device_filters


def test_master_of_old_clusters(config_of):
    """A cluster in the old form, with a master, is accepted."""
    config = config_of('master', cluster={'master': ['h:1'], 'worker': ['h:2'], 'ps': ['h:3']})
    assert (config.is_chief, config.num_worker_replicas, config.task_type) == (True, 2, 'master')


@pytest.mark.parametrize(
    ('task', 'cluster', 'words'),
    [
        (('worker', 7), CLUSTER, '7 is not a valid task_id'),
        (('stranger', 0), CLUSTER, 'stranger is not a valid task_type'),
        (('worker', -1), CLUSTER, 'must be non-negative'),
        (('worker', 0), {'worker': ['h:1']}, 'must have one "chief"'),
        (('chief', 0), {'chief': ['h:1', 'h:2']}, 'must have only one "chief"'),
    ],
    ids=['index', 'type', 'negative', 'no chief', 'two chiefs'],
)
def test_bad_clusters(config_of, task, cluster, words):
    """A contradictory TF_CONFIG is rejected."""
    with pytest.raises(ValueError, match=words):
        config_of(*task, cluster=cluster)


def test_model_dir_of_tf_config(config_of):
    """TF_CONFIG may name the model_dir, and must not contradict the argument."""
    assert config_of('chief', model_dir='/somewhere').model_dir == '/somewhere'
    with pytest.raises(ValueError, match='model_dir'):
        tf.estimator.RunConfig('/elsewhere')
