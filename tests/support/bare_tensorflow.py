"""Runs an exported model with TensorFlow alone: a script that cannot import estimator_lab.

    python -I -S bare_tensorflow.py SITE_PACKAGES EXPORT IMAGE_BYTES.npy IMAGE.npy OUT

Writes the outputs of `saved_model_cli run` to OUT/encoded and OUT/pixels, those of `tf.saved_model.load` to
OUT/loaded.npz.
"""

import importlib.util
import sys
from pathlib import Path

site_packages, export, encoded, pixels, out = sys.argv[1:]


class Absent:
    """A finder that hides our package, even if it is installed next to TensorFlow."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition('.')[0] == 'estimator_lab':
            raise ModuleNotFoundError(name)


# Without -S, Python would read .pth files in that folder, which make an editable install importable.
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
        if end.code:
            raise


run('serving_default', f'image_bytes={encoded}', 'encoded')
run('pixels:serving_default', f'image={pixels}', 'pixels')
signature = tf.saved_model.load(export).signatures['serving_default']
answers = signature(tf.constant(np.load(encoded)))
np.savez(Path(out, 'loaded.npz'), **{name: value.numpy() for name, value in answers.items()})
