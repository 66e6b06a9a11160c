"""Steps of a few milliseconds on images in memory: ours against Keras 3 `fit` and PyTorch.

    python benchmarks/small_steps.py                          the mlp, 784-1024-1024-10; about 4 minutes
    python benchmarks/small_steps.py --network=autoencoder    784-1000-500-250-30 and back

Batches of 100, shuffled, from arrays in memory; Adam, float32, two cores. Each contender runs in a fresh
process in each round; figures are medians of the rounds. Keras 3 runs twice: with its defaults, and with
oneDNN on, as estimator_lab turns it on. Needs `pip install -e '.[bench]'`, and an idle machine.
"""

import functools
import json
import sys

from runner import child, command_line, machine, print_ratio, print_table, race

from estimator_lab.runs.precision import processor

OURS, KERAS, KERAS_ONEDNN, PYTORCH = 'ours', 'Keras 3 fit', 'Keras 3 fit, oneDNN on', 'PyTorch'
_ONEDNN = {'TF_ENABLE_ONEDNN_OPTS': '1'}
CONTENDERS: dict[str, tuple[str, dict[str, str]]] = {
    OURS: ('estimator', {}),
    KERAS: ('keras', {}),
    KERAS_ONEDNN: ('keras', _ONEDNN),
    PYTORCH: ('pytorch', {}),
}


def main() -> int:
    """Runs the comparison that the command line names; returns its exit status."""
    parser = command_line(
        __doc__,
        network=('mlp', 'the network', ('mlp', 'autoencoder')),
        rounds=(5, 'how many'),
        steps=(500, 'timed steps in a round'),
    )
    given = parser.parse_args()
    print(f'{processor()}; {machine("keras", "torch")}', flush=True)
    options = json.dumps({'network': given.network, 'steps': given.steps})
    found = race(
        {
            name: functools.partial(
                child, 'small_step_contenders.py', contender, options, environment=environment
            )
            for name, (contender, environment) in CONTENDERS.items()
        },
        given.rounds,
    )
    print_table(found, 'images', 'step', 100)
    for rival, goal in ((KERAS, 1.25), (KERAS_ONEDNN, 1.25), (PYTORCH, 1.0)):
        print_ratio(found, OURS, rival, goal)
    return 0


if __name__ == '__main__':
    sys.exit(main())
