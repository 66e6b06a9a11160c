"""docs/distributed.md: its manifests have the documented fields, and what they run reads its cluster."""

import json
import os
import subprocess

import pytest
import yaml

from estimator_lab import train
from estimator_lab.training.cluster import read_cluster
from tests.support.places import ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / 'docs/distributed.md').read_text(encoding='utf-8')
TFJOB, JOB = (block.split('```')[0] for block in PAGE.split('```yaml\n')[1:])
# Fields of Kubernetes' Job and of Kubeflow's TFJob that the manifests may use.
JOB_FIELDS = {'completions', 'parallelism', 'completionMode', 'template', 'backoffLimit'}
REPLICA_FIELDS = {'replicas', 'restartPolicy', 'template'}
POD_FIELDS = {'containers', 'volumes', 'subdomain', 'restartPolicy'}
CONTAINER_FIELDS = {'name', 'image', 'command', 'args', 'env', 'volumeMounts', 'resources'}


def container_of(template):
    pod = template['spec']
    (container,) = pod['containers']
    assert pod.keys() <= POD_FIELDS and container.keys() <= CONTAINER_FIELDS
    assert {each['name'] for each in container['volumeMounts']} == {each['name'] for each in pod['volumes']}
    return container


def check_command(words):
    assert words[:3] == ['python', '-m', 'estimator_lab.train']
    settings, _ = train.COMMAND.parse(['train', *words[3:]])
    assert (settings.distribution, settings.max_steps) == ('multi_worker', 20_000)


def test_the_tfjob():
    job = yaml.safe_load(TFJOB)
    assert (job['apiVersion'], job['kind']) == ('kubeflow.org/v1', 'TFJob')
    assert job['spec'].keys() == {'tfReplicaSpecs'}
    ((kind, replicas),) = job['spec']['tfReplicaSpecs'].items()
    assert kind == 'Worker' and replicas.keys() == REPLICA_FIELDS and replicas['restartPolicy'] == 'OnFailure'
    container = container_of(replicas['template'])
    assert container['name'] == 'tensorflow'  # the operator sets TF_CONFIG in that container only
    check_command(container['command'])


def test_the_job_gives_each_pod_its_task(tmp_path, monkeypatch):
    service, job = yaml.safe_load_all(JOB)
    assert (job['apiVersion'], job['kind'], job['spec']['completionMode']) == ('batch/v1', 'Job', 'Indexed')
    assert job['spec'].keys() <= JOB_FIELDS and service['spec']['clusterIP'] == 'None'
    name, spec = job['metadata']['name'], job['spec']
    assert service['spec']['selector'] == {'job-name': name}
    assert service['metadata']['name'] == spec['template']['spec']['subdomain']
    container = container_of(spec['template'])
    (tmp_path / 'python').write_text('#!/bin/sh\necho "$TF_CONFIG"\necho python "$@"\n')
    (tmp_path / 'python').chmod(0o755)
    names = []
    for index in range(spec['completions']):
        path = f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'
        environment = {'JOB_COMPLETION_INDEX': str(index), 'PATH': path}
        words = [*container['command'], *container['args']]
        shown = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout
        *tf_config, command = shown.splitlines()
        check_command(command.split())
        monkeypatch.setenv('TF_CONFIG', json.dumps(json.loads(''.join(tf_config))))
        task = read_cluster('multi_worker')
        names.append(task.name)
        assert task.tasks['chief'] == [f'{name}-0.{name}:2222'] and task.workers == spec['completions']
    assert names == ['chief 0', 'worker 0', 'worker 1', 'worker 2']
