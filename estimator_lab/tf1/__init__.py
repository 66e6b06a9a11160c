"""The TF1 Estimator on today's TensorFlow: ``from estimator_lab.tf1 import tf``.

``tf`` is ``tensorflow.compat.v1`` with a working ``tf.estimator``: TensorFlow's own on 2.15, and on 2.16
to 2.21 the last released package ``tensorflow-estimator`` 2.15, restored under its old name. Importing
this module is enough for other code too: ``tf.estimator``, ``tf.compat.v1.estimator`` and
``from tensorflow.compat.v1.estimator import Estimator`` then work in every module. Estimator itself is loaded
at its first use. Modules and names that have moved within TensorFlow since 1.15 work under their old names
where TensorFlow itself no longer has them, and so does ``tf.keras.layers.Dense(...).apply(x)``.

Only this package imports TensorFlow and knows its versions. docs/porting.md lists what the import changes in
the process. A program that requests Keras 3 in ``tf.keras``, or already uses it there, is warned and keeps
it, without an Estimator. TensorFlow's v2 behaviour stays on: a program that calls ``tf.Session`` outside an
Estimator calls ``tf.disable_v2_behavior()`` first, as with ``tensorflow.compat.v1`` itself.

Raises:
  VersionError: an ImportError whose one sentence says which installed packages do not fit and what
    to install.
"""

import importlib
import sys
from typing import Any, TypeAlias

from estimator_lab.base.process import importing_tensorflow
from estimator_lab.tf1.packages import (
    VersionError,
    check_packages,
    choose_variables,
    hide_deprecations,
    print_log_lines_once,
)

choose_variables()
with importing_tensorflow():
    tf: Any = importlib.import_module('tensorflow.compat.v1')
    """The module `tensorflow.compat.v1`, with `tf.estimator` and the names that have moved since 1.15."""
check_packages(tf.__version__)
hide_deprecations()
print_log_lines_once()

from estimator_lab.tf1.evaluation import reused_evaluation_graph  # noqa: E402
from estimator_lab.tf1.finder import FINDER  # noqa: E402
from estimator_lab.tf1.moved_names import install_names  # noqa: E402
from estimator_lab.tf1.old_behaviour import adapt_tensorflow  # noqa: E402
from estimator_lab.tf1.one_keras import install_keras  # noqa: E402
from estimator_lab.tf1.process import keep_freed_memory, prepare_process  # noqa: E402
from estimator_lab.tf1.restored_estimator import restore_estimator, warn_of_keras_3  # noqa: E402
from estimator_lab.tf1.tensorflow_internals import (  # noqa: E402
    close_event_files,
    create_slots,
    deterministic_operations,
    record_reader,
    save_by,
)

sys.meta_path.insert(0, FINDER)
restore_estimator()
install_names()
install_keras()
adapt_tensorflow()
warn_of_keras_3()

Tensor: TypeAlias = Any
"""A `tf.Tensor`, or a value that TensorFlow converts to one; docstrings give its type, shape and values."""

Variable: TypeAlias = Any
"""A TensorFlow variable, of either kind."""

Operation: TypeAlias = Any
"""A `tf.Operation`, or another value that `EstimatorSpec.train_op` accepts."""

Nested: TypeAlias = Any
"""A `Tensor`, or tuples, lists and dicts of such."""

Metric: TypeAlias = tuple[Tensor, Tensor]
"""The value of a metric, and the operation that adds a batch to it."""

DType: TypeAlias = Any
"""A `tf.DType`, or a value that TensorFlow converts to one."""

Graph: TypeAlias = Any
"""A `tf.Graph`."""

Session: TypeAlias = Any
"""A `tf.Session`, or one of `tf.train` that restores and recovers."""

VariableScope: TypeAlias = Any
"""A `tf.VariableScope`, its name, or None."""

Initializer: TypeAlias = Any
"""An initializer of a variable."""

Optimizer: TypeAlias = Any
"""A `tf.train.Optimizer`."""

RNNCell: TypeAlias = Any
"""A `tf.nn.rnn_cell.RNNCell`."""

Estimator: TypeAlias = Any
"""A `tf.estimator.Estimator`."""

Features: TypeAlias = Any
"""The features that an input function passes to a model function: see `core.features`."""

EstimatorSpec: TypeAlias = Any
"""A `tf.estimator.EstimatorSpec`."""

RunConfig: TypeAlias = Any
"""A `tf.estimator.RunConfig`."""

Mode: TypeAlias = str
"""One of `tf.estimator.ModeKeys`."""

SessionRunHook: TypeAlias = Any
"""A `tf.train.SessionRunHook`."""

SessionRunContext: TypeAlias = Any
"""A `tf.train.SessionRunContext`."""

SessionRunValues: TypeAlias = Any
"""A `tf.train.SessionRunValues`."""

SessionRunArgs: TypeAlias = Any
"""A `tf.train.SessionRunArgs`, or None."""

__all__ = [
    'DType',
    'Estimator',
    'EstimatorSpec',
    'Features',
    'Graph',
    'Initializer',
    'Metric',
    'Mode',
    'Nested',
    'Operation',
    'Optimizer',
    'RNNCell',
    'RunConfig',
    'Session',
    'SessionRunArgs',
    'SessionRunContext',
    'SessionRunHook',
    'SessionRunValues',
    'Tensor',
    'Variable',
    'VariableScope',
    'VersionError',
    'close_event_files',
    'create_slots',
    'deterministic_operations',
    'keep_freed_memory',
    'prepare_process',
    'record_reader',
    'reused_evaluation_graph',
    'save_by',
    'tf',
]
