"""TensorFlow 1, alive: ``from estimator_lab.tf1 import tf``.

``tf`` is ``tensorflow.compat.v1`` with a working ``tf.estimator``: TensorFlow's own on 2.15, and on 2.16
to 2.21 the last released package ``tensorflow-estimator`` 2.15 put back in its place. Importing this
module is enough for other code too: ``tf.estimator``, ``tf.compat.v1.estimator`` and
``from tensorflow.compat.v1.estimator import Estimator`` then work wherever they are written. Estimator
itself is loaded when it is first touched. Modules and names that have moved within TensorFlow since 1.15
answer under their old names, where a TensorFlow has not got them itself, and so does
``tf.keras.layers.Dense(...).apply(x)``; ``ESTIMATOR_LAB_SHOW_MOVED=1`` in
the environment shows each use with its new name.

This package is the only one that knows TensorFlow's versions. It changes four more things in the process:
``tf.keras`` and ``tf.layers`` are Keras 2 (from tf-keras), as every TF1 program expects; TensorFlow's
start-up and deprecation notes stay off the screen unless ``TF_CPP_MIN_LOG_LEVEL`` is set below 3; and on
x86-64 oneDNN computes convolutions and matrix products unless ``TF_ENABLE_ONEDNN_OPTS`` is set to 0. A
program that asks for Keras 3 in ``tf.keras``, or already uses it there, is warned and keeps it, without an
Estimator.
Checkpoints and event files that can't be written for want of space raise ResourceExhaustedError, also where
TensorFlow takes that for the end of the data, or says nothing.
TensorFlow's v2 behaviour is left as it is: a program that calls ``tf.Session`` outside an Estimator calls
``tf.disable_v2_behavior()`` first, as with ``tensorflow.compat.v1`` itself.

Raises:
  VersionError: an ImportError whose one sentence says which installed packages do not fit and what
    to install.
"""

from typing import Any

from estimator_lab.tf1._environment import VersionError, check_packages, choose_keras_2, choose_onednn
from estimator_lab.tf1._quiet import hush_notes, hushed, hushed_import

choose_keras_2()
choose_onednn()
tf: Any = hushed_import('tensorflow.compat.v1')
check_packages(tf.__version__)
hush_notes()

from estimator_lab.tf1._freed_memory import keep_freed_memory  # noqa: E402
from estimator_lab.tf1._full_disk import reveal_full_disks  # noqa: E402
from estimator_lab.tf1._internals import create_slots, record_reader, redirected_writers  # noqa: E402
from estimator_lab.tf1._keras_layers import restore_apply  # noqa: E402
from estimator_lab.tf1._missing_names import explain_missing_names  # noqa: E402
from estimator_lab.tf1._moved import MovedName, install_moved_names  # noqa: E402
from estimator_lab.tf1._restore import restore_estimator, warn_of_keras_3  # noqa: E402
from estimator_lab.tf1._reused_evaluation import reused_evaluation_graph  # noqa: E402
from estimator_lab.tf1.types import (  # noqa: E402
    EstimatorSpec,
    Features,
    Mode,
    Operation,
    RunConfig,
    SessionRunHook,
    Tensor,
    Variable,
)

restore_estimator()
reveal_full_disks()
install_moved_names()
restore_apply()
explain_missing_names()
warn_of_keras_3()

__all__ = [
    'EstimatorSpec',
    'Features',
    'Mode',
    'MovedName',
    'Operation',
    'RunConfig',
    'SessionRunHook',
    'Tensor',
    'Variable',
    'VersionError',
    'create_slots',
    'hushed',
    'keep_freed_memory',
    'record_reader',
    'redirected_writers',
    'reused_evaluation_graph',
    'tf',
]
