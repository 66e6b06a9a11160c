"""Tests docs/kubernetes.yaml."""

import json
import re

import yaml

from estimator_lab import train
from estimator_lab.training.distribution import read_role
from tests.commands import flags_of
from tests.places import ROOT

SERVICE, *JOBS = yaml.safe_load_all((ROOT / 'docs' / 'kubernetes.yaml').read_text())
PODS = [job['spec']['template'] for job in JOBS]
CONTAINERS = [pod['spec']['containers'][0] for pod in PODS]


def test_each_task_of_the_cluster_has_a_job_at_its_address():
    assert SERVICE['kind'] == 'Service' and {job['kind'] for job in JOBS} == {'Job'}
    assert len({each['metadata']['name'] for each in (SERVICE, *JOBS)}) == 1 + len(JOBS)
    roles = [read_role('parameter_server', each['env'][0]['value']) for each in CONTAINERS]
    assert len({json.dumps(role.cluster, sort_keys=True) for role in roles}) == 1
    listed = {(job, n) for job, tasks in roles[0].cluster.items() for n in range(len(tasks))}
    assert {(role.job, role.index) for role in roles} == listed | {('evaluator', 0)}
    for role, pod, container in zip(roles, PODS, CONTAINERS, strict=True):
        port = container['ports'][0]['containerPort'] if 'ports' in container else None
        name = f'{pod["spec"]["hostname"]}.{pod["spec"]["subdomain"]}:{port}'
        assert role.job == 'evaluator' or role.cluster[role.job][role.index] == name
        assert pod['spec']['subdomain'] == SERVICE['metadata']['name']
        assert pod['metadata']['labels'] == SERVICE['spec']['selector']
        assert port in (None, SERVICE['spec']['ports'][0]['port'])


def test_all_jobs_run_the_same_command_with_existing_flags():
    commands = [each['command'] for each in CONTAINERS]
    assert commands == len(JOBS) * [['python', '-m', 'estimator_lab.train']]
    (arguments,) = {' '.join(each['args']) for each in CONTAINERS}
    names = re.findall(r'--(\w+)=', arguments)
    assert names and set(names) <= flags_of(train)
