"""The notes, "Estimator": the same model function in a cluster, here of five processes on this machine.

    python examples/cluster.py                                        asynchronous, on the built-in faces
    python examples/cluster.py --distribution=multi_worker            synchronous, without a parameter server
    python examples/cluster.py --data=train.tar --eval_data=test.tar --max_steps=2000

Takes about 1 min on 2 cores. Starts a chief, two workers, a parameter server and an evaluator; each line of
output begins with its task. All flags are passed on to `estimator_lab.train`; without any, training takes 200
steps at 32x32 pixels in runs/cluster. Ctrl-C stops all processes, the chief after it has saved a checkpoint;
the same command then resumes.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from estimator_lab import api

TRAIN = [sys.executable, '-m', 'estimator_lab.train']
DEFAULTS = {
    'model_dir': 'runs/cluster',
    'max_steps': 200,
    'image_size': 32,
    'distribution': 'parameter_server',
}
FAILED = {1, 2}  # exit statuses for an error, not for a signal
STOPPED = threading.Event()


def main() -> int:
    """Runs the cluster; returns the exit status of a process that failed, or the largest one."""
    arguments = sys.argv[1:]
    if '--help' in arguments:
        print(__doc__, flush=True)
        return subprocess.call([*TRAIN, '--help'])
    given = read(arguments)
    if 'data' not in given:
        faces = api.demo_faces()
        arguments += [f'--data={faces.train}', f'--eval_data={faces.test}']
    if 'epochs' in given:
        given['max_steps'] = ''
    arguments += [f'--{name}={value}' for name, value in DEFAULTS.items() if name not in given]
    jobs = {'chief': 1, 'worker': 2}
    if given.get('distribution') != 'multi_worker':
        jobs['ps'] = 1
    addresses = iter([f'127.0.0.1:{port}' for port in free_ports(sum(jobs.values()))])
    cluster = {job: [next(addresses) for _ in range(count)] for job, count in jobs.items()}
    processes = []
    for job, count in {**jobs, 'evaluator': 1}.items():
        for index in range(count):
            tf_config = {'cluster': cluster, 'task': {'type': job, 'index': index}}
            processes.append(start(f'{job} {index}', tf_config, arguments))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop(processes))
    while None in (running := [process.poll() for process in processes]):
        if FAILED & set(running):
            stop(processes)  # the others would wait for the one that failed
        time.sleep(0.2)
    statuses = [process.wait() for process in processes]
    return next((status for status in statuses if status in FAILED), max(statuses))


def read(arguments: list[str]) -> dict[str, str]:
    """Returns the flags that decide what is started, as far as they are given."""
    parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS, add_help=False, allow_abbrev=False)
    for name in ('data', 'epochs', *DEFAULTS):
        parser.add_argument(f'--{name}')
    return vars(parser.parse_known_args(arguments)[0])


def free_ports(count: int) -> list[int]:
    """Returns ports that were free a moment ago."""
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def stop(processes: list[subprocess.Popen]) -> None:
    """Asks all processes to end, once: a second signal would end them without a checkpoint."""
    if not STOPPED.is_set():
        STOPPED.set()
        for process in processes:
            process.terminate()


def start(task: str, tf_config: dict, arguments: list[str]) -> subprocess.Popen:
    """Starts a task, whose lines are shown after its name."""
    process = subprocess.Popen(
        [*TRAIN, *arguments],
        env={**os.environ, 'TF_CONFIG': json.dumps(tf_config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
        start_new_session=True,  # else Ctrl-C would reach it twice
    )

    def show() -> None:
        for line in process.stdout or ():
            print(f'{task:<12} {line}', end='', flush=True)

    threading.Thread(target=show).start()
    return process


if __name__ == '__main__':
    sys.exit(main())
