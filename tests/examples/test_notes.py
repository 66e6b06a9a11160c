"""The code of the notes themselves, unedited, under `run`."""

import re

import pytest

from tests.support.places import notes

pytestmark = [pytest.mark.both, pytest.mark.slow]

IMPORTS = """
import sys
import tarfile

import numpy as np
import tensorflow as tf
from PIL import Image

"""
TRAINING = """
generator = lambda: stream_tar_dataset(sys.argv[1])


class Losses(tf.train.SessionRunHook):
    def before_run(self, run_context):
        return tf.train.SessionRunArgs(tf.losses.get_losses()[0])

    def after_run(self, run_context, run_values):
        print('loss', run_values.results)


tf.logging.set_verbosity(tf.logging.ERROR)
estimator = tf.estimator.Estimator(cnn_model_fn, sys.argv[2])
estimator.train(input_func_gen, hooks=[Losses()], steps=3)
print('steps', estimator.get_variable_value('global_step'))
"""


@pytest.mark.once  # a minute of graph building, as the notes have a tensor for each pixel
def test_the_generator_input_function_and_model_function_train(archive, tmp_path, run_python):
    blocks = re.findall(r'```python\n(.*?)```', notes(), re.DOTALL)
    names = [re.findall(r'^def (\w+)', block, re.MULTILINE) for block in blocks]
    assert names == [['cnn_model_fn'], ['stream_tar_dataset'], ['input_func_gen']]
    program = tmp_path / 'notes.py'
    program.write_text(IMPORTS + '\n'.join(blocks) + TRAINING)
    done = run_python('-m', 'estimator_lab.run', str(program), str(archive), str(tmp_path / 'model'))
    assert (done.returncode, done.stderr) == (0, '')
    *losses, steps = done.stdout.splitlines()
    assert len(losses) == 3 and all(line.startswith('loss ') for line in losses) and steps == 'steps 3'
