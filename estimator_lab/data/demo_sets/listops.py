"""ListOps: trees of nested operations on digits, whose value is their label (Nangia and Bowman 2018).

    2<TAB>( ( ( [MAX 2 ) 1 ) ] )

Their rules: from depth 1 on, below depth 20, an operator with probability 0.25, else a digit from 0 to 9,
each as likely; 2 to 5 arguments; the smallest, the largest, the median rounded down, the sum modulo 10. No
tree comes twice, and none is a digit alone; each is branched to the left.
"""

import itertools
import math
import random
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

from estimator_lab.base.files import whole_file
from estimator_lab.base.outputs import writing
from estimator_lab.data.demo_sets.archives import DemoPaths

OPERATORS: dict[str, Callable[[list[int]], int]] = {
    '[MIN': min,
    '[MAX': max,
    '[MED': lambda values: math.floor(statistics.median(values)),
    '[SM': lambda values: sum(values) % 10,
}
"""What each does with its arguments."""

TRAIN, TEST = 90_000, 10_000
"""Trees in the two files, as in the published set."""

_NAMES = tuple(OPERATORS)
_SHARE_OF_OPERATORS = 0.25
_MOST_DEPTH = 20
_ARGUMENTS = (2, 3, 4, 5)
_DIGITS = 10


def lines(seed: int) -> Iterator[str]:
    """Yields lines without end, all trees in them different: 'VALUE<TAB>TREE'.

    Small trees come early, as they are drawn often, and each comes once.
    """
    rng = random.Random(f'listops {seed}')
    seen: set[str] = set()
    while True:
        text, value = _draw(rng, 1)
        if text.startswith('(') and text not in seen:
            seen.add(text)
            yield f'{value}\t{text}'


def write_listops(folder: Path, train: int, test: int, seed: int = 0) -> DemoPaths:
    """Writes train.tsv and test.tsv into a folder; no tree is in both, or twice in one.

    Raises:
      FlagError: the folder can't be written.
      LabError: the disk is full.
    """
    paths = DemoPaths(folder / 'train.tsv', folder / 'test.tsv')
    with writing('', folder):
        folder.mkdir(parents=True, exist_ok=True)  # first, so that no work is lost if it fails
        found = list(itertools.islice(lines(seed), train + test))
        random.Random(f'listops {seed} order').shuffle(found)
        for path, part in zip(paths, (found[:train], found[train:]), strict=True):
            with whole_file(path, replaces=False) as file:
                file.writelines(f'{line}\n'.encode() for line in part)
    return paths


def _draw(rng: random.Random, depth: int) -> tuple[str, int]:
    """Returns the text of a tree and its value."""
    if depth >= _MOST_DEPTH or rng.random() >= _SHARE_OF_OPERATORS:
        digit = rng.randrange(_DIGITS)
        return str(digit), digit
    arguments = [_draw(rng, depth + 1) for _ in range(rng.choice(_ARGUMENTS))]
    name = rng.choice(_NAMES)
    text = name
    for part in (*(argument for argument, _ in arguments), ']'):
        text = f'( {text} {part} )'
    return text, OPERATORS[name]([value for _, value in arguments])
