"""What a process of a cluster waits for, reports and ends at, without TensorFlow's servers."""

import socket
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from estimator_lab.base.errors import FlagError, LabError
from estimator_lab.data.archives import Identity
from estimator_lab.runs.record import InputRecord, Record
from estimator_lab.training import cluster
from estimator_lab.training.cluster import ClusterWatch, check_agreement
from estimator_lab.training.distribution import Role, Task
from estimator_lab.training.hooks import StopTrainingHook
from estimator_lab.training.interrupt import Interrupted, StopSwitch
from tests.cluster import free_ports


@pytest.fixture
def work(monkeypatch):
    """Work without end, as a parameter server's; the times are short."""
    for name in ('_POLL_SECONDS', '_QUIET_SECONDS', '_GONE_SECONDS', '_SAID_AFTER_SECONDS', '_STEP_SECONDS'):
        monkeypatch.setattr(cluster, name, 0.05)
    done = threading.Event()
    yield done
    done.set()


@pytest.fixture
def listener():
    with socket.create_server(('127.0.0.1', 0)) as server:
        yield server


def until(condition):
    """Returns work that ends once a condition holds, which takes longer on a busy machine."""

    def work():
        while not condition():
            time.sleep(0.01)

    return work


def silent():
    return f'127.0.0.1:{free_ports(1)[0]}'


def address_of(listener):
    return f'127.0.0.1:{listener.getsockname()[1]}'


def watch(job='ps', chief='', worker=(), ps='', distribution='parameter_server', is_finished=False, **more):
    """Returns a watch and the lines that it says."""
    said = []
    tasks = {'chief': (chief or silent(),), 'worker': worker, 'ps': (ps or silent(),)}
    if distribution == 'multi_worker':
        del tasks['ps']
    role = Role(distribution, job, 0, {name: some for name, some in tasks.items() if some})
    stop = StopTrainingHook(StopSwitch())
    given = {'switch': StopSwitch(), 'timeout': 600.0, 'finished': lambda: is_finished, **more}
    return ClusterWatch(role=role, say=said.append, stop=stop, **given), said


def test_a_parameter_server_ends_when_the_chief_has_finished_and_gone(work, listener):
    threading.Timer(0.5, listener.close).start()
    started = time.monotonic()
    watch(chief=address_of(listener), is_finished=True)[0].run(work.wait)
    assert time.monotonic() - started > 0.5


@pytest.mark.parametrize('job', ['ps', 'evaluator', 'worker'])
def test_it_stops_waiting_after_the_timeout(work, job):
    one, said = watch(job, timeout=0.2)
    with pytest.raises(LabError, match=rf'chief 0 .*not answered for 0 seconds: this {job} ends') as error:
        one.run(work.wait)
    assert 'cluster_timeout' in error.value.remedies
    assert any('chief 0 (127.0.0.1:' in line and 'it does not answer' in line for line in said)


@pytest.mark.parametrize('distribution', ['parameter_server', 'multi_worker'])
def test_a_worker_ends_if_training_has_ended_without_it(work, distribution):
    """It was stopped meanwhile, or was started again shortly before the end: no other task runs any more."""
    watch('worker', worker=(silent(),), distribution=distribution, is_finished=True)[0].run(work.wait)
    assert not work.is_set()


@pytest.mark.parametrize(('job', 'is_finished'), [('ps', False), ('evaluator', True)])
def test_it_waits_for_a_chief_to_come_and_for_the_last_evaluation(work, job, is_finished):
    threading.Timer(0.5, work.set).start()
    watch(job, is_finished=is_finished)[0].run(work.wait)
    assert work.is_set()


def test_an_evaluator_waits_for_the_chief_which_may_save_again(work, listener):
    one, _ = watch('evaluator', address_of(listener), is_finished=True)
    heard = []

    def evaluate():
        until(lambda: one._heard)()
        heard.append(threading.Timer(0.3, listener.close))
        heard[0].start()
        one.wait_until_the_chief_is_gone()
        assert heard[0].finished.is_set()

    one.run(evaluate)
    assert heard


def test_waiting_is_said_once(work, monkeypatch):
    one, said = watch('chief', chief=silent(), ps=silent())
    polls = []
    monkeypatch.setattr(cluster, 'why_silent', lambda task: polls.append(1) or 'it does not answer')
    one.run(until(lambda: len(said) and len(polls) > 5))
    assert len(said) == 1 and said[0].startswith('Waiting for      ps 0 (127.0.0.1:'), said


def test_a_host_that_is_unknown_is_said_at_once(work, monkeypatch):
    monkeypatch.setattr(cluster, '_SAID_AFTER_SECONDS', 600.0)
    one, said = watch('chief', ps='no-such-host.invalid:2222')
    one.run(until(lambda: said))
    assert said == ['Waiting for      ps 0 (no-such-host.invalid:2222): its host is unknown']


def test_errors_and_signals_reach_the_main_thread(work, listener):
    switch = StopSwitch()
    threading.Timer(0.1, lambda: setattr(switch, 'on', True)).start()
    with pytest.raises(Interrupted):
        watch(chief=address_of(listener), switch=switch)[0].run(work.wait)
    with pytest.raises(ZeroDivisionError):
        watch(chief=address_of(listener))[0].run(lambda: 1 / 0)


