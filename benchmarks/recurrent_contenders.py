"""One contender of `recurrent_figures.py step`, measured in this process: prints one line of JSON.

    python benchmarks/recurrent_contenders.py own '{"steps": 10}'

Every contender trains an LSTM of 128 units on the same 100 sequences of 784 values, with plain gradient
descent at 0.001 down the cross-entropy of 10 classes, on the first two processors that this process may use.
"""

import functools
from collections.abc import Callable

import numpy as np
from step_contenders import CORES, LEARNING_RATE, Clock, Options, fit_keras, main, onednn

BATCH, STEPS, UNITS, CLASSES = 100, 784, 128, 10


def sequences() -> tuple[np.ndarray, np.ndarray]:
    """Returns (float32 [100, 784, 1] in [0, 1], class ids int64 [100])."""
    rng = np.random.default_rng(0)
    return rng.random((BATCH, STEPS, 1), np.float32), rng.integers(0, CLASSES, BATCH)


def estimator_lab(loop: str, options: Options, clock: Clock) -> str:
    """The training step of `--model=recurrent` in a bare session, by our loop or TensorFlow's."""
    from estimator_lab.models.recurrent import model_fn
    from estimator_lab.tf1 import tf

    tf.disable_v2_behavior()
    tf.set_random_seed(1)
    tf.train.create_global_step()
    values, classes = sequences()
    images = values.reshape(BATCH, 28, 28, 1)
    params = {
        'image_shape': images.shape[1:],
        'read': 'pixels',
        'layers': str(UNITS),
        'loop': loop,
        'optimizer': 'sgd',
        'learning_rate': LEARNING_RATE,
        'learning_rate_schedule': 'constant',
        'clip_norm': 0.0,
    }
    spec = model_fn({'image': tf.constant(images)}, tf.constant(classes), 'train', params)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(clock.total):
            session.run([spec.loss, spec.train_op])
            clock.tick()
    return f'TensorFlow {tf.__version__}, oneDNN {onednn()}'


def keras(options: Options, clock: Clock) -> str:
    """Keras 3 `fit` on the TensorFlow back end, without estimator_lab."""
    return fit_keras(
        lambda layers: [layers.Input((STEPS, 1)), layers.LSTM(UNITS), layers.Dense(CLASSES)],
        sequences(),
        options,
        clock,
    )


def pytorch(options: Options, clock: Clock) -> str:
    """PyTorch's usual training loop."""
    import torch
    from torch import nn

    torch.set_num_threads(CORES)
    torch.manual_seed(1)
    lstm, dense = nn.LSTM(1, UNITS, batch_first=True), nn.Linear(UNITS, CLASSES)
    values, classes = map(torch.from_numpy, sequences())
    optimizer = torch.optim.SGD([*lstm.parameters(), *dense.parameters()], LEARNING_RATE)
    loss_of = nn.CrossEntropyLoss()
    for _ in range(clock.total):
        states, _ = lstm(values)
        loss = loss_of(dense(states[:, -1]), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        clock.tick()
    return f'PyTorch {torch.__version__}'


CONTENDERS: dict[str, Callable[[Options, Clock], str]] = {
    'own': functools.partial(estimator_lab, 'own'),
    'dynamic_rnn': functools.partial(estimator_lab, 'dynamic_rnn'),
    'keras': keras,
    'pytorch': pytorch,
}


if __name__ == '__main__':
    main(CONTENDERS, BATCH)
