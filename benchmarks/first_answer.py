"""Seconds until the first answer: one step of training with its evaluation, a prediction, --help.

    python benchmarks/first_answer.py          about 2 minutes

For comparison: a script that trains one step with Keras 3, evaluates and saves, and `import tensorflow`
alone, without which there is no answer. Each runs in a fresh process in each round, in turn; figures are
medians of the rounds. One more run prints the parts of the training. Needs an idle machine.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner import ROOT, command_line, machine

TRAIN, PREDICT, HELP = 'train --model=mlp --max_steps=1', 'predict of one image', 'train --help'
KERAS, IMPORT = 'a script of Keras 3', 'import tensorflow'
_KERAS_SCRIPT = """
import sys
import numpy as np
import keras
from keras import layers
pixels, classes = np.random.rand(320, 128, 128, 1), np.random.randint(0, 10, 320)
hidden = [layers.Dense(1024, activation='relu'), layers.Dense(1024, activation='relu')]
model = keras.Sequential([layers.Input((128, 128, 1)), layers.Flatten(), *hidden, layers.Dense(10)])
model.compile('adam', keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=['accuracy'])
model.fit(pixels[:32], classes[:32], 32, verbose=0)
model.evaluate(pixels, classes, 32, verbose=0)
model.save(sys.argv[1] + '/model.keras')
"""


def main() -> None:
    """Runs the benchmark."""
    given = command_line(__doc__, rounds=(3, 'of each')).parse_args()
    print(machine('keras'), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        model_dir, picture = f'{folder}/run', f'{folder}/picture.png'
        _train(model_dir)
        _python('-c', f'from PIL import Image; Image.new("L", (128, 128)).save({picture!r})')
        fresh = (f'{folder}/{number}' for number in range(10**6))
        commands: dict[str, Callable[[], object]] = {
            TRAIN: lambda: _train(next(fresh)),
            PREDICT: lambda: _python('-m', 'estimator_lab.predict', f'--model_dir={model_dir}', picture),
            HELP: lambda: _python('-m', 'estimator_lab.train', '--help'),
            KERAS: lambda: _python('-c', _KERAS_SCRIPT, folder),
            IMPORT: lambda: _python('-c', 'import tensorflow'),
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(given.rounds):
            for name, run in commands.items():
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
        middle = {name: statistics.median(times) for name, times in seconds.items()}
        for name, value in middle.items():
            print(f'{value:8.2f} s  {name}')
        for other in (KERAS, IMPORT):
            print(f'{middle[TRAIN] / middle[other]:6.2f}x  the time of {other}')
        print('\nThe parts of the training:')
        print(_python(__file__, '--parts', f'{folder}/parts'), end='')


def _train(model_dir: str) -> str:
    return _python('-m', 'estimator_lab.train', '--model=mlp', '--max_steps=1', f'--model_dir={model_dir}')


def _python(*arguments: str) -> str:
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3'}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def parts(model_dir: str) -> None:
    """Trains one step in this process; prints the seconds of each part."""
    clock = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal clock
        print(f'{time.perf_counter() - clock:8.2f} s  {name}')
        clock = time.perf_counter()

    import tensorflow  # noqa: F401

    lap(IMPORT)
    from estimator_lab.tf1 import prepare_process, tf
    from estimator_lab.training.checks import prepared
    from estimator_lab.training.plan import make_plan
    from estimator_lab.training.settings import TrainSettings
    from estimator_lab.training.train import train

    prepare_process()
    lap('other imports')
    settings = TrainSettings(model='mlp', max_steps=1, model_dir=Path(model_dir))
    settings = prepared(settings, lambda line: None)
    lap('the built-in faces')
    plan = make_plan(settings, lambda line: None)
    lap('the plan: reading both archives, settings')

    evaluations = []
    evaluate = tf.estimator.Estimator.evaluate

    def timed(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        result = evaluate(*arguments, **named)
        evaluations.append(time.perf_counter() - start)
        return result

    tf.estimator.Estimator.evaluate = timed
    train(plan)
    clock += sum(evaluations)
    lap('training: graph, session, one step, checkpoint, event files')
    print(f'{sum(evaluations):8.2f} s  evaluation: graph, session, all images, pictures')


if __name__ == '__main__':
    if sys.argv[1:2] == ['--parts']:
        parts(sys.argv[2])
    else:
        main()
