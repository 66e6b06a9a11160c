"""Distributed training as people run it: real processes on loopback, each with its TF_CONFIG."""

import itertools
import math
import re
import signal
import time

import pytest

from estimator_lab.tf1 import tf
from estimator_lab.training.position import CONSUMED
from tests.support.cluster import Cluster

pytestmark = [pytest.mark.both, pytest.mark.slow]

HPARAMS = 'filters=2,dense_units=8,dropout_rate=0,learning_rate=0.002,learning_rate_schedule=constant'


@pytest.fixture
def cluster(archive, tmp_path):
    made = []

    def make(*tasks, **flags):
        own = {'data': archive, 'eval_data': archive, 'image_size': 8, 'batch_size': 6, 'hparams': HPARAMS}
        words = [f'--{name}={value}' for name, value in {**own, **flags}.items()]
        made.append(Cluster(tmp_path, tasks, words))
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
        max_steps=1000,
        save_checkpoints_steps=1000,  # the worker goes on from the newest one that it finds
    )
    run.start('ps0', 'chief', 'evaluator', pace=0.05)
    # A worker that looks before the chief has set up the variables would look again after 30 s only.
    run.wait_for(lambda: run.saved_step() >= 0)
    run.start('worker0', pace=0.05)
    assert run.statuses() == {'ps0': 0, 'chief': 0, 'evaluator': 0, 'worker0': 0}, run.outputs()
    assert run.saved_step() >= 1000
    first, second = run.keys('chief')[:12], run.keys('worker0')[:12]
    assert sorted([*first, *second]) == sorted(set(run.keys('chief'))) and len(set(first)) == 12
    assert 0 <= consumed_in(run) - 6 * run.saved_step() <= 12, 'but for the steps of others since'
    check_it_was_evaluated_and_learned(run, 'evaluator', 1000)
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
    assert set(run.statuses().values()) == {143}, run.outputs()
    step = int(re.search(r'Stopped at step (\d+) of 100000', run.output('chief'))[1])
    assert run.saved_step() == step > 100
    assert 'The worker has stopped; the newest checkpoint is of step ' in run.output('worker0')


@pytest.mark.once
def test_a_resumed_cluster_whose_worker_is_killed_starts_again(cluster):
    """A worker that is killed while it saves leaves a folder that lists checkpoints outside of itself."""
    run = cluster('chief', 'worker0', distribution='multi_worker', max_steps=600, save_checkpoints_steps=20)
    run.start('chief', 'worker0', pace=0.05)
    run.wait_for(lambda: run.saved_step() >= 20)
    for task in ('chief', 'worker0'):
        run.signal(task, signal.SIGTERM)
    assert set(run.statuses().values()) == {143}, run.outputs()

    before = run.saved_step()
    run.start('chief', 'worker0', pace=0.05)
    run.wait_for(lambda: run.saved_step() > before)
    run.kill('worker0')
    assert run.statuses() == {'chief': 1, 'worker0': -signal.SIGKILL}, run.outputs()
    left = run.model_dir / 'tmp_worker_0'
    left.mkdir(exist_ok=True)  # a kill hits a save by chance only
    left.joinpath('checkpoint').write_text(f'model_checkpoint_path: "{run.model_dir}/model.ckpt-{before}"\n')
    assert 'worker 0 ' in run.output('chief') and 'Start all processes again' in run.output('chief')

    before = run.saved_step()
    run.start('chief', 'worker0')
    assert run.statuses() == {'chief': 0, 'worker0': 0}, run.outputs()
    assert run.saved_step() == 600 and f'Training         step {before} to 600' in run.output('chief')
    assert not list(run.model_dir.glob('tmp_*'))


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
