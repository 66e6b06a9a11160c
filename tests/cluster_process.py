"""The command in a process that writes down which images it trains on, and slows down its input.

    python cluster_process.py LOG PACE REPLICAS FLAGS...

LOG gets a line for each image handed to TensorFlow, PACE is the seconds to wait before each batch, REPLICAS
the number of logical CPUs for a strategy to find.
"""

import runpy
import sys
import time
from pathlib import Path

from estimator_lab.data.report import InputReport
from estimator_lab.tf1 import tf

log = Path(sys.argv.pop(1)).open('a', buffering=1)  # noqa: SIM115 - open as long as the process
pace = float(sys.argv.pop(1))
replicas = int(sys.argv.pop(1))
if replicas > 1:
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices('CPU')[0], [tf.config.LogicalDeviceConfiguration()] * replicas
    )
original = InputReport.until_error


def until_error(self, batches):
    for batch in original(self, batches):
        log.write(''.join(f'{key}\n' for key in batch.keys))
        time.sleep(pace)
        yield batch


InputReport.until_error = until_error
runpy.run_module('estimator_lab.train', run_name='__main__', alter_sys=True)
