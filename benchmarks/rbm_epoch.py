"""One epoch of CD-1 in float32 and bfloat16, scikit-learn's, and the matrix products of ours alone.

`belief_networks.py epoch` prints it. All contenders run in turn in this process, on the cores that it may
use: `taskset -c 0 python benchmarks/belief_networks.py epoch ...` measures them on one.
"""

import functools
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from runner import Clock, Measured, median, print_ratio, print_table, race

from estimator_lab.models import rbm
from estimator_lab.runs.precision import FLOAT32, cpu_precisions, session_config
from estimator_lab.tf1 import tf
from tests.input_batches import numpy_input_fn

_BATCH, _HIDDEN, _RATE = 100, 500, 0.05
_PARAMS = {
    'hidden_units': _HIDDEN,
    'initial_momentum_steps': 100,
    'chains': 0,
    'binarize': False,
    'learning_rate': _RATE,
    'learning_rate_schedule': 'constant',
}


def compare(images: np.ndarray, rounds: int = 3) -> None:
    """Prints seconds of an epoch, pseudo-log-likelihoods, and ratios.

    Args:
      images: uint8 [n, height, width].
      rounds: how many.
    """
    steps, visible = len(images) // _BATCH, int(np.prod(images.shape[1:]))
    precisions = cpu_precisions()
    contenders: dict[str, Callable[[], Measured]] = {}
    for precision in precisions:
        contenders[precision] = functools.partial(_ours, images, precision, steps)
        contenders[f'products, {precision}'] = functools.partial(_products, visible, precision)
    for dtype in (np.float32, np.float64):  # images / 255 is of float64
        contenders[f'BernoulliRBM, {dtype.__name__}'] = functools.partial(_theirs, images, dtype)
    contenders['a quarter of an epoch'] = functools.partial(_ours, images, FLOAT32, steps // 4)
    found = race(contenders, rounds)
    print_table(found, 'images', 'epoch', len(images))
    for precision, goal in zip(precisions, (1.8, 2.5), strict=False):
        for floats in ('float32', 'float64'):
            print_ratio(found, precision, f'BernoulliRBM, {floats}', goal)
        share = median(found[precision]) / median(found[f'products, {precision}'])
        print(f'{precision}: matrix products are {share:.0%} of a step')


def _quality(pseudo_log_likelihood: float) -> str:
    return f'pseudo-log-likelihood {pseudo_log_likelihood:.1f}'


def _ours(images: np.ndarray, precision: str, steps: int) -> Measured:
    """Trains a new RBM as a user does, by Estimator, from memory; the first step starts the session."""
    with tempfile.TemporaryDirectory() as folder:
        params = {**_PARAMS, 'image_shape': (*images.shape[1:], 1), 'train_steps': steps}
        config = tf.estimator.RunConfig(
            folder,
            save_summary_steps=0,
            save_checkpoints_secs=10_000,
            session_config=session_config(precision),
        )
        estimator = tf.estimator.Estimator(rbm.model_fn, params=params, config=config)
        clock = Clock(steps - 1, _BATCH, warm_up=1)
        estimator.train(numpy_input_fn(images, batch_size=_BATCH, shuffle=True), [clock.hook()], steps)
        found = estimator.evaluate(numpy_input_fn(images, batch_size=1000))
        return clock.measured(_quality(found['pseudo_log_likelihood']))


def _theirs(images: np.ndarray, dtype: type) -> Measured:
    """Trains scikit-learn's RBM for one epoch."""
    from sklearn.neural_network import BernoulliRBM

    flat = images.reshape(len(images), -1) / dtype(255)
    machine = BernoulliRBM(_HIDDEN, learning_rate=_RATE, batch_size=_BATCH, n_iter=1)
    measured = Clock(1, len(flat), warm_up=0).time(lambda: machine.fit(flat))
    return measured._replace(note=_quality(machine.score_samples(flat).mean()))


def _products(visible: int, precision: str) -> Measured:
    """Times the matrix products of a step of CD-1."""
    dtype, config = tf.as_dtype(precision), tf.ConfigProto()
    # Products whose results are unused would be optimised away.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf.Graph().as_default(), tf.Session(config=config) as session:

        def matrix(rows: int, columns: int) -> Any:
            return tf.get_variable(f'matrix_{len(tf.global_variables())}', [rows, columns], dtype)

        weights, data, sample = matrix(visible, _HIDDEN), matrix(_BATCH, visible), matrix(_BATCH, visible)
        hidden = matrix(_BATCH, _HIDDEN)
        both = matrix(2 * _BATCH, visible), matrix(2 * _BATCH, _HIDDEN)
        makers: list[Callable[[], Any]] = [
            lambda: tf.matmul(data, weights),
            lambda: tf.matmul(hidden, weights, transpose_b=True),
            lambda: tf.matmul(sample, weights),
            lambda: tf.matmul(*both, transpose_a=True),
        ]
        before: list[Any] = []
        for make in makers:
            with tf.control_dependencies(before):
                before = [make()]
        step = tf.group(*before)
        session.run(tf.global_variables_initializer())
        return Clock(100, _BATCH).time(lambda: session.run(step))
