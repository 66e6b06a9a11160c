"""Tests docs/kubernetes.yaml and the Dockerfile, as far as that is possible without a cluster."""

import json

import kubernetes_validate
import pytest
import yaml

from estimator_lab import train
from estimator_lab.training.distribution import read_role
from tests.places import ROOT

OBJECTS = [*yaml.safe_load_all((ROOT / 'docs' / 'kubernetes.yaml').read_text())]
JOBS = [each for each in OBJECTS if each['kind'] == 'Job']
CONFIG, SERVICE = (
    next(each for each in OBJECTS if each['kind'] == kind) for kind in ('ConfigMap', 'Service')
)
PODS = [job['spec']['template'] for job in JOBS]


def environments(job, cluster):
    """Yields the name and TF_CONFIG of each pod of a job, with what Kubernetes puts in place of variables."""
    (container,) = job['spec']['template']['spec']['containers']
    in_config, in_pod, tf_config = container['env']
    assert in_config['valueFrom']['configMapKeyRef'] == {'name': CONFIG['metadata']['name'], 'key': 'cluster'}
    assert 'job-completion-index' in in_pod['valueFrom']['fieldRef']['fieldPath']
    for index in range(job['spec']['completions']):
        text = tf_config['value'].replace(f'$({in_config["name"]})', cluster)
        yield f'{job["metadata"]["name"]}-{index}', text.replace(f'$({in_pod["name"]})', str(index))


@pytest.mark.parametrize('thing', OBJECTS, ids=lambda each: each['metadata']['name'] + each['kind'])
def test_kubernetes_accepts_it(thing):
    kubernetes_validate.validate(thing, '1.32', strict=True)


@pytest.mark.parametrize('distribution', ['parameter_server', 'multi_worker'])
def test_each_task_of_the_cluster_has_a_pod_at_its_address(distribution):
    """As the file is, and changed as its first lines say."""
    cluster, jobs = json.loads(CONFIG['data']['cluster']), JOBS
    if distribution == 'multi_worker':
        del cluster['ps']
        jobs = [job for job in JOBS if job['metadata']['name'] != 'train-ps']
    port = SERVICE['spec']['ports'][0]['port']
    found = set()
    for job in jobs:
        for name, tf_config in environments(job, json.dumps(cluster)):
            role = read_role(distribution, tf_config)
            found.add((role.job, role.index))
            address = f'{name}.{SERVICE["metadata"]["name"]}:{port}'
            assert role.job == 'evaluator' or role.cluster[role.job][role.index] == address
    listed = {(job, n) for job, tasks in cluster.items() for n in range(len(tasks))}
    assert found == listed | {('evaluator', 0)}


def test_the_pods_belong_to_the_service_and_are_protected():
    (policy,) = (each['spec'] for each in OBJECTS if each['kind'] == 'NetworkPolicy')
    ours = {'matchLabels': SERVICE['spec']['selector']}
    assert policy['podSelector'] == ours and policy['ingress'][0]['from'] == [{'podSelector': ours}]
    for pod in PODS:
        assert pod['metadata']['labels'] == SERVICE['spec']['selector']
        assert pod['spec']['subdomain'] == SERVICE['metadata']['name']


def test_a_wrong_flag_is_not_tried_again():
    for job in JOBS:
        rule = job['spec']['podFailurePolicy']['rules'][0]
        assert rule['action'] == 'FailJob' and rule['onExitCodes']['values'] == [2]
        assert job['spec']['template']['spec']['restartPolicy'] == 'Never'  # which the policy requires


def test_all_jobs_run_the_same_command_with_existing_flags(tmp_path):
    (arguments,) = {tuple(pod['spec']['containers'][0]['args']) for pod in PODS}
    assert arguments == ('train', '--flagfile=/config/flags')
    flags = tmp_path / 'flags'
    flags.write_text(CONFIG['data']['flags'])
    settings, _ = train.COMMAND.parse(['train', f'--flagfile={flags}'])
    assert settings.distribution == 'parameter_server' and settings.max_steps == 20000


def test_the_image_holds_what_it_is_built_from():
    lines = (ROOT / 'Dockerfile').read_text().splitlines()
    copied = [name for line in lines if line.startswith('COPY') for name in line.split()[1:-1]]
    assert all((ROOT / name).exists() for name in copied)
    allowed = (ROOT / '.dockerignore').read_text()
    assert all(f'!{name}\n' in allowed for name in copied)
    assert "'cuda':" in (ROOT / 'setup.py').read_text()
    assert lines.index('USER lab') < lines.index('ENTRYPOINT ["estimator_lab"]')
