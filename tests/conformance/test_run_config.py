"""RunConfig and TF_CONFIG."""

import json

import pytest

from estimator_lab.tf1 import tf

pytestmark = [pytest.mark.both, pytest.mark.trains]

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


def test_chief(config_of):
    """TF_CONFIG's chief is worker 0 of all computing tasks, at its own address."""
    config = config_of('chief')
    assert (config.is_chief, config.task_type, config.task_id) == (True, 'chief', 0)
    assert (config.num_worker_replicas, config.num_ps_replicas) == (3, 2)
    assert (config.master, config.global_id_in_cluster) == ('grpc://h:1', 0)
    assert config.cluster_spec.as_dict() == CLUSTER


def test_workers_alone(config_of):
    """The first worker of a cluster without a chief is its chief, as tf.distribute and Ray have it."""
    first, second = (config_of('worker', i, cluster={'worker': ['h:1', 'h:2']}) for i in range(2))
    assert (first.task_type, first.is_chief, second.task_type, second.is_chief) == (
        'chief',
        True,
        'worker',
        False,
    )
    assert [config.global_id_in_cluster for config in (first, second)] == [0, 1]


def test_evaluator(config_of):
    """TF_CONFIG's evaluator is outside the cluster: no master, no replicas."""
    config = config_of('evaluator')
    assert (config.is_chief, config.task_type, config.master) == (False, 'evaluator', '')
    assert (config.num_worker_replicas, config.num_ps_replicas, config.global_id_in_cluster) == (0, 0, None)
    assert config.cluster_spec.as_dict() == {}


@pytest.mark.parametrize(
    ('task', 'cluster', 'words'),
    [
        (('worker', 7), CLUSTER, '7 is not a valid task_id'),
        (('stranger', 0), CLUSTER, 'stranger is not a valid task_type'),
        (('worker', -1), CLUSTER, 'must be non-negative'),
        (('ps', 0), {'ps': ['h:1']}, 'must have one "chief"'),
        (('chief', 0), {'chief': ['h:1', 'h:2']}, 'must have only one "chief"'),
    ],
    ids=['index', 'type', 'negative', 'no chief', 'two chiefs'],
)
def test_bad_clusters(config_of, task, cluster, words):
    """A contradictory TF_CONFIG is rejected."""
    with pytest.raises(ValueError, match=words):
        config_of(*task, cluster=cluster)
