"""Examples per second of one training step of the notes' CNN: ours against Keras 3 and PyTorch.

    python benchmarks/train_step.py                          float32; about 15 minutes
    python benchmarks/train_step.py --precision=bfloat16     the same in bfloat16, where the processor has it
    python benchmarks/train_step.py --variants               threads, XLA, ...; about 25 minutes
    python benchmarks/train_step.py --mnist TRAIN TEST       test accuracy on MNIST in both precisions

Batch 32 of 128x128x1, two convolutions 5x5x32 ('same', ReLU, max-pooling 2x2), dense 1,024, dropout 0.4,
dense 10, softmax cross-entropy, plain gradient descent at 0.001 in all of them, on two cores. Each contender
runs in a fresh process in each round; figures are medians of the rounds. Data is in memory, so that only the
step is measured. 'CPU s' is the time of all cores together, which other programs disturb less. Keras 3 runs
twice: with its defaults, and with oneDNN on, as estimator_lab turns it on. Needs `pip install -e '.[bench]'`,
and an idle machine.
"""

import functools
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from first_light import MNIST_FLAGS
from runner import Measured, child, command_line, machine, print_ratio, print_table, race, train

from estimator_lab.base.errors import FlagError
from estimator_lab.runs.precision import PRECISIONS, check_precision, processor

OURS, KERAS, KERAS_ONEDNN, PYTORCH = 'ours', 'Keras 3 fit', 'Keras 3 fit, oneDNN on', 'PyTorch'
_BFLOAT16 = {'precision': 'bfloat16'}
_ONEDNN, _NO_ONEDNN = {'TF_ENABLE_ONEDNN_OPTS': '1'}, {'TF_ENABLE_ONEDNN_OPTS': '0'}
_XLA = {'config': {'graph_options': {'optimizer_options': {'global_jit_level': 'ON_2'}}}}
_XLA_ON_CPU = {'TF_XLA_FLAGS': '--tf_xla_cpu_global_jit'}
_NO_SPINNING = {'config': {'experimental': {'disable_thread_spinning': True}}}

# A contender of step_contenders.py, its options, and variables of its process.
Row = tuple[str, Mapping[str, Any], Mapping[str, str]]


def _threads(intra: int, inter: int) -> dict[str, Any]:
    return {'config': {'intra_op_parallelism_threads': intra, 'inter_op_parallelism_threads': inter}}


def _rewrites(**rewrites: Any) -> dict[str, Any]:
    return {'config': {'graph_options': {'rewrite_options': rewrites}}}


CONTENDERS: dict[str, Row] = {
    OURS: ('estimator', {}, {}),
    'the same graph, bare tf.Session': ('session', {}, {}),
    KERAS: ('keras', {}, {}),
    KERAS_ONEDNN: ('keras', {}, _ONEDNN),
    PYTORCH: ('pytorch', {}, {}),
}
BFLOAT16: dict[str, Row] = {
    f'{OURS}, bfloat16': ('estimator', _BFLOAT16, {}),
    f'{PYTORCH}, bfloat16': ('pytorch', _BFLOAT16, {}),
}
# What else was tried to make the step faster.
VARIANTS: dict[str, Row] = {
    OURS: ('estimator', {}, {}),
    'no summaries': ('estimator', {'summaries': 0}, {}),
    'oneDNN off': ('estimator', {}, _NO_ONEDNN),
    'oneDNN off, BFC allocator': ('estimator', {}, {**_NO_ONEDNN, 'TF_CPU_ALLOCATOR_USE_BFC': '1'}),
    'oneDNN with the system allocator': ('estimator', {}, {'TF_ONEDNN_USE_SYSTEM_ALLOCATOR': '1'}),
    'threads: intra-op 2, inter-op 1': ('estimator', _threads(2, 1), {}),
    'threads: intra-op 1, inter-op 2': ('estimator', _threads(1, 2), {}),
    'threads: intra-op 4, inter-op 2': ('estimator', _threads(4, 2), {}),
    'threads that do not spin': ('estimator', _NO_SPINNING, {}),
    'XLA': ('estimator', _XLA, _XLA_ON_CPU),
    'XLA, oneDNN off': ('estimator', _XLA, {**_XLA_ON_CPU, **_NO_ONEDNN}),
    'Grappler off': ('estimator', _rewrites(disable_meta_optimizer=True), {}),
    'Grappler without fusing (remapping)': ('estimator', _rewrites(remapping='OFF'), {}),
    'Grappler, two passes': ('estimator', _rewrites(meta_optimizer_iterations='TWO'), {}),
    'PyTorch': ('pytorch', {}, {}),
    'PyTorch, channels_last': ('pytorch', {'channels_last': True}, {}),
    'Keras 3 without XLA': ('keras', {'xla': False}, {}),
    'Keras 3 with XLA': ('keras', {'xla': True}, {}),
}


def measuring(row: Row, steps: int) -> Callable[[], Measured]:
    """Returns a function that measures a row in a process of its own."""
    contender, options, environment = row
    text = json.dumps({**options, 'steps': steps})
    return functools.partial(child, 'step_contenders.py', contender, text, environment=environment)


def compare_mnist(data: str, eval_data: str) -> None:
    """Trains on MNIST in each precision that the processor has; prints test accuracy and seconds."""
    for precision in PRECISIONS:
        try:
            check_precision(precision)
        except FlagError as error:
            print(error)
            continue
        archives = f'--data={data}', f'--eval_data={eval_data}'
        train('--model=cnn', *archives, *MNIST_FLAGS, f'--precision={precision}')


def main() -> int:
    """Runs the benchmark that the command line names; returns its exit status."""
    parser = command_line(
        __doc__,
        precision=('float32', 'of the step', PRECISIONS),
        variants=(False, 'measure what else was tried'),
        mnist=([], 'MNIST archives: TRAIN TEST'),
        rounds=(0, 'default: 5, with --variants 3'),
        steps=(50, 'timed steps in a round'),
    )
    given = parser.parse_args()
    print(f'{processor()}; {machine("keras", "torch")}', flush=True)
    if given.mnist:
        compare_mnist(*given.mnist)
        return 0
    try:
        check_precision(given.precision)
    except FlagError as error:
        print(f'error: {error}', file=sys.stderr)
        return error.exit_status
    rows = CONTENDERS | (BFLOAT16 if given.precision == 'bfloat16' else {})
    if given.variants:
        rows = VARIANTS
    measures = {name: measuring(row, given.steps) for name, row in rows.items()}
    found = race(measures, given.rounds or (3 if given.variants else 5))
    print_table(found, 'examples', 'step', 32)
    for rival, goal in ((KERAS, 1.1), (KERAS_ONEDNN, 1.1), (PYTORCH, 1.6)):
        if not given.variants:
            print_ratio(found, OURS, rival, goal)
    print_ratio(found, f'{OURS}, bfloat16', OURS, 1.8)
    return 0


if __name__ == '__main__':
    sys.exit(main())
