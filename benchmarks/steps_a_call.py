"""Whether several training steps in one call of a session are faster than one step a call.

    python benchmarks/steps_a_call.py        about 1 minute

The mlp of small_steps.py, 784-1024-1024-10, as a bare graph: ReLU, Adam, batches of 100 rows that the graph
gathers from images in memory. `session.run` takes one step; a `tf.while_loop` takes ten with one call, as
`iterations_per_loop` of TPUEstimator does. Both run in turn in one process. The processor time is meaningful
on a busy machine as well.
"""

import itertools
import os
import sys
from collections.abc import Callable
from typing import Any

from runner import CORES, Clock, Measured, command_line, machine, print_ratio, print_table, race
from small_step_contenders import BATCH, CLASSES, IMAGES, LEARNING_RATE, PIXELS, examples

_SIZES = (PIXELS, 1024, 1024, CLASSES)
_GOAL = 1.05


def build(tf: Any, steps: int) -> tuple[Any, Any]:
    """Returns what a session fetches for one step, and for `steps` steps in a loop, on the same weights."""
    images, labels = (tf.constant(values) for values in examples())
    shapes = itertools.pairwise(_SIZES)
    layers = [
        (_variable(tf, f'w{n}', shape), _variable(tf, f'b{n}', shape[1:])) for n, shape in enumerate(shapes)
    ]
    variables = [variable for layer in layers for variable in layer]
    optimizer = tf.train.AdamOptimizer(LEARNING_RATE)
    rows = tf.data.Dataset.range(IMAGES).repeat().batch(BATCH, drop_remainder=True)

    def next_of(dataset: Any) -> Any:
        return tf.data.make_one_shot_iterator(dataset.prefetch(2)).get_next()

    def step(chosen: Any) -> list[Any]:
        values = tf.reshape(tf.cast(tf.gather(images, chosen), tf.float32) / 255, [BATCH, PIXELS])
        for number, (weights, bias) in enumerate(layers):
            values = tf.nn.relu(values) if number else values
            values = tf.nn.bias_add(tf.matmul(values, weights), bias)
        loss = tf.losses.sparse_softmax_cross_entropy(tf.gather(labels, chosen), values)
        pairs = zip(tf.gradients(loss, variables), variables, strict=True)
        return [loss, optimizer.apply_gradients(pairs)]

    def body(number: Any, _: Any) -> tuple[Any, Any]:
        loss, update = step(several[number])
        with tf.control_dependencies([update]):
            return number + 1, tf.identity(loss)

    one, several = step(next_of(rows)), next_of(rows.batch(steps))
    loop = tf.while_loop(lambda number, _: number < steps, body, [0, 0.0], parallel_iterations=1)
    return one, loop[1]


def _variable(tf: Any, name: str, shape: tuple[int, ...]) -> Any:
    return tf.get_variable(
        name, shape, use_resource=True, initializer=tf.random_normal_initializer(stddev=0.03)
    )


def main() -> int:
    """Runs the comparison; returns its exit status."""
    given = command_line(
        __doc__, rounds=(5, 'how many'), calls=(50, 'timed calls in a round'), steps=(10, 'steps of the loop')
    ).parse_args()
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    from estimator_lab.tf1 import tf

    tf.disable_v2_behavior()
    print(machine(), flush=True)
    with tf.Session() as session:
        one, loop = build(tf, given.steps)
        session.run(tf.global_variables_initializer())

        def contender(fetch: Any, steps: int) -> Callable[[], Measured]:
            calls = given.calls * given.steps // steps
            return lambda: Clock(calls, steps * BATCH).time(lambda: session.run(fetch))

        names = 'one step a call', f'{given.steps} steps a call'
        found = race({names[0]: contender(one, 1), names[1]: contender(loop, given.steps)}, given.rounds)
    print_table(found, 'images', 'step', BATCH)
    print_ratio(found, names[1], names[0], _GOAL)
    return 0


if __name__ == '__main__':
    sys.exit(main())
