"""A contender of train_step.py, measured in this process: prints one line of JSON.

    python benchmarks/step_contenders.py estimator '{"steps": 50}'

Every contender trains the same network on the same batch, which is in memory, with plain gradient descent at
0.001, on the first two cores. The options after the name are:

- steps: how many are timed.
- precision: float32 or bfloat16; Keras has float32 only.
"""

import functools
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from runner import CORES, Clock, Measured, run_contender

BATCH, SIDE, CLASSES = 32, 128, 10
LEARNING_RATE = 0.001
_PARAMS = {'optimizer': 'sgd', 'learning_rate': LEARNING_RATE, 'learning_rate_schedule': 'constant'}

Options = Mapping[str, Any]


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Returns (images float32 [32, 128, 128, 1] in [0, 1], class ids int64 [32])."""
    rng = np.random.default_rng(0)
    return rng.random((BATCH, SIDE, SIDE, 1), np.float32), rng.integers(0, CLASSES, BATCH)


def estimator(options: Options, clock: Clock) -> Measured:
    """Our Estimator, as a user trains it: summaries every 50 steps, hooks, the loss fetched each step."""
    from estimator_lab import api
    from estimator_lab.tf1 import tf

    with tempfile.TemporaryDirectory() as folder:
        config = tf.estimator.RunConfig(
            model_dir=folder,
            tf_random_seed=1,
            session_config=_session_config(options),
            save_summary_steps=50,
            save_checkpoints_secs=None,
            save_checkpoints_steps=None,
            log_step_count_steps=None,
        )
        model = tf.estimator.Estimator(api.model_fn('cnn'), config=config, params=_PARAMS)
        model.train(_input_fn, [clock.hook()], steps=clock.total)
    return clock.measured(tensorflow_version(tf))


def session(options: Options, clock: Clock) -> Measured:
    """The same graph in a bare tf.Session: no hooks, no summaries, only the training step."""
    from estimator_lab import api
    from estimator_lab.tf1 import tf

    tf.disable_v2_behavior()
    tf.set_random_seed(1)
    tf.train.create_global_step()
    step = api.model_fn('cnn')(*_input_fn(), 'train', _PARAMS).train_op
    with tf.Session(config=_session_config(options)) as bare:
        bare.run(tf.global_variables_initializer())
        return clock.time(functools.partial(bare.run, step), tensorflow_version(tf))


def keras(options: Options, clock: Clock) -> Measured:
    """Keras 3 `fit` on the TensorFlow back end, without estimator_lab."""
    os.environ.update(KERAS_BACKEND='tensorflow', TF_CPP_MIN_LOG_LEVEL='3')
    import keras
    import tensorflow as tf
    from keras import layers

    class Ticks(keras.callbacks.Callback):
        def on_train_batch_end(self, number: int, logs: Any = None) -> None:
            clock.tick()

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            layers.Input((SIDE, SIDE, 1)),
            layers.Conv2D(32, 5, padding='same', activation='relu'),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 5, padding='same', activation='relu'),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(1024, activation='relu'),
            layers.Dropout(0.4),
            layers.Dense(CLASSES),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(LEARNING_RATE), loss)
    data = tf.data.Dataset.from_tensors(batch()).repeat()
    model.fit(data, steps_per_epoch=clock.total, verbose=0, callbacks=[Ticks()])
    return clock.measured(f'Keras {keras.__version__}, {tensorflow_version(tf)}')


def pytorch(options: Options, clock: Clock) -> Measured:
    """PyTorch's usual training loop."""
    import torch
    from torch import nn

    torch.set_num_threads(CORES)
    torch.manual_seed(1)
    model: Any = nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (SIDE // 4) ** 2, 1024),
        nn.ReLU(),
        nn.Dropout(0.4),
        nn.Linear(1024, CLASSES),
    )
    pixels, classes = batch()
    images, labels = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()), torch.from_numpy(classes)
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE)
    loss_of = nn.CrossEntropyLoss()
    half = options.get('precision') == 'bfloat16'

    def step() -> None:
        with torch.autocast('cpu', torch.bfloat16, enabled=half):
            loss = loss_of(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return clock.time(step, f'PyTorch {torch.__version__}')


def _input_fn() -> tuple[Any, Any]:
    from estimator_lab.tf1 import tf

    images, labels = batch()
    data = tf.data.Dataset.from_tensors(({'image': images}, labels)).repeat()
    return tf.data.make_one_shot_iterator(data).get_next()


def _session_config(options: Options) -> Any:
    """Returns the training command's tf.ConfigProto."""
    from estimator_lab.training.precision import session_config

    return session_config(options.get('precision', 'float32'))


def tensorflow_version(tf: Any) -> str:
    """Returns the version, and whether oneDNN's kernels are on in this process."""
    from tensorflow.python.util import _pywrap_util_port

    return f'TensorFlow {tf.__version__}, oneDNN {"on" if _pywrap_util_port.IsMklEnabled() else "off"}'


def _contender(measure: Callable[[Options, Clock], Measured]) -> Callable[[str], Measured]:
    def contender(text: str) -> Measured:
        options = json.loads(text)
        return measure(options, Clock(options['steps'], BATCH))

    return contender


if __name__ == '__main__':
    run_contender({f.__name__: _contender(f) for f in (estimator, session, keras, pytorch)})
