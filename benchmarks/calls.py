"""Predictions of a run in many calls: 8 of 64 images next to one of 512, in batches of 64.

python benchmarks/calls.py
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from runner import command_line, machine
from small_sets import digits

from estimator_lab import api

_IMAGES, _CALLS = 512, 8


def main() -> None:
    """Prints the seconds of processor time, and their ratio."""
    command_line(__doc__).parse_args()
    print(machine())
    split = digits(28)
    images = np.resize(split.x, (_IMAGES, *split.x.shape[1:]))
    with tempfile.TemporaryDirectory() as folder:
        data, test = (split.x, split.y), (split.x_test, split.y_test)
        path = Path(folder, 'run')
        api.fit('cnn', data, eval_data=test, model_dir=path, say=None, max_steps=3)
        run = api.load(path)
        list(run.predict(images))  # builds the network
        one = _seconds(lambda: list(run.predict(images, batch_size=_IMAGES // _CALLS)))
        parts = np.split(images, _CALLS)
        eight = _seconds(lambda: [list(run.predict(part, batch_size=_IMAGES // _CALLS)) for part in parts])
    print(f'one call {one:.2f} s, {_CALLS} calls {eight:.2f} s: {eight / one:.2f} times')


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == '__main__':
    main()
