"""Examples per second of small networks on data in memory: ours against Keras 3, PyTorch and scikit-learn.

    python benchmarks/small_steps.py                                 about 15 minutes
    python benchmarks/small_steps.py --only mlp                      one of the tasks
    python benchmarks/small_steps.py --only gru-28x28 gru-196x4      a cell, on two shapes of sequence

- mlp: 784-1024-1024-10 with dropout of 0.2 and 0.5 and Adam, batches of 100 from arrays.
- cd1: a Boltzmann machine of 500 hidden units and CD-1, batches of 100; scikit-learn goes on with its chains
  instead of starting at the data, for the same number of products.
- lstm: an LSTM of 128 units over 784 steps of a pixel, batches of 100, Adam.
- CELL-STEPSxVALUES: training on the same graph, 128 units, batches of 100 and Adam, with the loop and the
  gradients of `models/recurrent/loop.py` and with `tf.nn.dynamic_rnn`. A cell keeps its own gradients while
  they are at least 1.15 times as fast.

The first three read 10,000 made-up images of 28x28 in shuffled order. Each contender runs on two cores, in a
fresh process in each round, in turn; figures are medians of the rounds. Ours is the Estimator with the hooks
and summaries of `train`. Needs `pip install -e '.[bench]'` and an idle machine.
"""

import functools
import os
import re
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from runner import CORES, Clock, Measured, child, command_line, machine, print_ratio, print_table, race
from runner import run_contender as run_one

IMAGES, SIDE, CLASSES, BATCH = 10_000, 28, 10, 100
_STEPS = {'mlp': 600, 'cd1': 1000, 'lstm': 20}
_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    'mlp': ('mlp', {}),
    'cd1': ('rbm', {'hidden_units': 500, 'chains': 0, 'cd_steps': 1, 'binarize': False}),
    'lstm': ('recurrent', {'read': 'pixels', 'clip_norm': 0.0}),
}
_GOALS = (
    ('mlp', 'PyTorch', 1.0),
    ('mlp', 'Keras 3', 1.6),
    ('cd1', 'scikit-learn', 1.7),
    ('lstm', 'Keras 3', 1.3),
)
_CELLS = [f'{cell}-{shape}' for shape in ('28x28', '196x4') for cell in ('tanh', 'lstm', 'gru')]
_CELL_GOAL = 1.15


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """Returns (images uint8 [10000, 28, 28, 1], class ids int64 [10000])."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (IMAGES, SIDE, SIDE, 1), np.uint8), rng.integers(0, CLASSES, IMAGES)


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Returns the same as float32 [10000, 784] in [0, 1], and the class ids."""
    images, labels = arrays()
    return images.reshape(IMAGES, -1) / np.float32(255), labels


def ours(task: str) -> Measured:
    """Our Estimator on our input of arrays, as `api.fit` trains."""
    from estimator_lab import api
    from estimator_lab.data.archives.opened import open_archives
    from estimator_lab.data.examples.labels import Vocabulary
    from estimator_lab.data.images.decode import ImageShape
    from estimator_lab.data.images.options import ImageOptions
    from estimator_lab.data.images.reader import IMAGES as KIND
    from estimator_lab.data.images.reader import ImageReader
    from estimator_lab.data.input.bad_examples import InputReport
    from estimator_lab.data.input.input_fns import Onwards, archive_input_fn
    from estimator_lab.data.sources.arrays import array_source
    from estimator_lab.tf1 import prepare_process, tf
    from estimator_lab.training.precision import session_config

    prepare_process()
    model, params = _MODELS[task]
    archives = open_archives([array_source(arrays())], KIND)
    vocabulary = Vocabulary(archives.labels)
    reader = ImageReader(ImageOptions(ImageShape(SIDE, SIDE, 1)))
    input_fn = archive_input_fn(Onwards(archives.order(seed=1), BATCH), reader, InputReport(KIND), vocabulary)
    clock = Clock(_STEPS[task], BATCH)
    with tempfile.TemporaryDirectory() as folder:
        config = tf.estimator.RunConfig(
            folder, 1, session_config=session_config('float32'), save_checkpoints_steps=10**6
        )
        params = {'image_shape': (SIDE, SIDE, 1), 'vocabulary': vocabulary.labels, **params}
        estimator = tf.estimator.Estimator(api.model_fn(model), config=config, params=params)
        estimator.train(input_fn, [clock.hook()], steps=clock.total)
    return clock.measured(f'TensorFlow {tf.__version__}')


