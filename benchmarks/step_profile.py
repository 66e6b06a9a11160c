"""The time of each operation in a training step of the notes' CNN, in each precision.

    python benchmarks/step_profile.py [--model=cnn] [--operations=12]        about a minute

Batch 32 of 128x128x1 with the model's default hyper-parameters. For each precision it prints the processor
time of a step, and the most expensive operations by TensorFlow's own trace, in milliseconds of the threads
that start them. Work that these threads hand to others is not included: the times are shares, not a sum.
"""

import importlib
from collections import Counter
from typing import Any

import numpy as np
from runner import Clock, command_line, machine
from tensorflow.core.protobuf import config_pb2

from estimator_lab.runs.precision import cpu_precisions, session_config
from estimator_lab.tf1 import tf

_BATCH, _SHAPE, _CLASSES = 32, (128, 128, 1), 10
_TRACED = 4


def profile(model: str, precision: str, operations: int) -> None:
    """Prints the processor time of a step, and its most expensive operations."""
    module = importlib.import_module(f'estimator_lab.models.{model}')
    with tf.Graph().as_default():
        tf.train.get_or_create_global_step()
        spec = module.model_fn(_features(), _labels(), tf.estimator.ModeKeys.TRAIN, {'image_shape': _SHAPE})
        with tf.Session(config=session_config(precision)) as session:
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            measured = Clock(10).time(lambda: session.run(spec.train_op))
            print(f'{precision}: {measured.processor * 1000:.0f} ms of the processor a step')
            for name, milliseconds in _traced(session, spec.train_op).most_common(operations):
                print(f'  {milliseconds:7.1f}  {name}')


def _features() -> dict[str, Any]:
    images = np.random.default_rng(0).random((_BATCH, *_SHAPE), np.float32)
    return {
        # Operations on a constant would be computed once, before the first step.
        'image': tf.placeholder_with_default(images, images.shape),
        'key': tf.fill([_BATCH], ''),
        'weight': tf.ones([_BATCH]),
    }


def _labels() -> Any:
    return tf.constant(np.arange(_BATCH) % _CLASSES, tf.int64)


def _traced(session: Any, step: Any) -> Counter[str]:
    """Returns the milliseconds of each operation, by its name and kind."""
    options = config_pb2.RunOptions(trace_level=config_pb2.RunOptions.SOFTWARE_TRACE)
    found: Counter[str] = Counter()
    for _ in range(_TRACED):
        traced = config_pb2.RunMetadata()
        session.run(step, options=options, run_metadata=traced)
        for device in traced.step_stats.dev_stats:
            for node in device.node_stats:
                kind = node.timeline_label.partition(' = ')[2].partition('(')[0]
                passed = node.op_end_rel_micros - node.op_start_rel_micros
                found[f'{kind:<34} {node.node_name}'] += passed / 1000 / _TRACED
    return found


if __name__ == '__main__':
    given = command_line(
        __doc__, model=('cnn', 'of this package'), operations=(12, 'how many are printed')
    ).parse_args()
    print(machine())
    for precision in cpu_precisions():
        profile(given.model, precision, given.operations)
