"""Runs an exported model with nothing but TensorFlow: a program of its own, which can't import estimator_lab.

    python -I -S bare_tensorflow.py SITE_PACKAGES EXPORT IMAGE_BYTES.npy IMAGE.npy OUT

Answers of `saved_model_cli run` go to OUT/encoded and OUT/pixels, those of `tf.saved_model.load` to
OUT/loaded.npz.
"""

import importlib.util
import sys
from pathlib import Path

site_packages, export, encoded, pixels, out = sys.argv[1:]


class Absent:
    """A finder to which our package is not there, even if it is installed beside TensorFlow."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition('.')[0] == 'estimator_lab':
            raise ModuleNotFoundError(name)


# Without -S, Python would read the .pth files in there, by which a package in development is found.
sys.path.append(site_packages)
sys.meta_path.insert(0, Absent())
try:
    importlib.util.find_spec('estimator_lab')
    raise SystemExit('estimator_lab can be imported')
except ModuleNotFoundError:
    pass

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow.python.tools import saved_model_cli  # noqa: E402


def run(signature: str, inputs: str, folder: str) -> None:
    arguments = ['run', '--dir', export, '--tag_set', 'serve', '--signature_def', signature]
    sys.argv = ['saved_model_cli', *arguments, '--inputs', inputs, '--outdir', str(Path(out, folder))]
    try:
        saved_model_cli.main()
    except SystemExit as end:
        assert not end.code, end.code


run('serving_default', f'image_bytes={encoded}', 'encoded')
run('pixels:serving_default', f'image={pixels}', 'pixels')
signature = tf.saved_model.load(export).signatures['serving_default']
answers = signature(tf.constant(np.load(encoded)))
np.savez(Path(out, 'loaded.npz'), **{name: value.numpy() for name, value in answers.items()})
