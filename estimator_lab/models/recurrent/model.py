"""The networks and the model function.

Sequential MNIST (Le, Jaitly and Hinton 2015) is `read=pixels`, permuted MNIST `read=permuted`. The defaults
are an LSTM that reads rows.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.base.errors import FlagError, hparam, option
from estimator_lab.base.pixels import SeenPixels
from estimator_lab.base.settings import setting
from estimator_lab.core import classifier
from estimator_lab.core.abilities import HasNetwork, Inspects
from estimator_lab.core.endpoints import LOGITS, Endpoints, Layers, probabilities_of, publish_all
from estimator_lab.core.layers import ACTIVATIONS, class_logits, hidden_layers, network_pixels
from estimator_lab.core.metrics import running_sum
from estimator_lab.core.model import Args, Model, arguments
from estimator_lab.core.noise import Noise, dropout
from estimator_lab.core.params import (
    SIZES,
    AnyOptimizer,
    ClassifierParams,
    Pixels,
    other_default,
    share,
    sizes,
    structural,
)
from estimator_lab.core.picture import heat_map, labelled_grid
from estimator_lab.core.summaries import picture
from estimator_lab.models.recurrent.loop import CELLS
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

LOGITS_AFTER_STEPS = 'logits_after_steps'
"""Endpoint of the logits after some of the steps of a sequence, [batch, steps, classes]."""

GRADIENT = 'gradient_'
"""Beginning of the endpoints of PREDICT with the norms of gradients through time, [batch, steps]."""

ROWS, COLUMNS, PIXELS, PATCHES, PERMUTED = 'rows', 'columns', 'pixels', 'patches', 'permuted'
READS = (ROWS, COLUMNS, PIXELS, PATCHES, PERMUTED)
"""Ways to read an image; 'permuted' reads the pixels in a fixed random order (Le et al. 2015)."""

_SEED = 1  # of that order
# With 1,437 digits of 8x8 pixels, the accuracy is 0.95 after the 450 of ten epochs, and 0.97 after 1,000.
_LEAST_STEPS = 1500
_MOST_REMEMBERED = 99  # a marker 100 steps back is classified by chance
_LAST, _MEAN = 'last', 'mean'
_DEVIATION = 0.35  # to which pixels are scaled if the images hardly differ: about as of small digits
_MOST_STEPS_SHOWN = 64
_EXAMPLES_SHOWN = 8
_LIKELIEST = 3  # labels whose probabilities are shown
_TILE = 384  # pixels of a row of steps


@dataclasses.dataclass(frozen=True)
class Params(AnyOptimizer, ClassifierParams):
    """Parameters of the network."""

    read: str = structural(ROWS, 'what a step sees', choices=READS)
    patch_size: int = structural(
        4,
        'for read=patches: side of a patch in pixels',
        lower=1,
        used_if=lambda params: params.read == PATCHES,
    )
    cell: str = structural('lstm', 'kind of the cells', choices=tuple(CELLS))
    layers: str = structural('128', 'units of each recurrent layer, such as 128-128', pattern=SIZES)
    bidirectional: bool = structural(False, 'whether the layers read from both ends')
    readout: str = setting(
        _LAST, 'what is classified: the last step, or the mean over all steps', choices=(_LAST, _MEAN)
    )
    dense: str = structural(
        '', 'units of each dense layer between that and the logits, such as 256', pattern=f'({SIZES})?'
    )
    activation: str = setting(
        'relu',
        'activation of the dense layers',
        choices=tuple(ACTIVATIONS),
        used_if=lambda params: bool(params.dense),
    )
    dropout_rate: float = share(
        0.0, 'share of the units dropped in training after each layer, the same at all steps'
    )
    # With 10 % wrong labels of 1,437 digits, the accuracy is 0.94; without, 0.93. On MNIST it is the same.
    weight_decay: float = other_default(ClassifierParams, 'weight_decay', 3e-4)
    clip_norm: float = other_default(ClassifierParams, 'clip_norm', 1.0)
    learning_rate: float = other_default(ClassifierParams, 'learning_rate', 0.004)

    @property
    def steps(self) -> int:
        """Length of a sequence."""
        return steps_and_values(self.image_shape, self.read, self.patch_size)[0]

    @staticmethod
    def pixels_from(seen: SeenPixels) -> Pixels:
        """Returns how pixels are read: the mean image is subtracted only if the images hardly differ.

        What is left is then scaled to a usual deviation. All steps have the same weights, and
        otherwise should have the same background.
        """
        if seen.deviation:
            return Pixels(seen.low, seen.high, mean_image=True, gain=_DEVIATION / seen.deviation)
        return Pixels(seen.low, seen.high, seen.mean)

    def check(self) -> None:
        """Raises FlagError for patches that do not fit the images."""
        height, width, _ = self.image_shape
        if self.read == PATCHES and (height % self.patch_size or width % self.patch_size):
            raise FlagError(
                f'{hparam.patch_size}={self.patch_size} does not divide an image of {width}x{height} pixels.'
            )

    def caution(self) -> str:
        """Returns a warning of more steps than a cell remembers; '' for none."""
        if self.readout != _LAST or self.steps <= _MOST_REMEMBERED:
            return ''
        fewer = 'read=rows' if self.image_shape[0] < self.steps else f'a smaller {option.image_size}'
        return f'cell={self.cell} rarely learns what the first of {self.steps} steps say: {fewer} has fewer.'


def network(
    images: Tensor, params: Params, noise: Noise | None = None, probes: Mapping[str, Tensor] | None = None
) -> Layers:
    """Yields the layers by name.

    They are rnn_1 and so on [batch, steps, units]; readout [batch, units]; layer_1 and so on of the dense
    layers [batch, units]; the logits; and, unless bidirectional, logits_after_steps [batch, steps,
    num_classes] after each of `steps_shown`.

    The names of the variables are those of `tf.nn.dynamic_rnn` with one cell, `rnn/lstm_cell/kernel`, or a
    MultiRNNCell, `rnn/multi_rnn_cell/cell_0/lstm_cell/kernel`; for both directions, those of
    `bidirectional_dynamic_rnn` and `stack_bidirectional_dynamic_rnn`.

    The arguments are as for `core.abilities.HasNetwork`, with the probes of `probes_of` for `gradient_norms`.
    Dropout follows Gal and Ghahramani (2016).
    """
    sequence = as_sequence(network_pixels(images, params), params.read, params.patch_size)
    values, batch = _swapped(sequence), tf.shape(images)[0]
    for number, directions in enumerate(_directions(params)):
        if number:
            shape = tf.stack([1, batch, values.shape.as_list()[2]])
            values = dropout(values, params.dropout_rate, noise, shape)
        outputs = []
        for name, scope, is_reversed in directions:
            cell = CELLS[params.cell](sizes(params.layers)[number])
            turned = partial(tf.reverse, axis=[0]) if is_reversed else tf.identity
            probe = turned(_swapped(probes[name])) if probes and name in probes else None
            with tf.name_scope(name), tf.variable_scope(scope):
                # Two directions are two loops already.
                outputs.append(turned(cell(turned(values), probe, not params.bidirectional)))
            yield name, _swapped(outputs[-1])
        # The backward direction ends at the first step.
        ends = [states[end] for states, end in zip(outputs, (-1, 0), strict=False)]
        values, last = tf.concat(outputs, axis=2), tf.concat(ends, axis=1)
    steps = _swapped(values)
    readout = tf.reduce_mean(steps, axis=1) if params.readout == _MEAN else last
    yield 'readout', readout
    activation = ACTIVATIONS[params.activation]
    hidden = yield from hidden_layers(
        dropout(readout, params.dropout_rate, noise),
        sizes(params.dense),
        activation,
        noise,
        params.dropout_rate,
    )
    yield LOGITS, class_logits(hidden, params)
    if not params.bidirectional:
        yield LOGITS_AFTER_STEPS, _logits_after_steps(steps, params)


def as_sequence(images: Tensor, read: str, patch_size: int = 4) -> Tensor:
    """Returns images as sequences, float32 [batch, steps, values], read in a way of `READS`.

    Rows are read from top to bottom, columns from left to right, pixels and patches in row order; the side
    of a patch divides height and width.
    """
    height, width, channels = images.shape.as_list()[1:]
    if read == COLUMNS:
        images = tf.transpose(images, [0, 2, 1, 3])
    elif read == PATCHES:
        down, across = height // patch_size, width // patch_size
        images = tf.reshape(images, [-1, down, patch_size, across, patch_size, channels])
        images = tf.transpose(images, [0, 1, 3, 2, 4, 5])
    sequence = tf.reshape(images, [-1, *steps_and_values((height, width, channels), read, patch_size)])
    return tf.gather(sequence, permutation(height * width), axis=1) if read == PERMUTED else sequence


def steps_and_values(image_shape: Sequence[int], read: str, patch_size: int = 4) -> tuple[int, int]:
    """Returns the length of the sequence and the number of values at each step."""
    height, width, channels = image_shape
    return {
        ROWS: (height, width * channels),
        COLUMNS: (width, height * channels),
        PATCHES: (height * width // patch_size**2, patch_size**2 * channels),
    }.get(read, (height * width, channels))


def permutation(count: int) -> np.ndarray:
    """Returns the pixel that 'permuted' reads at each step, int [count], in any version."""
    return np.random.RandomState(_SEED).permutation(count)


def _directions(params: Params) -> Iterator[list[tuple[str, str, bool]]]:
    """Yields the name, the variables' scope and whether it reads backwards, of each direction of a layer."""
    several = len(sizes(params.layers)) > 1
    for number in range(len(sizes(params.layers))):
        name = f'rnn_{number + 1}'
        if params.bidirectional:
            stack = f'stack_bidirectional_rnn/cell_{number}/' if several else ''
            scope = f'{stack}bidirectional_rnn'
            yield [(name, f'{scope}/fw', False), (f'{name}_backwards', f'{scope}/bw', True)]
        else:
            yield [(name, f'rnn/multi_rnn_cell/cell_{number}' if several else 'rnn', False)]


