"""Recurrent networks that read an image as a sequence, then classify it.

Sequential MNIST (Le, Jaitly and Hinton 2015) is `read=pixels`, permuted MNIST `read=permuted`. The defaults
are an LSTM that reads rows; `cell=linear` is fastest for 784 pixels.
"""

import dataclasses
import functools
import logging

import numpy as np

from estimator_lab.base.settings import setting
from estimator_lab.core.display.drawing import drawing_hooks
from estimator_lab.core.display.sequences import AccuracyAfterSteps, sequences_drawing
from estimator_lab.core.heads.classification import classification_spec, ids_and_weights
from estimator_lab.core.heads.model import Model, fixed_size
from estimator_lab.core.heads.model_function import Args, model_function
from estimator_lab.core.layers.dense import HiddenLayers
from estimator_lab.core.layers.elementwise import ACTIVATIONS, dropout
from estimator_lab.core.layers.linear_recurrence import LinearLayers
from estimator_lab.core.layers.recurrence import DYNAMIC, LOOPS, OWN, UNROLLED
from estimator_lab.core.layers.recurrent import DILATED, RecurrentLayers
from estimator_lab.core.layers.rnn_cells import CELLS
from estimator_lab.core.layers.sequences import (
    PATCHES,
    PERMUTED,
    READS,
    ROWS,
    as_sequence,
    steps_and_values,
)
from estimator_lab.core.model.endpoints import LOGITS_AFTER_STEPS, Endpoint
from estimator_lab.core.model.hparams import (
    are_sizes,
    at_least_1,
    is_share,
    not_negative,
    sizes,
    some_sizes,
    structural,
)
from estimator_lab.core.model.params import ClassifierParams, clipping, learning_rate_hparam
from estimator_lab.core.step.noise import Noise
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import EstimatorSpec, Tensor, tf

_LOG = logging.getLogger('estimator_lab')
LINEAR = 'linear'
# A marker 100 steps back: cell=lstm classifies it by chance, cell=linear without an error.
_MOST_REMEMBERED = 99
_ALL_CELLS = (*CELLS, DILATED, LINEAR)
_LAST, _MEAN = 'last', 'mean'
_MOST_STEPS_SHOWN = 64
_MOST_UNROLLED = 1024  # ten operations each
_EXAMPLES_SHOWN = 8
_LARGEST_SEED = 2**32 - 1


@dataclasses.dataclass(frozen=True)
class Params(ClassifierParams):
    """Parameters of the network."""

    read: str = structural(ROWS, f'what a step sees: one of {", ".join(READS)}', READS.__contains__)
    patch_size: int = structural(
        4,
        'for read=patches: side of a patch in pixels, at least 1',
        at_least_1,
        used_if=lambda params: params.read == PATCHES,
    )
    permutation_seed: int = structural(
        1,
        'for read=permuted: seed of the order of the pixels, from 0 to 2^32 - 1',
        lambda v: 0 <= v <= _LARGEST_SEED,
        used_if=lambda params: params.read == PERMUTED,
    )
    cell: str = structural('lstm', f'one of {", ".join(_ALL_CELLS)}', _ALL_CELLS.__contains__)
    layers: str = structural(
        '128',
        'units of each recurrent layer, such as 128-128; each of dilated_gru skips twice as many steps as '
        'the one below',
        some_sizes,
    )
    bidirectional: bool = structural(
        False,
        f'whether the layers read from both ends; for {", ".join(CELLS)}',
        used_if=lambda params: params.cell in CELLS,
    )
    forget_bias: float = setting(
        1.0,
        "added to an LSTM's forget gate, 0 or more",
        not_negative,
        used_if=lambda params: params.cell == 'lstm',
    )
    states: int = structural(
        16,
        'for cell=linear: complex states of each unit, at least 1',
        at_least_1,
        used_if=lambda params: params.cell == LINEAR,
    )
    activation: str = setting(
        'relu',
        f'after each layer of cell=linear, and of the dense layers: {", ".join(ACTIVATIONS)}',
        ACTIVATIONS.__contains__,
        used_if=lambda params: params.cell == LINEAR or bool(params.dense),
    )
    readout: str = setting(
        _LAST,
        'last: classify the last step; mean: classify the mean over all steps',
        (_LAST, _MEAN).__contains__,
    )
    dense: str = structural(
        '', 'units of each dense layer between that and the logits, such as 256', are_sizes
    )
    dropout_rate: float = setting(
        0.0,
        'share of the units dropped in training after each layer, the same at all steps, in [0, 1)',
        is_share,
    )
    loop: str = setting(
        OWN,
        f"implementation of the loop over the steps: {OWN}, {DYNAMIC}, TensorFlow's, or {UNROLLED}, none; "
        'the checkpoints are the same',
        LOOPS.__contains__,
        used_if=lambda params: params.cell != LINEAR,
    )
    clip_norm: float = clipping(1.0)
    learning_rate: float = learning_rate_hparam(0.004)


