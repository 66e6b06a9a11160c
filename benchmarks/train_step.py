"""Examples per second of one training step of the notes' CNN: ours against Keras 3 and PyTorch.

    python benchmarks/train_step.py                          float32; about 15 minutes
    python benchmarks/train_step.py --precision=bfloat16     also bfloat16, where the processor has it

Batch 32 of 128x128x1, two convolutions 5x5x32 ('same', ReLU, max-pooling 2x2), dense 1,024, dropout 0.4,
dense 10, softmax cross-entropy, plain gradient descent at 0.001 in all of them, on two cores. Each contender
runs in a fresh process in each round; figures are medians of the rounds. Data is in memory, so that only the
step is measured. 'CPU s' is the time of all cores together, which other programs disturb less. Keras 3 runs
twice: with its defaults, and with oneDNN on, as estimator_lab turns it on. Needs `pip install -e '.[bench]'`,
and an idle machine.
"""

import functools
import json
from collections.abc import Mapping

from runner import child, command_line, machine, print_ratio, print_table, race

OURS, KERAS, KERAS_ONEDNN, PYTORCH = 'ours', 'Keras 3 fit', 'Keras 3 fit, oneDNN on', 'PyTorch'
_BFLOAT16 = {'precision': 'bfloat16'}

# A contender of step_contenders.py, its options, and variables of its process.
Row = tuple[str, Mapping[str, str], Mapping[str, str]]
CONTENDERS: dict[str, Row] = {
    OURS: ('estimator', {}, {}),
    'the same graph, bare tf.Session': ('session', {}, {}),
    KERAS: ('keras', {}, {}),
    KERAS_ONEDNN: ('keras', {}, {'TF_ENABLE_ONEDNN_OPTS': '1'}),
    PYTORCH: ('pytorch', {}, {}),
}
BFLOAT16: dict[str, Row] = {
    f'{OURS}, bfloat16': ('estimator', _BFLOAT16, {}),
    f'{PYTORCH}, bfloat16': ('pytorch', _BFLOAT16, {}),
}


def main() -> None:
    """Runs the benchmark."""
    given = command_line(
        __doc__,
        precision=('float32', 'of the step', ('float32', 'bfloat16')),
        rounds=(5, 'of each contender'),
        steps=(50, 'timed steps in a round'),
    ).parse_args()
    print(machine('keras', 'torch'), flush=True)
    rows = CONTENDERS | (BFLOAT16 if given.precision == 'bfloat16' else {})
    measures = {
        name: functools.partial(
            child,
            'step_contenders.py',
            contender,
            json.dumps({**options, 'steps': given.steps}),
            environment=environment,
        )
        for name, (contender, options, environment) in rows.items()
    }
    found = race(measures, given.rounds)
    print_table(found, 'examples', 'step', 32)
    for rival, goal in ((KERAS, 1.1), (KERAS_ONEDNN, 1.1), (PYTORCH, 1.6)):
        print_ratio(found, OURS, rival, goal)
    print_ratio(found, f'{OURS}, bfloat16', OURS, 1.8)


if __name__ == '__main__':
    main()