def _logits_after_steps(steps: Tensor, params: Params) -> Tensor:
    """Returns the logits as if the sequence ended after each of `steps_shown`."""
    counts, units = steps_shown(params.steps), steps.shape.as_list()[2]
    if params.readout == _MEAN:
        numbers = tf.range(1, params.steps + 1, dtype=tf.float32)
        steps = tf.cumsum(steps, axis=1) / numbers[:, tf.newaxis]
    values = tf.reshape(tf.gather(steps, counts - 1, axis=1), [-1, units])
    for _, hidden in hidden_layers(values, sizes(params.dense), ACTIVATIONS[params.activation]):
        values = hidden
    return tf.reshape(class_logits(values, params), [-1, len(counts), params.num_classes])


def steps_shown(steps: int) -> np.ndarray:
    """Returns the steps after which the accuracy is shown: all, or 64 evenly spaced ones."""
    return np.rint(np.linspace(1, steps, min(steps, _MOST_STEPS_SHOWN))).astype(int)


def _swapped(values: Tensor) -> Tensor:
    """Swaps the first two axes: [batch, steps, ...] and [steps, batch, ...]."""
    return tf.transpose(values, [1, 0, 2])


def probes_of(images: Tensor, params: Params) -> dict[str, Tensor]:
    """Returns zeros for each recurrent layer by name, with respect to which gradients are computed."""
    units, batch = sizes(params.layers), tf.shape(images)[0]
    return {
        name: tf.zeros([batch, params.steps, units[number]])
        for number, directions in enumerate(_directions(params))
        for name, _, _ in directions
    }