def check(params: Params) -> None:
    """Raises FlagError for hyper-parameters that cannot be combined, or do not fit the images."""
    height, width, _ = params.image_shape
    if params.read == PATCHES and (height % params.patch_size or width % params.patch_size):
        raise FlagError(
            f'--hparams=patch_size={params.patch_size} does not divide an image of {width}x{height} pixels.'
        )
    if params.bidirectional and params.cell not in CELLS:
        raise FlagError(f'--hparams=bidirectional=true needs cell={" or ".join(CELLS)}, not {params.cell}.')
    steps, _ = steps_and_values(params.image_shape, params.read, params.patch_size)
    layers = len(sizes(params.layers))
    if params.cell == DILATED and 2 ** (layers - 1) > steps:
        raise FlagError(
            f'--hparams=layers={params.layers} are too many for {steps} steps: layer number {layers} of a '
            f'{DILATED} skips {2 ** (layers - 1)}.'
        )


class Network:
    """The network; its layers are created once and can be called several times."""

    def __init__(self, params: Params) -> None:
        self._params = params
        units = sizes(params.layers)
        self._layers: LinearLayers | RecurrentLayers
        if params.cell == LINEAR:
            activation = ACTIVATIONS[params.activation]
            self._layers = LinearLayers(units, params.states, activation, params.dropout_rate)
        else:
            self._layers = RecurrentLayers(
                params.cell, units, params.bidirectional, params.dropout_rate, params.forget_bias, params.loop
            )
        self._dense = HiddenLayers(
            sizes(params.dense),
            ACTIVATIONS[params.activation],
            tf.glorot_uniform_initializer(),
            params.dropout_rate,
        )
        self._logits = tf.layers.Dense(
            params.num_classes, name='logits', kernel_initializer=tf.glorot_uniform_initializer()
        )

    def __call__(
        self, images: Tensor, noise: Noise | None = None, probing: bool = False
    ) -> tuple[Tensor, dict[str, Endpoint]]:
        """Returns the logits, float32 [batch, num_classes], and the endpoints.

        Args:
          images: float32 [batch, height, width, channels], any range; [0, 1] trains well.
          noise: random numbers for dropout; None for no dropout.
          probing: whether gradients of the states are needed: see `core.model.endpoints.Endpoint`.

        Returns:
          The endpoints are rnn_1 and so on [batch, steps, units], the cell's gates such as rnn_1_forget_gate,
          readout [batch, units], layer_1 and so on of the dense layers [batch, units]; and, unless
          bidirectional, logits_after_steps [batch, steps, num_classes] after each of `steps_shown`.
        """
        params = self._params
        sequence = as_sequence(images, params.read, params.patch_size, params.permutation_seed)
        outputs = self._layers(sequence, noise, probing)
        means = params.readout == _MEAN
        readout = tf.reduce_mean(outputs.steps, axis=1) if means else outputs.last
        endpoints = {**outputs.endpoints, 'readout': Endpoint(readout)}
        hidden, more = self._dense(dropout(readout, params.dropout_rate, noise), noise)
        endpoints.update(more)
        logits = self._logits(hidden)
        if not params.bidirectional:
            endpoints[LOGITS_AFTER_STEPS] = Endpoint(self._after_steps(outputs.steps, means))
        return logits, endpoints

    def _after_steps(self, steps: Tensor, means: bool) -> Tensor:
        """Returns the logits as if the sequence ended after each of `steps_shown`."""
        counts = steps_shown(steps.shape.as_list()[1])
        if means:
            numbers = tf.range(1, steps.shape.as_list()[1] + 1, dtype=tf.float32)
            steps = tf.cumsum(steps, axis=1) / numbers[:, tf.newaxis]
        chosen = tf.gather(steps, counts - 1, axis=1)
        hidden, _ = self._dense(tf.reshape(chosen, [-1, steps.shape.as_list()[2]]))
        return tf.reshape(self._logits(hidden), [-1, len(counts), self._params.num_classes])


