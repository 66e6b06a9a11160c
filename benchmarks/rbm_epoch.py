"""One epoch of CD-1 in float32 and bfloat16 beside scikit-learn's, and beside its matrix products alone.

What `belief_networks.py epoch` prints. All contenders run in turn in this process, on the processors that it
may use: `taskset -c 0 python benchmarks/belief_networks.py epoch ...` measures them on one.
"""

import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from estimator_lab.data.images.input_fns import numpy_input_fn
from estimator_lab.models import rbm
from estimator_lab.runs.precision import PRECISIONS, session_config, supports_bfloat16
from estimator_lab.tf1 import tf

_BATCH, _HIDDEN, _RATE = 100, 500, 0.05
_ROUNDS = 3
_PARAMS = {
    'hidden_units': _HIDDEN,
    'initial_momentum_steps': 100,
    'chains': 0,
    'binarize': False,
    'learning_rate': _RATE,
    'learning_rate_schedule': 'constant',
}


class Cost(NamedTuple):
    """Seconds by the clock, and of the processor, all threads together."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> 'Cost':
        """Returns what both clocks say."""
        return cls(time.monotonic(), time.process_time())

    def since(self, start: 'Cost') -> 'Cost':
        """Returns what has passed."""
        return Cost(self.wall - start.wall, self.processor - start.processor)

    def times(self, count: float) -> 'Cost':
        """Returns that of so many."""
        return Cost(self.wall * count, self.processor * count)

    def ratio(self, other: 'Cost') -> str:
        """Returns by how much this one is larger, by both clocks."""
        return f'{self.wall / other.wall:.2f} ({self.processor / other.processor:.2f} by processor time)'

    def __str__(self) -> str:
        return f'{self.wall:.2f} s ({self.processor:.2f} s of the processor)'


def cheapest(costs: list[Cost]) -> Cost:
    """Returns the least of each kind."""
    return Cost(*map(min, zip(*costs, strict=True)))


def compare(images: np.ndarray) -> None:
    """Prints each contender's best epoch of some rounds, its pseudo-log-likelihood, ratios and shares.

    Args:
      images: uint8 [n, height, width].
    """
    steps, visible = len(images) // _BATCH, int(np.prod(images.shape[1:]))
    precisions = PRECISIONS if supports_bfloat16() else PRECISIONS[:1]
    costs: dict[str, list[Cost]] = {}
    qualities: dict[str, float] = {}
    for number in range(_ROUNDS):
        for precision in precisions:
            costs.setdefault(f'products, {precision}', []).append(_products(visible, precision).times(steps))
            found = _ours(images, precision, steps)
            _keep(costs, qualities, f'ours, {precision}', found)
        for dtype in (np.float32, np.float64):  # the second is what `images / 255` gives
            _keep(costs, qualities, f'BernoulliRBM, {dtype.__name__}', _theirs(images, dtype))
        print(
            f'round {number + 1}: ' + '; '.join(f'{name} {found[-1]}' for name, found in costs.items()),
            flush=True,
        )
    best = {name: cheapest(found) for name, found in costs.items()}
    for name, cost in best.items():
        quality = f', pseudo-log-likelihood {qualities[name]:.1f}' if name in qualities else ''
        print(f'{name}: {cost}{quality}')
    for precision in precisions:
        ours = best[f'ours, {precision}']
        for floats in ('float32', 'float64'):
            theirs = best[f'BernoulliRBM, {floats}']
            print(f'{precision}: BernoulliRBM on {floats} / our epoch = {theirs.ratio(ours)}')
        print(f'{precision}: products alone / step = {best[f"products, {precision}"].ratio(ours)}')


def quarter(images: np.ndarray) -> None:
    """Prints what a quarter of an epoch costs and reaches."""
    cost, quality = _ours(images, PRECISIONS[0], len(images) // _BATCH // 4)
    print(f'ours, a quarter of an epoch: {cost}, pseudo-log-likelihood {quality:.1f}')


def _keep(
    costs: dict[str, list[Cost]], qualities: dict[str, float], name: str, found: tuple[Cost, float]
) -> None:
    costs.setdefault(name, []).append(found[0])
    qualities[name] = found[1]


def _ours(images: np.ndarray, precision: str, steps: int) -> tuple[Cost, float]:
    """Trains a new machine as a user does, by Estimator, from memory; returns its cost and quality."""

    class Clock(tf.train.SessionRunHook):
        def after_create_session(self, session: object, coord: object) -> None:
            self.started = Cost.now()

        def end(self, session: object) -> None:
            self.cost = Cost.now().since(self.started)

    with tempfile.TemporaryDirectory() as folder:
        params = {**_PARAMS, 'image_shape': (*images.shape[1:], 1), 'train_steps': steps}
        config = tf.estimator.RunConfig(
            folder,
            save_summary_steps=0,
            save_checkpoints_secs=10_000,
            session_config=session_config(precision),
        )
        made = tf.estimator.Estimator(rbm.model_fn, params=params, config=config)
        clock = Clock()
        made.train(numpy_input_fn(images, batch_size=_BATCH, shuffle=True), [clock], steps)
        found = made.evaluate(numpy_input_fn(images, batch_size=1000))
        return clock.cost, float(found['pseudo_log_likelihood'])


def _theirs(images: np.ndarray, dtype: type) -> tuple[Cost, float]:
    from sklearn.neural_network import BernoulliRBM

    flat = images.reshape(len(images), -1) / dtype(255)
    machine = BernoulliRBM(_HIDDEN, learning_rate=_RATE, batch_size=_BATCH, n_iter=1)
    started = Cost.now()
    machine.fit(flat)
    return Cost.now().since(started), float(machine.score_samples(flat).mean())


def _products(visible: int, precision: str, runs: int = 100) -> Cost:
    """Returns what the matrix products of one step of CD-1 cost by themselves."""
    dtype, config = tf.as_dtype(precision), tf.ConfigProto()
    # Products that nobody takes would be optimised away.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf.Graph().as_default(), tf.Session(config=config) as session:

        def matrix(rows: int, columns: int) -> object:
            return tf.get_variable(f'matrix_{len(tf.global_variables())}', [rows, columns], dtype)

        weights, data, sample = matrix(visible, _HIDDEN), matrix(_BATCH, visible), matrix(_BATCH, visible)
        hidden = matrix(_BATCH, _HIDDEN)
        both = matrix(2 * _BATCH, visible), matrix(2 * _BATCH, _HIDDEN)
        makers: list[Callable[[], object]] = [
            lambda: tf.matmul(data, weights),
            lambda: tf.matmul(hidden, weights, transpose_b=True),
            lambda: tf.matmul(sample, weights),
            lambda: tf.matmul(*both, transpose_a=True),
        ]
        before: list[object] = []
        for make in makers:
            with tf.control_dependencies(before):
                before = [make()]
        step = tf.group(*before)
        session.run(tf.global_variables_initializer())
        costs = []
        for _ in range(_ROUNDS + 1):  # the first one warms up
            started = Cost.now()
            for _ in range(runs):
                session.run(step)
            costs.append(Cost.now().since(started).times(1 / runs))
        return cheapest(costs[1:])
