"""The notes, "Recurrent networks": what each cell can remember, and for how long.

    python examples/recurrent.py [--problem=copying --steps=100 --cells=lstm,gru]

Takes about 3 min on 2 cores. Trains one network of each cell (tanh, LSTM, GRU) on generated
sequences, none of which repeats, and prints the decreasing loss.

- The adding problem (Hochreiter and Schmidhuber 1997; Le et al. 2015): a number in [0, 1] at each step, two
  of them marked; the output is their sum. The constant 1 has a squared error of 1/6.
- Copying memory (Arjovsky et al. 2016): ten symbols, then --steps blanks, then a signal to repeat the ten.
  Guessing without memory has a cross-entropy of 10 log 8 / (steps + 20).
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import built_in_data  # noqa: F401 - hides what TensorFlow logs when it is imported

from estimator_lab.models.recurrent.loop import CELLS
from estimator_lab.tf1 import tf

_SYMBOLS, _LENGTH = 8, 10
_BLANK, _SIGN = _SYMBOLS, _SYMBOLS + 1
_POINTS = 10


def adding(batch: int, steps: int, seed: Any) -> tuple[Any, Any]:
    """Returns numbers and marks, float32 [batch, steps, 2], and the sums of the marked numbers, [batch, 1].

    One mark is in the first half, the other one in the second.
    """
    numbers = tf.random.stateless_uniform([batch, steps], seed)
    half = steps // 2
    first, second = (
        tf.random.stateless_uniform([batch], tf.add(seed, [0, turn]), low, high, tf.int32)
        for turn, low, high in ((1, 0, half), (2, half, steps))
    )
    marks = tf.one_hot(first, steps) + tf.one_hot(second, steps)
    return tf.stack([numbers, marks], axis=2), tf.reduce_sum(numbers * marks, axis=1, keepdims=True)


def copying(batch: int, steps: int, seed: Any) -> tuple[Any, Any]:
    """Returns the input at each step, float32 [batch, steps + 20, 10], and the target, int32."""
    symbols = tf.random.stateless_uniform([batch, _LENGTH], seed, 0, _SYMBOLS, tf.int32)
    blanks, signs, silence = (
        tf.fill([batch, count], value)
        for count, value in ((steps - 1, _BLANK), (_LENGTH + 1, _SIGN), (steps + _LENGTH, _BLANK))
    )
    read = tf.one_hot(tf.concat([symbols, blanks, signs], axis=1), _SIGN + 1)
    return read, tf.concat([silence, symbols], axis=1)


PROBLEMS: dict[str, Callable[[int, int, Any], tuple[Any, Any]]] = {'adding': adding, 'copying': copying}


def input_fn(problem: str, batch: int, steps: int, count: int, seed: int) -> Callable[[], Any]:
    """Returns an input function of `count` batches, which depend on the seed only."""

    def sequences() -> Any:
        numbers = tf.data.Dataset.range(count)
        return numbers.map(lambda n: PROBLEMS[problem](batch, steps, tf.stack([seed, 3 * n])))

    return sequences


def model_fn(features: Any, labels: Any, mode: str, params: Mapping[str, Any]) -> Any:
    """Recurrent layers, followed by a dense layer after the last step or after each step."""
    values = tf.transpose(features, [1, 0, 2])  # time first
    for number in range(params['layers']):
        with tf.variable_scope(f'rnn_{number + 1}'):
            values = CELLS[params['cell']](params['units'])(values)
    if params['problem'] == 'adding':
        loss = tf.losses.mean_squared_error(labels, tf.layers.dense(values[-1], 1))
    else:
        steps = tf.transpose(values, [1, 0, 2])
        loss = tf.losses.sparse_softmax_cross_entropy(labels, tf.layers.dense(steps, _BLANK + 1))
    train_op = None
    if mode == tf.estimator.ModeKeys.TRAIN:
        step = tf.train.get_global_step()
        rate = tf.train.cosine_decay(params['learning_rate'], step, params['train_steps'])
        optimizer = tf.train.AdamOptimizer(rate)
        gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
        clipped, _ = tf.clip_by_global_norm(gradients, 1.0)
        train_op = optimizer.apply_gradients(zip(clipped, variables, strict=True), step)
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


class Losses(tf.train.SessionRunHook):
    """Records the loss of each step."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def before_run(self, run_context: Any) -> Any:
        """Fetches the loss."""
        # Estimator appends the loss of its EstimatorSpec to the losses that the model function collected.
        return tf.train.SessionRunArgs(tf.get_collection(tf.GraphKeys.LOSSES)[-1])

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Stores the loss."""
        self.found.append(float(run_values.results))


def train(given: argparse.Namespace, cell: str) -> tuple[list[float], float]:
    """Trains with one cell; returns the loss of each step, and the loss on 2,000 unseen sequences."""
    losses = Losses()
    params = {**vars(given), 'cell': cell}
    with tempfile.TemporaryDirectory() as folder:
        config = tf.estimator.RunConfig(folder, tf_random_seed=given.seed, save_summary_steps=None)
        estimator = tf.estimator.Estimator(model_fn, config=config, params=params)
        count, batch = given.train_steps, given.batch_size
        estimator.train(input_fn(given.problem, batch, given.steps, count, given.seed), [losses])
        others = input_fn(given.problem, 100, given.steps, 20, given.seed + 1)
        return losses.found, float(estimator.evaluate(others)['loss'])


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Trains with each cell; returns the losses on unseen sequences."""
    given = _parse(arguments)
    nothing = 1 / 6 if given.problem == 'adding' else _LENGTH * math.log(_SYMBOLS) / (given.steps + 20)
    print(f'{given.problem}, {given.steps} steps: loss without memory {nothing:.4g}')
    print(
        f'{"cell":<7}'
        + ''.join(f'{n * 100 // _POINTS:8d} %' for n in range(1, _POINTS + 1))
        + '    in the end'
    )
    results = {}
    for cell in given.cells.split(','):
        started = time.perf_counter()
        losses, results[cell] = train(given, cell)
        part = max(len(losses) // _POINTS, 1)
        means = [sum(losses[n : n + part]) / part for n in range(0, part * _POINTS, part)]
        row = ''.join(f'{mean:10.2e}' for mean in means)
        seconds = time.perf_counter() - started
        print(f'{cell:<7}{row}{results[cell]:14.2e}{seconds:8.0f} s', flush=True)
    return results


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    cells = [*CELLS]
    parser.add_argument('--problem', choices=list(PROBLEMS), default='adding')
    parser.add_argument('--steps', type=int, default=100, help='length of the sequence; for copying, blanks')
    parser.add_argument('--cells', default=','.join(cells), help=f'some of {",".join(cells)}')
    parser.add_argument('--layers', type=int, default=1, help='layers of the cells')
    parser.add_argument('--units', type=int, default=64)
    parser.add_argument('--train_steps', type=int, default=1000)
    parser.add_argument('--batch_size', type=int, default=32)
    parser.add_argument('--learning_rate', type=float, default=0.003)
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args(arguments)
    for cell in given.cells.split(','):
        if cell not in cells:
            parser.error(f'--cells={cell} is unknown; known are: {", ".join(cells)}')
    if given.steps < 2:
        parser.error(f'--steps={given.steps} is too few: at least 2')
    return given


if __name__ == '__main__':
    tf.disable_v2_behavior()  # TF1 behaviour: graphs only, and tf_random_seed controls the initial weights
    main()
