"""One contender of train_step.py, measured in this process: prints one line of JSON.

    python benchmarks/step_contenders.py estimator '{"steps": 50}'

Every contender trains the same network on the same batch, which is in memory, with plain gradient descent at
0.001, on the first two processors that this process may use.
"""

import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

BATCH = 32
SIDE = 128
CLASSES = 10
CORES = 2
LEARNING_RATE = 0.001
WARM_UP = 5

Options = Mapping[str, Any]


class Clock:
    """Times a number of steps behind some warm-up.

    Args:
      steps: how many steps are timed.
      batch: examples in each.
    """

    def __init__(self, steps: int, batch: int = BATCH) -> None:
        self.total = WARM_UP + steps
        self._batch = batch
        self._steps = steps
        self._done = 0

    def tick(self) -> None:
        """Counts one finished step."""
        self._done += 1
        if self._done == WARM_UP:
            self._start = time.perf_counter(), _processor_seconds()
        elif self._done == self.total:
            self._end = time.perf_counter(), _processor_seconds()

    def figures(self) -> dict[str, float]:
        """Returns examples a second, and processor seconds a step over all cores."""
        seconds, processor = (end - start for start, end in zip(self._start, self._end, strict=True))
        return {
            'examples_per_second': self._batch * self._steps / seconds,
            'processor_seconds': processor / self._steps,
        }


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Returns (images float32 [32, 128, 128, 1] in [0, 1], class ids int64 [32])."""
    rng = np.random.default_rng(0)
    return rng.random((BATCH, SIDE, SIDE, 1), np.float32), rng.integers(0, CLASSES, BATCH)


def estimator(options: Options, clock: Clock) -> str:
    """Our Estimator, as a user trains it: summaries every 50 steps, hooks, the loss fetched each step."""
    import tempfile

    from estimator_lab.tf1 import tf

    class Ticks(tf.train.SessionRunHook):
        def after_run(self, run_context: Any, run_values: Any) -> None:
            clock.tick()

    with tempfile.TemporaryDirectory() as folder:
        config = tf.estimator.RunConfig(
            model_dir=folder,
            tf_random_seed=1,
            session_config=_session_config(options),
            save_summary_steps=options.get('summaries', 50) or None,
            save_checkpoints_secs=None,
            save_checkpoints_steps=None,
            log_step_count_steps=None,
        )
        model = tf.estimator.Estimator(_model_fn(options), config=config, params=_params())
        model.train(_input_fn, [Ticks()], steps=clock.total)
    return f'TensorFlow {tf.__version__}, oneDNN {onednn()}'


def session(options: Options, clock: Clock) -> str:
    """The same graph in a bare tf.Session: no hooks, no summaries, only the training step is run."""
    from estimator_lab.tf1 import tf

    tf.disable_v2_behavior()
    tf.set_random_seed(1)
    tf.train.create_global_step()
    step = _model_fn(options)(*_input_fn(), 'train', _params()).train_op
    with tf.Session(config=_session_config(options)) as bare:
        bare.run(tf.global_variables_initializer())
        for _ in range(clock.total):
            bare.run(step)
            clock.tick()
    return f'TensorFlow {tf.__version__}, oneDNN {onednn()}'


def keras(options: Options, clock: Clock) -> str:
    """Keras 3 `fit` on the TensorFlow back end, without estimator_lab."""
    return fit_keras(_keras_layers, batch(), options, clock)


def _keras_layers(layers: Any) -> list[Any]:
    return [
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


def fit_keras(
    network: Callable[[Any], list[Any]],
    examples: tuple[np.ndarray, np.ndarray],
    options: Options,
    clock: Clock,
) -> str:
    """Fits a network of Keras 3 layers to one batch, over and over; returns what it ran on.

    Args:
      network: makes the layers; gets the module `keras.layers`.
      examples: a batch and its class ids.
      options: 'xla' is Keras' `jit_compile`.
      clock: times the steps.
    """
    os.environ.update(KERAS_BACKEND='tensorflow', TF_CPP_MIN_LOG_LEVEL='3')
    import keras
    import tensorflow as tf

    class Ticks(keras.callbacks.Callback):
        def on_train_batch_end(self, number: int, logs: Any = None) -> None:
            clock.tick()

    keras.utils.set_random_seed(1)
    model = keras.Sequential(network(keras.layers))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(LEARNING_RATE), loss, jit_compile=options.get('xla', 'auto'))
    data = tf.data.Dataset.from_tensors(examples).repeat()
    model.fit(data, steps_per_epoch=clock.total, verbose=0, callbacks=[Ticks()])
    return f'Keras {keras.__version__}, TensorFlow {tf.__version__}, oneDNN {onednn()}'


def pytorch(options: Options, clock: Clock) -> str:
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
    if options.get('channels_last'):
        model, images = (x.to(memory_format=torch.channels_last) for x in (model, images))
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE)
    loss_of = nn.CrossEntropyLoss()
    half = options.get('precision') == 'bfloat16'
    for _ in range(clock.total):
        with torch.autocast('cpu', torch.bfloat16, enabled=half):
            loss = loss_of(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        clock.tick()
    return f'PyTorch {torch.__version__}'


CONTENDERS: dict[str, Callable[[Options, Clock], str]] = {
    'estimator': estimator,
    'session': session,
    'keras': keras,
    'pytorch': pytorch,
}
"""By name: each trains, ticks behind each step, and returns the versions of what it trained with."""


def _input_fn() -> tuple[Any, Any]:
    from estimator_lab.tf1 import tf

    images, labels = batch()
    data = tf.data.Dataset.from_tensors(({'image': images}, labels)).repeat()
    return tf.data.make_one_shot_iterator(data).get_next()


def _params() -> dict[str, Any]:
    return {'optimizer': 'sgd', 'learning_rate': LEARNING_RATE, 'learning_rate_schedule': 'constant'}


def _session_config(options: Options) -> Any:
    """Returns the training command's tf.ConfigProto, with the fields that a variant changes."""
    from google.protobuf import json_format

    from estimator_lab.runs.precision import session_config
    from estimator_lab.tf1 import tf

    config = session_config(options.get('precision', 'float32'))
    changes = options.get('config')
    if changes:
        config = config or tf.ConfigProto(allow_soft_placement=True)
        json_format.ParseDict(changes, config)
    return config


