"""Tests docs/kubernetes.yaml."""

import json
import re
import shlex

import yaml

from estimator_lab import train
from estimator_lab.training.distribution import read_role
from tests.commands import flags_of
from tests.places import ROOT

MANIFEST = ROOT / 'docs' / 'kubernetes.yaml'


def jobs():
    """Returns the YAML text of each Job in the manifest."""
    documents = MANIFEST.read_text().split('\n---\n')
    assert re.search(r'^kind: Service$', documents[0], re.MULTILINE)
    assert all(re.search(r'^kind: Job$', document, re.MULTILINE) for document in documents[1:])
    return documents[1:]


def value(document, name):
    return re.search(rf'^ *(?:- )?{name}: (.+)$', document, re.MULTILINE)[1]


def tf_config(document):
    return re.search(r'value: >-\n((?: {16}.*\n)+)', document)[1]


def test_each_task_of_the_cluster_has_a_job_at_its_address():
    roles = [read_role('parameter_server', tf_config(job)) for job in jobs()]
    assert len({json.dumps(role.cluster, sort_keys=True) for role in roles}) == 1
    listed = {(job, n) for job, tasks in roles[0].cluster.items() for n in range(len(tasks))}
    assert {(role.job, role.index) for role in roles} == listed | {('evaluator', 0)}
    for role, job in zip(roles, jobs(), strict=True):
        name = f'{value(job, "hostname")}.{value(job, "subdomain")}:{value(job, "containerPort")}'
        assert role.job == 'evaluator' or role.cluster[role.job][role.index] == name
    service = MANIFEST.read_text().split('\n---\n')[0]
    assert value(service, 'name') == value(jobs()[0], 'subdomain')
    assert value(service, 'app') == value(jobs()[0], 'app')
    assert value(service, 'port') == value(jobs()[0], 'containerPort')


def test_all_jobs_run_the_same_command_with_existing_flags():
    commands = {re.search(r'command: (\[.*\])', job)[1] for job in jobs()}
    assert [json.loads(command) for command in commands] == [['python', '-m', 'estimator_lab.train']]
    arguments = {re.search(r'args:\n((?: +- ".*"\n)+)', job)[1] for job in jobs()}
    assert len(arguments) == 1
    names = re.findall(r'--(\w+)=', arguments.pop())
    assert names and set(names) <= flags_of(train)


def test_the_manifest_is_valid_yaml():
    documents = list(yaml.safe_load_all(MANIFEST.read_text()))
    names = [document['metadata']['name'] for document in documents]
    assert len(set(names)) == len(names) == 6
    containers = [d['spec']['template']['spec']['containers'][0] for d in documents if d['kind'] == 'Job']
    for container in containers:
        assert shlex.join(container['command'])
        json.loads(container['env'][0]['value'])