def steps_shown(steps: int) -> np.ndarray:
    """Returns the steps after which the accuracy is shown: all, or 64 evenly spaced ones."""
    return np.rint(np.linspace(1, steps, min(steps, _MOST_STEPS_SHOWN))).astype(int)


@model_function(Params, check)
def model_fn(args: Args[Params]) -> EstimatorSpec:
    """Classifies images: see `core.heads.classification.classification_spec`.

    EVAL also reports the accuracy after a quarter, a half and three quarters of the sequence, and draws its
    whole curve in TensorBoard. TRAIN writes what `core.display.sequences.sequences_drawing` shows.
    """
    params, display = args.params, args.display
    if args.training:
        _warn_of_long_sequences(params)
    network = Network(params)
    logits, endpoints = network(args.images, args.noise, probing=args.predicting)
    spec = classification_spec(args, logits, endpoints)
    if args.evaluating and LOGITS_AFTER_STEPS in endpoints:
        steps, _ = steps_and_values(params.image_shape, params.read, params.patch_size)
        after = AccuracyAfterSteps(
            endpoints[LOGITS_AFTER_STEPS].values, steps_shown(steps).tolist(), *ids_and_weights(args)
        )
        hooks = [*spec.evaluation_hooks, *([after.hook(display.evaluation_folder)] if display else [])]
        metrics = {**spec.eval_metric_ops, **after.metrics()}
        return spec._replace(eval_metric_ops=metrics, evaluation_hooks=hooks)
    if args.training and display:
        ids, weights = (part[:_EXAMPLES_SHOWN] for part in ids_and_weights(args))
        shown, probed = network(args.images[:_EXAMPLES_SHOWN], probing=True)
        with tf.name_scope('shown'):
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=shown)
            loss = tf.reduce_sum(weights * losses)
        hooks = drawing_hooks(lambda: [sequences_drawing(probed, loss)], display)
        return spec._replace(training_hooks=[*spec.training_hooks, *hooks])
    return spec


def without_loops(params: Params) -> Params:
    """Returns parameters of the same network without a loop, unless it has very many steps."""
    steps, _ = steps_and_values(params.image_shape, params.read, params.patch_size)
    return dataclasses.replace(params, loop=UNROLLED) if steps <= _MOST_UNROLLED else params


def _warn_of_long_sequences(params: Params) -> None:
    steps, _ = steps_and_values(params.image_shape, params.read, params.patch_size)
    if params.cell in CELLS and params.readout == _LAST and steps > _MOST_REMEMBERED:
        _warn_once(params.cell, steps)


@functools.cache
def _warn_once(cell: str, steps: int) -> None:
    """Warns once, however many graphs are built."""
    _LOG.warning(
        'cell=%s rarely learns what the first of %d steps say: cell=linear does, and is faster.',
        cell,
        steps,
    )


MODEL = Model('recurrent', Params, model_fn, check, layered=fixed_size(model_fn), without_loops=without_loops)