def keras(task: str) -> Measured:
    """Keras 3 `fit` on arrays, on the TensorFlow back end with oneDNN."""
    os.environ.update(KERAS_BACKEND='tensorflow', TF_CPP_MIN_LOG_LEVEL='3')
    import keras
    from keras import layers

    class Ticks(keras.callbacks.Callback):
        def on_train_batch_end(self, number: int, logs: Any = None) -> None:
            clock.tick()

    networks = {
        'mlp': [
            layers.Dropout(0.2),
            layers.Dense(1024, activation='relu'),
            layers.Dropout(0.5),
            layers.Dense(1024, activation='relu'),
            layers.Dropout(0.5),
        ],
        'lstm': [layers.Reshape((SIDE**2, 1)), layers.LSTM(128)],
    }
    keras.utils.set_random_seed(1)
    model = keras.Sequential([layers.Input((SIDE**2,)), *networks[task], layers.Dense(CLASSES)])
    model.compile('adam', keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    clock = Clock(_STEPS[task], BATCH)
    pixels, labels = rows()
    epochs = -(-clock.total * BATCH // IMAGES)
    used = min(IMAGES, clock.total * BATCH)
    model.fit(pixels[:used], labels[:used], BATCH, epochs, verbose=0, callbacks=[Ticks()])
    return clock.measured(f'Keras {keras.__version__}')


def pytorch(task: str) -> Measured:
    """PyTorch's usual loop, on batches that are slices of shuffled tensors."""
    import torch
    from torch import nn

    torch.set_num_threads(CORES)
    torch.manual_seed(1)
    model: Any = nn.Sequential(
        nn.Dropout(0.2),
        nn.Linear(SIDE**2, 1024),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(1024, 1024),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(1024, CLASSES),
    )
    pixels, labels = map(torch.from_numpy, rows())
    optimizer, loss_of = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    order = iter(torch.cat([torch.randperm(IMAGES) for _ in range(10)]).split(BATCH))

    def step() -> None:
        batch = next(order)
        loss = loss_of(model(pixels[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return Clock(_STEPS[task], BATCH).time(step, f'PyTorch {torch.__version__}')


def scikit_learn(task: str) -> Measured:
    """scikit-learn's BernoulliRBM, an epoch at a time."""
    import sklearn
    from sklearn.neural_network import BernoulliRBM

    pixels, _ = rows()
    machine = BernoulliRBM(500, batch_size=BATCH, n_iter=1, random_state=1)
    clock = Clock(_STEPS[task] * BATCH // IMAGES, IMAGES, warm_up=1)
    return clock.time(functools.partial(machine.fit, pixels), f'scikit-learn {sklearn.__version__}')


def own_loop(task: str) -> Measured:
    """A cell of `models/recurrent/loop.py`, both halves of a batch at once, as `recurrent` runs it."""
    from estimator_lab.models.recurrent.loop import CELLS

    return _cell_steps(task, lambda name, sequence: CELLS[name](128)(sequence, in_halves=True))


def dynamic_rnn(task: str) -> Measured:
    """The same cell in TensorFlow's loop, with TensorFlow's gradients."""
    from estimator_lab.tf1 import tf

    def states(name: str, sequence: Any) -> Any:
        cells = tf.nn.rnn_cell
        kinds = {'tanh': cells.BasicRNNCell, 'lstm': cells.LSTMCell, 'gru': cells.GRUCell}
        return tf.nn.dynamic_rnn(kinds[name](128), sequence, dtype=tf.float32, time_major=True)[0]

    return _cell_steps(task, states)


def _cell_steps(task: str, states: Callable[[str, Any], Any]) -> Measured:
    """Trains logits of the last state; `states` returns those of a sequence [steps, batch, values]."""
    from estimator_lab.tf1 import prepare_process, tf
    from estimator_lab.training.precision import session_config

    prepare_process()
    name, steps, values = re.split('[-x]', task)
    rng = np.random.default_rng(0)
    sequences = rng.normal(size=(int(steps), BATCH, int(values))).astype(np.float32)
    labels = rng.integers(0, CLASSES, BATCH)
    with tf.Graph().as_default(), tf.Session(config=session_config('float32')) as session:
        logits = tf.layers.dense(states(name, tf.constant(sequences))[-1], CLASSES)
        loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
        step = tf.train.AdamOptimizer().minimize(loss)
        session.run(tf.global_variables_initializer())
        clock = Clock(4000 // int(steps), BATCH)
        return clock.time(functools.partial(session.run, step), f'TensorFlow {tf.__version__}')


CONTENDERS = {
    'ours': ours,
    'Keras 3': keras,
    'PyTorch': pytorch,
    'scikit-learn': scikit_learn,
    'own loop': own_loop,
    'dynamic_rnn': dynamic_rnn,
}
_TASKS = {
    'mlp': ('ours', 'Keras 3', 'PyTorch'),
    'cd1': ('ours', 'scikit-learn'),
    'lstm': ('ours', 'Keras 3'),
    **dict.fromkeys(_CELLS, ('own loop', 'dynamic_rnn')),
}


def main() -> None:
    """Runs the benchmark."""
    given = command_line(
        __doc__, rounds=(3, 'of each contender'), only=([], 'run these tasks only', list(_TASKS))
    ).parse_args()
    print(machine('keras', 'torch', 'scikit-learn'), flush=True)
    for task in given.only or _TASKS:
        print(f'\n{task}')
        measures = {
            name: functools.partial(
                child, 'small_steps.py', name, task, environment={'TF_ENABLE_ONEDNN_OPTS': '1'}
            )
            for name in _TASKS[task]
        }
        found = race(measures, given.rounds)
        print_table(found, 'examples', 'step', BATCH)
        for goal_of, rival, goal in _GOALS:
            if goal_of == task:
                print_ratio(found, 'ours', rival, goal)
        if task in _CELLS:
            print_ratio(found, 'own loop', 'dynamic_rnn', _CELL_GOAL)


if __name__ == '__main__':
    if sys.argv[1:2] and sys.argv[1] in CONTENDERS:
        run_one(CONTENDERS)
    else:
        main()
