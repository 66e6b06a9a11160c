"""A contender of small_steps.py, measured in this process: prints one line of JSON.

    python benchmarks/small_step_contenders.py estimator '{"network": "mlp", "steps": 500}'

Every contender trains on 6,000 images of 28x28, in memory as the 60,000 of MNIST would be, shuffled, 100 in a
step, by Adam at 0.001, on the first two cores. The options are:

- network: mlp (784-1024-1024-10, ReLU, no dropout, softmax cross-entropy) or autoencoder
  (784-1000-500-250-30 and back, ELU, a linear code, sigmoid output, squared error).
- steps: how many are timed.
"""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from runner import CORES, Clock, Measured, run_contender
from step_contenders import tensorflow_version

BATCH, IMAGES, PIXELS, CLASSES, LEARNING_RATE = 100, 6_000, 784, 10, 0.001
_WARM_UP = 20
_CODE, _ENCODER, _HIDDEN = 30, (1000, 500, 250), (1024, 1024)
_PARAMS: dict[str, dict[str, Any]] = {
    'mlp': {'layers': '1024-1024', 'dropout_rate': 0.0, 'input_dropout_rate': 0.0},
    'autoencoder': {'layers': '1000-500-250-30', 'activation': 'elu'},
}

Options = Mapping[str, Any]


def examples() -> tuple[np.ndarray, np.ndarray]:
    """Returns (images uint8 [6000, 28, 28], class ids int64 [6000])."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (IMAGES, 28, 28), np.uint8), rng.integers(0, CLASSES, IMAGES)


def estimator(options: Options, clock: Clock) -> Measured:
    """Our Estimator on `numpy_input_fn`, as a user trains it; no checkpoint falls into the timed steps."""
    from estimator_lab.models import mlp
    from estimator_lab.models.autoencoder import model as autoencoder
    from estimator_lab.tf1 import tf
    from tests.input_batches import numpy_input_fn

    network = options['network']
    model_fn = {'mlp': mlp.model_fn, 'autoencoder': autoencoder.model_fn}[network]
    params = {
        'image_shape': (28, 28, 1),
        'optimizer': 'adam',
        'learning_rate': LEARNING_RATE,
        'learning_rate_schedule': 'constant',
        **_PARAMS[network],
    }
    if network == 'mlp':
        params['vocabulary'] = tuple(map(str, range(CLASSES)))
    images, labels = examples()
    with tempfile.TemporaryDirectory() as folder:
        config = tf.estimator.RunConfig(
            folder, tf_random_seed=1, save_checkpoints_secs=10_000, log_step_count_steps=None
        )
        model = tf.estimator.Estimator(model_fn, config=config, params=params)
        input_fn = numpy_input_fn(images, labels, BATCH, num_epochs=None, shuffle=True)
        model.train(input_fn, [clock.hook()], steps=clock.total)
    return clock.measured(tensorflow_version(tf))


def keras(options: Options, clock: Clock) -> Measured:
    """Keras 3 `fit` on arrays, on the TensorFlow back end with its own settings, without estimator_lab."""
    os.environ.update(KERAS_BACKEND='tensorflow', TF_CPP_MIN_LOG_LEVEL='3')
    import keras
    import tensorflow as tf

    class Ticks(keras.callbacks.Callback):
        def on_train_batch_end(self, number: int, logs: Any = None) -> None:
            clock.tick()

    keras.utils.set_random_seed(1)
    is_mlp = options['network'] == 'mlp'
    activation, output = ('relu', None) if is_mlp else ('elu', 'sigmoid')
    hidden, last = _sizes(is_mlp)
    layers: list[Any] = [keras.layers.Input((PIXELS,))]
    for size in hidden:
        layers.append(keras.layers.Dense(size, activation=None if size == _CODE else activation))
    model = keras.Sequential([*layers, keras.layers.Dense(last, activation=output)])
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = cross_entropy if is_mlp else keras.losses.MeanSquaredError()
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss)
    images, labels = _floats()
    epochs = -(-clock.total * BATCH // IMAGES)
    targets = labels if is_mlp else images
    model.fit(images, targets, BATCH, epochs, verbose=0, callbacks=[Ticks()])
    return clock.measured(f'Keras {keras.__version__}, {tensorflow_version(tf)}')


def pytorch(options: Options, clock: Clock) -> Measured:
    """PyTorch's usual training loop, with the fused Adam; a batch is gathered from tensors in memory."""
    import torch
    from torch import nn

    torch.set_num_threads(CORES)
    torch.manual_seed(1)
    is_mlp = options['network'] == 'mlp'
    hidden, last = _sizes(is_mlp)
    layers: list[Any] = []
    before = PIXELS
    for size in hidden:
        layers.append(nn.Linear(before, size))
        if size != _CODE:
            layers.append(nn.ReLU() if is_mlp else nn.ELU())
        before = size
    layers += [nn.Linear(before, last), *([] if is_mlp else [nn.Sigmoid()])]
    model: Any = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=True)
    loss_of: Any = nn.CrossEntropyLoss() if is_mlp else nn.MSELoss()
    images, labels = map(torch.from_numpy, _floats())
    rows = torch.empty(0, dtype=torch.int64)

    def step() -> None:
        nonlocal rows
        if not len(rows):
            rows = torch.randperm(IMAGES)
        batch, rows = rows[:BATCH], rows[BATCH:]
        chosen = images[batch]
        loss = loss_of(model(chosen), labels[batch] if is_mlp else chosen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return clock.time(step, f'PyTorch {torch.__version__}')


def _sizes(is_mlp: bool) -> tuple[tuple[int, ...], int]:
    """Returns the units of the hidden layers, and of the last one."""
    return (_HIDDEN, CLASSES) if is_mlp else ((*_ENCODER, _CODE, *reversed(_ENCODER)), PIXELS)


def _floats() -> tuple[np.ndarray, np.ndarray]:
    images, labels = examples()
    return images.reshape(IMAGES, PIXELS).astype(np.float32) / 255, labels


def _contender(measure: Callable[[Options, Clock], Measured]) -> Callable[[str], Measured]:
    def contender(text: str) -> Measured:
        options = json.loads(text)
        return measure(options, Clock(options['steps'], BATCH, _WARM_UP))

    return contender


if __name__ == '__main__':
    run_contender({f.__name__: _contender(f) for f in (estimator, keras, pytorch)})
