"""A contender of `recurrent_figures.py step`, measured in this process: prints one line of JSON.

    python benchmarks/recurrent_contenders.py own lstm 10

Every contender trains a layer of 128 units, one of `LAYERS`, on the same 100 sequences of 784 values, with
plain gradient descent at 0.001 on the cross-entropy of 10 classes, on the first two cores.
"""

import functools
from typing import Any

import numpy as np
from runner import CORES, Clock, Measured, run_contender
from step_contenders import LEARNING_RATE, fit_keras, tensorflow_version

BATCH, STEPS, UNITS, CLASSES = 100, 784, 128, 10
LSTM, GRU, BIDIRECTIONAL = 'lstm', 'gru', 'bidirectional'
LAYERS = (LSTM, GRU, BIDIRECTIONAL)
"""The layers: `bidirectional` is an LSTM of 128 units in each direction."""


def sequences() -> tuple[np.ndarray, np.ndarray]:
    """Returns (float32 [100, 784, 1] in [0, 1], class ids int64 [100])."""
    rng = np.random.default_rng(0)
    return rng.random((BATCH, STEPS, 1), np.float32), rng.integers(0, CLASSES, BATCH)


def estimator_lab(layer: str, steps: str) -> Measured:
    """The training step of `--model=recurrent` in a bare session."""
    from estimator_lab.models.recurrent.model import model_fn
    from estimator_lab.tf1 import tf

    tf.disable_v2_behavior()
    tf.set_random_seed(1)
    tf.train.create_global_step()
    values, classes = sequences()
    images = values.reshape(BATCH, 28, 28, 1)
    params = {
        'image_shape': images.shape[1:],
        'read': 'pixels',
        'cell': LSTM if layer == BIDIRECTIONAL else layer,
        'bidirectional': layer == BIDIRECTIONAL,
        'layers': str(UNITS),
        'optimizer': 'sgd',
        'learning_rate': LEARNING_RATE,
        'learning_rate_schedule': 'constant',
        'clip_norm': 0.0,
    }
    spec = model_fn({'image': tf.constant(images)}, tf.constant(classes), 'train', params)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        step = functools.partial(session.run, [spec.loss, spec.train_op])
        return Clock(int(steps), BATCH).time(step, tensorflow_version(tf))


def keras(layer: str, steps: str) -> Measured:
    """Keras 3 `fit` on the TensorFlow back end, without estimator_lab."""

    def network(layers: Any) -> list[Any]:
        recurrent = (layers.GRU if layer == GRU else layers.LSTM)(UNITS)
        if layer == BIDIRECTIONAL:
            recurrent = layers.Bidirectional(recurrent)
        return [layers.Input((STEPS, 1)), recurrent, layers.Dense(CLASSES)]

    return fit_keras(network, sequences(), Clock(int(steps), BATCH))


def pytorch(layer: str, steps: str) -> Measured:
    """PyTorch's usual training loop."""
    import torch
    from torch import nn

    torch.set_num_threads(CORES)
    torch.manual_seed(1)
    both = layer == BIDIRECTIONAL
    recurrent: Any = (nn.GRU if layer == GRU else nn.LSTM)(1, UNITS, batch_first=True, bidirectional=both)
    dense = nn.Linear(UNITS * (1 + both), CLASSES)
    values, classes = map(torch.from_numpy, sequences())
    optimizer = torch.optim.SGD([*recurrent.parameters(), *dense.parameters()], LEARNING_RATE)
    loss_of = nn.CrossEntropyLoss()

    def step() -> None:
        states, _ = recurrent(values)
        # The backward direction ends at the first step.
        ends = torch.cat([states[:, -1, :UNITS], states[:, 0, UNITS:]], 1)
        loss = loss_of(dense(ends), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return Clock(int(steps), BATCH).time(step, f'PyTorch {torch.__version__}')


if __name__ == '__main__':
    run_contender({'own': estimator_lab, 'keras': keras, 'pytorch': pytorch})