def _model_fn(options: Options) -> Callable[..., Any]:
    """Returns the model function, around a network in another layout or order where one is asked for."""
    from estimator_lab.models import cnn

    order = options.get('network')
    if order:

        def network(params: Any, training: bool = False) -> Callable[..., Any]:
            return lambda images, noise=None: (_variant(order, images, params, noise), {})

        cnn.Network = network  # type: ignore[assignment,misc]
    return cnn.model_fn


def _variant(order: str, images: Any, params: Any, noise: Any) -> Any:
    """The logits of the network in channels_first order, or with each ReLU behind its pooling."""
    from estimator_lab.core.layers.elementwise import dropout
    from estimator_lab.tf1 import tf

    first = order == 'channels_first'
    layout = 'channels_first' if first else 'channels_last'
    net = tf.transpose(images, [0, 3, 1, 2]) if first else images
    for _ in range(2):
        net = tf.layers.conv2d(net, 32, 5, padding='same', data_format=layout)
        net = tf.nn.relu(net) if first else net
        net = tf.layers.max_pooling2d(net, 2, 2, data_format=layout)
        net = net if first else tf.nn.relu(net)
    dense = tf.layers.dense(tf.layers.flatten(net), 1024, tf.nn.relu)
    return tf.layers.dense(dropout(dense, params.dropout_rate, noise), params.num_classes)


def onednn() -> str:
    """Whether TensorFlow's oneDNN kernels are on in this process."""
    from tensorflow.python.util import _pywrap_util_port

    return 'on' if _pywrap_util_port.IsMklEnabled() else 'off'


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(contenders: Mapping[str, Callable[[Options, Clock], str]], batch: int) -> None:
    """Measures the contender that the command line names, with its options as JSON."""
    name, options = sys.argv[1], json.loads(sys.argv[2])
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, itertools.islice(sorted(os.sched_getaffinity(0)), CORES))
    clock = Clock(options['steps'], batch)
    versions = contenders[name](options, clock)
    print(json.dumps({**clock.figures(), 'versions': versions}))


if __name__ == '__main__':
    main(CONTENDERS, BATCH)
