"""Runs the training command, logs the images that it trains on, and slows down its input.

    python cluster_process.py LOG PACE FLAGS...

LOG gets a line for each image handed to TensorFlow; PACE is the delay of each batch in seconds.
"""

import contextlib
import os
import runpy
import sys
import time

from estimator_lab.data.input.bad_examples import InputReport

log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
pace = float(sys.argv.pop(1))
original = InputReport.until_error


def until_error(self, batches):
    size = 0
    for batch in original(self, batches):
        size = size or len(batch.keys)  # of the first; later ones may be several batches in one
        with contextlib.suppress(OSError):  # a full disk, which is to affect the command alone
            os.write(log, ''.join(f'{key}\n' for key in batch.keys).encode())
        time.sleep(pace * len(batch.keys) / size)
        yield batch


InputReport.until_error = until_error
runpy.run_module('estimator_lab.train', run_name='__main__', alter_sys=True)