@pytest.mark.parametrize('job', ['ps', 'chief', 'worker', 'evaluator'])
@pytest.mark.parametrize('has_begun', [True, False])
def test_a_stuck_task_ends_after_a_signal(work, listener, job, has_begun):
    """As with a session that waits for a parameter server: nothing in it hears the signal."""
    switch = StopSwitch()
    one, _ = watch(job, switch=switch)
    one.stop.begun = has_begun
    threading.Timer(0.1, lambda: setattr(switch, 'on', True)).start()
    with pytest.raises(Interrupted):
        one.run(work.wait)


def test_a_parameter_server_serves_until_the_chief_has_saved(work, listener, monkeypatch):
    monkeypatch.setattr(cluster, '_STEP_SECONDS', 600.0)
    switch = StopSwitch()
    switch.on = True
    threading.Timer(0.5, listener.close).start()
    started = time.monotonic()
    with pytest.raises(Interrupted):
        watch(chief=address_of(listener), switch=switch)[0].run(work.wait)
    assert time.monotonic() - started > 0.5


def test_the_chief_reports_an_absent_worker(work, listener):
    """One that never answers, and one that answers and then is gone."""
    one, said = watch('chief', ps=address_of(listener), worker=(silent(), address_of(listener)))
    one = replace(one, role=replace(one.role, cluster={**one.role.cluster, 'ps': ()}))
    one.stop.begun = True
    workers = one.role.tasks_of('worker')

    def work():
        until(lambda: workers[1] in one._heard and said)()
        listener.close()
        until(lambda: len(said) == 2)()

    one.run(work)
    never, lost = (f'worker {n} ({address})' for n, address in enumerate(one.role.cluster['worker']))
    assert said == [
        f'{never} has not answered so far: training goes on without it.',
        f'{lost} has ended or was killed: training goes on without it.',
        f'{never} has not answered so far: not all images of its share were used.',
        f'{lost} has ended or was killed: not all images of its share were used.',
    ]


def test_a_lost_partner_ends_synchronous_training(work, listener):
    one, _ = watch('worker', address_of(listener), (silent(),), distribution='multi_worker')
    (chief,) = one.role.tasks_of('chief')

    def wait():
        until(lambda: chief in one._heard)()
        listener.close()
        work.wait()

    with pytest.raises(LabError, match='is gone, and without it no step is possible'):
        one.run(wait)


def test_a_process_that_was_stopped_itself_looks_twice(monkeypatch):
    """By SIGSTOP, or as a laptop sleeps: what was heard long ago says nothing."""
    now = [0.0]
    monkeypatch.setattr(cluster, 'time', SimpleNamespace(monotonic=lambda: now[0]))
    one, _ = watch('worker', distribution='multi_worker', timeout=20.0)
    (chief,) = one.role.tasks_of('chief')
    for now[0], why in ((1.0, ''), (31.0, 'it does not answer'), (32.0, '')):
        assert not one._is_over({chief: why})
    assert not one._is_over({chief: 'it does not answer'})
    now[0] = 36.0
    with pytest.raises(LabError, match='is gone'):
        one._is_over({chief: 'it does not answer'})


def test_a_port_in_use(work, listener):
    with pytest.raises(LabError, match=r'The port of this process, ps 0 .* is used by another program'):
        watch('ps', ps=address_of(listener))[0].run(work.wait)


def test_one_address_under_two_names(work):
    port = free_ports(1)[0]
    with pytest.raises(FlagError, match=r'chief 0 \(localhost:.* and ps 0 \(127.0.0.1:.* are the same'):
        watch(chief=f'localhost:{port}', ps=f'127.0.0.1:{port}')[0].run(work.wait)


def test_agreement():
    source = Identity('a.tar', 10, 'f')
    made = InputRecord((source,), (), {'batch_size': 6})
    hparams = {'filters': 2, 'train_steps': 10}
    record = Record('cnn', (8, 8, 1), ('a', 'b'), hparams, {'tensorflow': '2.21.0'}, input=made)
    task = Task('worker', 0, 'h:1')
    check_agreement(task, record, record)
    other_input = replace(made, settings={'batch_size': 8})
    other_data = replace(made, archives=(replace(source, images=9),))
    for other, words in (
        (replace(record, hparams={**hparams, 'filters': 3}), '--hparams=filters 2, but the chief 3'),
        (replace(record, hparams={**hparams, 'train_steps': 9}), 'number of steps 10, but the chief 9'),
        (replace(record, image_shape=(9, 9, 1)), r'image shape \(8, 8, 1\), but the chief \(9, 9, 1\)'),
        (replace(record, versions={'tensorflow': '2.15.1'}), 'tensorflow 2.21.0, but the chief 2.15.1'),
        (replace(record, input=other_input), r'worker 0 \(h:1\) has --batch_size 6, but the chief 8: start'),
        (replace(record, input=other_data), r'--data .*10.*, but the chief .*9.*'),
    ):
        with pytest.raises(FlagError, match=words):
            check_agreement(task, record, other)
    check_agreement(Task('evaluator', 0, ''), record, replace(record, input=other_input))
    frozen = [replace(record, hparams={'frozen': value}) for value in (('conv1',), ['conv1'])]
    check_agreement(task, *frozen)  # the chief's is read from a file


def test_it_asks_for_agreement_once_the_chief_answers(work, listener):
    def disagree():
        raise FlagError('other')

    with pytest.raises(FlagError, match='other'):
        watch('worker', chief=address_of(listener), check_agreement=disagree)[0].run(work.wait)