def gradient_norms(score: Tensor, probes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the norms of a score's gradient with respect to the states after each step, [batch, steps].

    A norm that decreases towards earlier steps shows a vanishing gradient, an increasing one an exploding
    gradient (Bengio et al. 1994; Pascanu et al. 2013). The score is a sum over the examples, and the probes
    are the ones that the network was built with.
    """
    gradients = tf.gradients(score, list(probes.values()))
    return {
        name: tf.norm(gradient, axis=2)
        for name, gradient in zip(probes, gradients, strict=True)
        if gradient is not None
    }


def model_fn(
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> EstimatorSpec:
    """Classifies images: see `core.classifier`.

    EVAL also reports the accuracy after a quarter, a half and three quarters of the sequence. TRAIN shows
    states and gradients through time of a few examples.
    """
    args = arguments(Params, features, labels, mode, params, config)
    probes = probes_of(args.images, args.params) if mode == tf.estimator.ModeKeys.PREDICT else {}
    layers = publish_all(network(args.images, args.params, args.noise, probes))
    if mode == tf.estimator.ModeKeys.PREDICT:
        spec = classifier.predict_spec(args, layers)
        best = tf.reduce_sum(tf.reduce_max(layers[LOGITS], axis=1))
        publish_all((f'{GRADIENT}{name}', norms) for name, norms in gradient_norms(best, probes).items())
        return spec
    if mode == tf.estimator.ModeKeys.TRAIN and args.folder:
        _show_sequences(args)
    loss = classifier.loss(args, layers)
    if mode == tf.estimator.ModeKeys.EVAL:
        spec = classifier.eval_spec(args, layers, loss)
        metrics = _accuracy_after_steps(args, layers) if LOGITS_AFTER_STEPS in layers else {}
        return spec._replace(eval_metric_ops={**spec.eval_metric_ops, **metrics})
    return classifier.train_spec(args, layers, loss)


def _accuracy_after_steps(args: Args[Params], layers: Endpoints) -> dict[str, tuple[Tensor, Tensor]]:
    """Returns metrics: the accuracy after a quarter, a half and three quarters of the sequence."""
    steps, (ids, weights) = steps_shown(args.params.steps), args.targets
    with tf.name_scope('accuracy_after_steps'):
        right = tf.cast(
            tf.equal(tf.argmax(layers[LOGITS_AFTER_STEPS], axis=2), ids[:, tf.newaxis]), tf.float32
        )
        counted = tf.reduce_sum(right * weights[:, tf.newaxis], axis=0)
        amounts = tf.concat([counted, tf.reduce_sum(weights)[tf.newaxis]], axis=0)
        sums = running_sum('accuracy_after_steps', tf.ensure_shape(amounts, [len(steps) + 1]))
        metrics = {}
        for name, part in (('quarter', 0.25), ('half', 0.5), ('three_quarters', 0.75)):
            place = int(np.argmin(np.abs(steps - part * steps[-1])))
            value, update = (tf.div_no_nan(total[place], total[-1]) for total in sums)
            metrics[f'accuracy_after_{name}'] = value, update
        return metrics


def _show_sequences(args: Args[Params]) -> None:
    """Shows images/states_LAYER of the first example, and the gradient through time of a few examples.

    gradient_through_time/LAYER is log10 of the mean norm of the loss's gradient with respect to the state of
    the first step, divided by the norm of the last step.
    """

    def draw(states: np.ndarray) -> np.ndarray:
        return np.asarray(heat_map(states))

    ids, weights = (part[:_EXAMPLES_SHOWN] for part in args.targets)
    images = args.images[:_EXAMPLES_SHOWN]
    probes = probes_of(images, args.params)
    layers = dict(network(images, args.params, None, probes))
    with tf.name_scope('shown'):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=layers[LOGITS])
        norms = gradient_norms(tf.reduce_sum(weights * losses), probes)
        means = {name: tf.reduce_mean(each, axis=0) for name, each in norms.items()}
        ratios = {name: tf.log(mean[0] / mean[-1]) / tf.log(10.0) for name, mean in means.items()}
        maps = {name: tf.py_func(draw, [layers[name][0]], tf.uint8) for name in probes}
    for name, ratio in ratios.items():
        tf.summary.scalar(f'gradient_through_time/{name}', ratio)
    for name, pixels in maps.items():
        picture(f'states_{name}', tf.ensure_shape(pixels, [None, None, 3]))


def inspect(
    params: Params, example: Mapping[str, Any], layers: Mapping[str, np.ndarray]
) -> dict[str, Image.Image]:
    """Draws the states, how far the gradient reaches, and the probabilities after some steps.

    The gradient is of the predicted label's score, with respect to the states. The probabilities are of
    the labels that are most probable at the end. See `core.abilities.Inspects`.
    """
    gradients = {name: norms for name, norms in layers.items() if name.startswith(GRADIENT)}
    names = [name.removeprefix(GRADIENT) for name in gradients]
    pictures = {f'states_{name}': heat_map(layers[name]) for name in names}
    if names:
        rows = np.stack([norms / (norms.max() or 1) for norms in gradients.values()])
        pictures['gradient_through_time'] = _shares_by_step(rows, names)
    if LOGITS_AFTER_STEPS in layers:
        shares = probabilities_of(layers[LOGITS_AFTER_STEPS])
        likeliest = np.argsort(-shares[-1], kind='stable')[:_LIKELIEST].tolist()
        labels = [params.vocabulary[class_id] for class_id in likeliest]
        pictures['probability_after_each_step'] = _shares_by_step(shares[:, likeliest].T, labels)
    return pictures


def _shares_by_step(rows: np.ndarray, names: Sequence[str]) -> Image.Image:
    """Draws shares [rows, steps] as a tile for each row: steps from left to right, 0 black and 1 white."""
    return labelled_grid(rows[:, np.newaxis, :, np.newaxis], names, columns=1, tile=_TILE)


class Recurrent(Model[Params], HasNetwork, Inspects):
    """Networks that read an image as a sequence."""

    name = 'recurrent'
    params = Params
    model_fn = staticmethod(model_fn)
    network = staticmethod(network)
    inspect = staticmethod(inspect)
    least_steps = _LEAST_STEPS


MODEL = Recurrent()
