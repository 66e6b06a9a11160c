"""A training command as users give it, for the figures that are what it prints and how long it takes."""

import re
import subprocess
import sys
import tempfile
import time


def train(*flags: str, model_dir: str = '') -> None:
    """Runs `estimator_lab.train` with these flags; prints the command, its accuracy and the seconds.

    Args:
      flags: of the command.
      model_dir: where the run goes; '' for a folder that is gone afterwards.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, '-m', 'estimator_lab.train', *flags]
        print('$ python', *command[1:], flush=True)
        started = time.monotonic()
        done = subprocess.run(
            [*command, f'--model_dir={model_dir or folder}'], stdout=subprocess.PIPE, text=True, check=True
        )
        seconds = time.monotonic() - started
    accuracy = re.search(r'^Accuracy .*$', done.stdout, re.MULTILINE)
    print(accuracy[0] if accuracy else done.stdout)
    print(f'{seconds:.0f} s from start to end, evaluations and start-up included')
