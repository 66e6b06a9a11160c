"""The cluster that a Slurm step describes to each of its tasks (man srun, output environment variables).

TensorFlow's SlurmClusterResolver sorts the names of nodes as texts, so that n10 precedes n8, and gives all
jobs the same port.
"""

import itertools
import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

from estimator_lab.base.errors import FlagError
from estimator_lab.base.json_input import shortened

T = TypeVar('T')

FIRST_PORT, PORTS = 20_000, 12_000
"""Ports of tasks, below the ports that Linux gives to clients."""

_PORTS_OF_A_JOB = 16
_MOST_TASKS = 100_000
_LIST = re.compile(r'(?:\[[^\]]*\]|[^,\[\]])+')
_PART = re.compile(r'\[([^\]]*)\]|([^\[\]]+)')
_PLANE = re.compile(r'plane(?:=(\d{1,6}))?', re.ASCII)
_TASKS = re.compile(r'(\d{1,6})(?:\(x(\d{1,6})\))?', re.ASCII)


def tf_config_of_step() -> dict[str, Any]:
    """Returns the TF_CONFIG of this task, {} outside of a step.

    The first task is the chief. Task n of a node listens on a port that depends on n and the number of the
    job, so that two jobs on a node do not meet.

    Raises:
      FlagError: the variables are incomplete, or contradict each other.
    """
    if 'SLURM_STEP_NUM_TASKS' not in os.environ:
        return {}
    count, rank = _read('SLURM_STEP_NUM_TASKS', int), _read('SLURM_PROCID', int)
    nodes = _read('SLURM_STEP_NODELIST', nodes_in)
    shares = _read('SLURM_STEP_TASKS_PER_NODE', _tasks_of_nodes)
    if not (len(nodes) == len(shares) and sum(shares) == count and 0 <= rank < count):
        raise FlagError(
            f'Slurm does not describe its step: {len(nodes)} nodes with {sum(shares)} tasks, and number '
            f'{rank}, are not {count} tasks.'
        )
    job, together = _read('SLURM_JOB_ID', int), _together(max(shares))
    places = [(number, node) for node, tasks in zip(nodes, shares, strict=True) for number in range(tasks)]
    places.sort(key=lambda place: place[0] // together)  # in each round, the nodes keep their order
    addresses = [f'{node}:{FIRST_PORT + (job * _PORTS_OF_A_JOB + number) % PORTS}' for number, node in places]
    cluster = {'chief': addresses[:1], **({'worker': addresses[1:]} if count > 1 else {})}
    task = {'type': 'worker', 'index': rank - 1} if rank else {'type': 'chief', 'index': 0}
    return {'cluster': cluster, 'task': task}


def _together(most: int) -> int:
    """Returns how many consecutive tasks a node gets in each round over the nodes.

    `most` is the largest number of tasks of a node.

    Raises:
      FlagError: SLURM_DISTRIBUTION leaves it open.
    """
    text = os.environ.get('SLURM_DISTRIBUTION', '')
    over_nodes = text.partition(':')[0].partition(',')[0]
    if most == 1 or over_nodes in ('', 'block', 'unknown'):
        return max(most, 1)
    if over_nodes == 'cyclic':
        return 1
    plane = _PLANE.fullmatch(over_nodes)
    if size := plane and (plane[1] or os.environ.get('SLURM_DIST_PLANESIZE')):
        return max(int(size), 1)
    raise FlagError(
        f'SLURM_DISTRIBUTION={shortened(text)} does not say which task is on which node: use '
        'srun --distribution=block, cyclic or plane.'
    )


def _read(name: str, parse: Callable[[str], T]) -> T:
    """Returns a variable of Slurm's.

    Raises:
      FlagError: it is missing or wrong.
    """
    text = os.environ.get(name, '')
    try:
        return parse(text)
    except ValueError as error:
        raise FlagError(f'Slurm does not describe its step: {name}={shortened(text)}: {error}.') from error


def nodes_in(text: str) -> list[str]:
    """Returns the nodes of a list, in its order.

    Examples:
        >>> nodes_in('n[8-10],gpu1,r[1-2]n[01,03]')
        ['n8', 'n9', 'n10', 'gpu1', 'r1n01', 'r1n03', 'r2n01', 'r2n03']

    Raises:
      ValueError: it is not such a list.
    """
    found: list[str] = []
    if ','.join(_LIST.findall(text)) != text:
        raise ValueError('it is not a list of nodes')
    for one in _LIST.findall(text):
        parts = [_numbers(numbers) if numbers else [name] for numbers, name in _PART.findall(one)]
        found += map(''.join, itertools.islice(itertools.product(*parts), _MOST_TASKS))
    return found


def _numbers(text: str) -> list[str]:
    """Returns the numbers of '8-10,12', as many digits wide as the first one of each range."""
    found: list[str] = []
    for item in text.split(','):
        low, _, high = item.partition('-')
        last = min(int(high or low), int(low) + _MOST_TASKS)
        found += (f'{number:0{len(low)}}' for number in range(int(low), last + 1))
    return found


def _tasks_of_nodes(text: str) -> list[int]:
    """Returns the numbers of tasks of '2(x3),1': 2, 2, 2, 1."""
    found: list[int] = []
    for item in text.split(','):
        part = _TASKS.fullmatch(item)
        if not part:
            raise ValueError('it is not a list of numbers')
        found += [int(part[1])] * min(int(part[2] or 1), _MOST_TASKS)
    return found
