"""The environment of TensorFlow: versions that work together, environment variables, messages."""

import contextlib
import importlib.metadata
import logging
import os
import platform
import warnings
from typing import NamedTuple

import absl.logging

from estimator_lab.base.process import FATAL_ONLY, LOG_LEVEL_VARIABLE, wants_messages
from estimator_lab.base.version import NEWEST_TENSORFLOW, OLDEST_TENSORFLOW

LEGACY_KERAS_VARIABLE = 'TF_USE_LEGACY_KERAS'
_TRUE = ('1', 'true', 'True')
ONEDNN_VARIABLE = 'TF_ENABLE_ONEDNN_OPTS'
_ONEDNN_MACHINES = ('x86_64', 'AMD64')
ESTIMATOR_REQUIREMENT = 'tensorflow-estimator==2.15.0'
# Regular expressions: what Keras 2 warns of when tf.layers, cells, feature columns and the like use it.
_KERAS_WARNINGS = (
    r'`tf\.layers\.',
    r'`tf\.nn\.rnn_cell\.',
    r'`layer\.(add_variable|apply)` is deprecated',
    r'`tf\.keras\.backend\.set_learning_phase` is deprecated',
    r'`Model\.state_updates` will be removed',
    'float_format is deprecated',  # protobuf's, as TensorFlow 2.20 writes its graph
)


class VersionError(ImportError):
    """The installed packages can't work together; the message is one sentence that says what to do."""


class Packages(NamedTuple):
    """Installed versions as 'major.minor.patch' strings; None where a package is missing."""

    tensorflow: str
    estimator: str | None
    keras: str | None
    tf_keras: str | None
    protobuf: str | None


def installed(distribution: str) -> str | None:
    """Returns the version of an installed distribution, or of its nightly build, or None."""
    for name in (distribution, f'{distribution}-nightly'):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None


def major_minor(version: str) -> tuple[int, int]:
    """Returns (2, 21) for '2.21.0' and for '2.21.0-rc1'."""
    major, minor = version.split('.')[:2]
    return int(major), int(minor)


def _needs_tf_keras(keras: str | None) -> bool:
    """Whether `tf.keras` would be Keras 3, so that `tf.layers` has to come from tf-keras."""
    return keras is None or major_minor(keras) >= (3, 0)


def choose_variables(machine: str = platform.machine()) -> None:
    """Sets TensorFlow's environment variables that the user has not set; called ahead of its import.

    Keras 2 for its lazy loaders; no native messages; and oneDNN on x86-64, which TensorFlow itself turns on
    only for processors with AVX512-VNNI. With AVX2 alone it halves the processor time of a convolutional
    step, and keeps large tensors in memory instead of returning their pages at each step.
    """
    if _needs_tf_keras(installed('keras')):
        os.environ.setdefault(LEGACY_KERAS_VARIABLE, '1')
    os.environ.setdefault(LOG_LEVEL_VARIABLE, FATAL_ONLY)
    if machine in _ONEDNN_MACHINES:
        os.environ.setdefault(ONEDNN_VARIABLE, '1')


def hide_deprecations() -> None:
    """Turns off deprecation messages about the functions that TF1 programs consist of.

    Without effect where the user requests TensorFlow's messages.
    """
    if wants_messages():
        return
    from tensorflow.python.util import deprecation, module_wrapper

    deprecation._PRINT_DEPRECATION_WARNINGS = False
    module_wrapper._PER_MODULE_WARNING_LIMIT = 0  # 'The name tf.x is deprecated. Please use ...'
    for beginning in _KERAS_WARNINGS:
        warnings.filterwarnings('ignore', message=beginning, category=UserWarning)


def print_log_lines_once() -> None:
    """Keeps the handler that `tf.app.run` puts on the root logger from repeating TensorFlow's lines."""
    absl.logging.get_absl_handler().addFilter(_is_first_print)


def _is_first_print(record: logging.LogRecord) -> bool:
    stream = absl.logging.get_absl_handler().python_handler.stream
    handlers = logging.getLogger('tensorflow').handlers
    return record.name != 'tensorflow' or all(
        getattr(handler, 'stream', None) is not stream for handler in handlers
    )


def package_of_keras() -> str:
    """Returns the package that is `tf.keras`: Keras 2 has two names."""
    return 'tf_keras' if os.environ.get(LEGACY_KERAS_VARIABLE) in _TRUE else 'keras'


def keras_3_problem() -> str | None:
    """Returns the sentence for an environment that requests Keras 3 in `tf.keras`, or None."""
    choice = os.environ.get(LEGACY_KERAS_VARIABLE, '')
    if choice in _TRUE or not _needs_tf_keras(installed('keras')):
        return None
    return (
        f'{LEGACY_KERAS_VARIABLE}={choice} asks for Keras 3, which has no tf.layers, so tf.estimator cannot '
        'work; unset it or set it to 1.'
    )


def find_problem(packages: Packages) -> str | None:
    """Returns the sentence for the first conflict among `packages`, or None."""
    version = major_minor(packages.tensorflow)
    if not OLDEST_TENSORFLOW <= version <= NEWEST_TENSORFLOW:
        (old, first), (new, last) = OLDEST_TENSORFLOW, NEWEST_TENSORFLOW
        return (
            f'TensorFlow {packages.tensorflow} is not supported: estimator_lab runs on {old}.{first} '
            f"to {new}.{last}; install one with: pip install 'tensorflow>={old}.{first},<{new}.{last + 1}'."
        )
    if packages.estimator is None or major_minor(packages.estimator) != (2, 15):
        found = f'{packages.estimator} is installed' if packages.estimator else 'it is not installed'
        return (
            f'tf.estimator needs tensorflow-estimator 2.15, but {found}: pip install {ESTIMATOR_REQUIREMENT}.'
        )
    if _needs_tf_keras(packages.keras):
        wanted = f'tf-keras=={version[0]}.{version[1]}.*'
        if packages.tf_keras is None:
            return (
                f'TensorFlow {packages.tensorflow} takes tf.layers from tf-keras, which is not installed: '
                f"pip install '{wanted}'."
            )
        if major_minor(packages.tf_keras) != version:
            return (
                f'tf-keras {packages.tf_keras} does not match TensorFlow {packages.tensorflow}: '
                f"pip install '{wanted}'."
            )
    # 2.20 writes the graph as text through a protobuf call that protobuf 7 dropped; 2.21 does not.
    if version == (2, 20) and packages.protobuf and major_minor(packages.protobuf) >= (7, 0):
        return (
            f"TensorFlow {packages.tensorflow} cannot write an Estimator's graph with protobuf "
            f"{packages.protobuf}: pip install 'protobuf<7'."
        )
    return None


def check_packages(tensorflow_version: str) -> None:
    """Raises VersionError for combinations that would fail later, deep inside TensorFlow."""
    problem = find_problem(
        Packages(
            tensorflow=tensorflow_version,
            estimator=installed('tensorflow-estimator'),
            keras=installed('keras'),
            tf_keras=installed('tf-keras'),
            protobuf=installed('protobuf'),
        )
    )
    if problem:
        raise VersionError(problem)
