"""Discriminators: images, optionally with a class -> real or fake, or one of K classes or fake."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from estimator_lab.core.adversarial.kernel_norm import NormalizedConvolution, NormalizedDense
from estimator_lab.core.endpoints import LOGITS, Layers
from estimator_lab.core.keys import REALNESS
from estimator_lab.core.noise import Noise, dropout
from estimator_lab.tf1 import Operation, Tensor, tf

_SLOPE = 0.2  # of the leaky ReLU below 0 (Radford et al. 2016)


class Discriminated(NamedTuple):
    """The output of a discriminator.

    Attributes:
      realness: float32 [batch], the logit of 'real'; the value of a critic.
      classes: float32 [batch, classes], logits of the classes of real images, or None. The logit of 'fake' is
        fixed at 0, so that `realness` is the logsumexp of the others (Salimans et al. 2016).
      hidden: float32 [batch, units], the output of the last hidden layer.
      endpoints: the hidden layers.
    """

    realness: Tensor
    classes: Tensor | None
    hidden: Tensor
    endpoints: dict[str, Tensor]


class Hidden(NamedTuple):
    """One hidden layer: the name of its endpoint, the layer, and its activation."""

    name: str
    layer: NormalizedConvolution | NormalizedDense
    activation: Callable[[Tensor], Tensor]


def convolutions(
    scope: str, filters: Sequence[int], kernel_size: int, normalization: str, trainable: bool = True
) -> list[Hidden]:
    """Returns the 'standard CNN' of the notes: strided convolutions with leaky ReLU (Radford et al. 2016).

    Args:
      scope: scope of the discriminator, with the variables `conv_1/kernel` ...
      filters: filters of each convolution, which halves the sides of the image.
      kernel_size: side of a filter in pixels.
      normalization: normalisation of the kernels, one of `kernel_norm.NORMALIZATIONS`.
      trainable: whether its weights are trained.
    """
    options = {'normalization': normalization, 'trainable': trainable}
    return [
        Hidden(name, NormalizedConvolution(f'{scope}/{name}', maps, kernel_size, **options), _leaky_relu)
        for name, maps in _numbered('conv', filters)
    ]


def dense_layers(
    scope: str, layers: Sequence[int], normalization: str, trainable: bool = True
) -> list[Hidden]:
    """Returns dense layers with ReLU, as Salimans et al. (2016) use for MNIST.

    `layers` has the units of each; the other arguments are those of `convolutions`. The variables are
    `layer_1/kernel` ... in the scope.
    """
    return [
        Hidden(name, NormalizedDense(f'{scope}/{name}', units, normalization, trainable), tf.nn.relu)
        for name, units in _numbered('layer', layers)
    ]


def _numbered(name: str, sizes: Sequence[int]) -> list[tuple[str, int]]:
    return [(f'{name}_{number}', size) for number, size in enumerate(sizes, 1)]


class Discriminator:
    """Hidden layers and a last one; all calls share its variables.

    If the class of an image is an input, its embedding's inner product with the last hidden values is added
    to the logit: a projection discriminator (Miyato and Koyama 2018).

    Args:
      scope: scope of its variables: those of the hidden layers, `logits/kernel`, and `projection/kernel`.
      hidden: the hidden layers.
      classes: number of classes; 0 for none.
      tells_classes: whether it predicts the class of an image; otherwise the class is an input.
      normalization: normalisation of the last kernels; 'weight' does not apply to them.
      dropout_rate: share of values dropped after each hidden layer in training, in [0, 1).
      noise: deviation of the Gaussian noise added after each hidden layer in training.
      input_noise: deviation of the noise added to the image.
      trainable: whether its weights are trained.
    """

    def __init__(
        self,
        scope: str,
        hidden: Sequence[Hidden],
        classes: int = 0,
        tells_classes: bool = False,
        normalization: str = 'spectral',
        dropout_rate: float = 0.0,
        noise: float = 0.0,
        input_noise: float = 0.0,
        trainable: bool = True,
    ) -> None:
        self.scope = scope
        self._hidden = hidden
        self._tells_classes = tells_classes
        self._dropout_rate = dropout_rate
        self._noise = noise
        self._input_noise = input_noise
        last = 'none' if normalization == 'weight' else normalization
        self._logits = NormalizedDense(f'{scope}/logits', classes if tells_classes else 1, last, trainable)
        self._projection: NormalizedDense | None = None
        if classes and not tells_classes:
            self._projection = NormalizedDense(f'{scope}/projection', classes, last, trainable, bias=False)

    def __call__(
        self, images: Tensor, classes: Tensor | None = None, noise: Noise | None = None
    ) -> Discriminated:
        """Judges images.

        Args:
          images: float32 [batch, height, width, channels] in [-1, 1].
          classes: float32 [batch, classes], one-hot, if it is conditional; None for the class under which
            each image is the most real.
          noise: draws dropout and noise in training; None for neither.
        """
        values, endpoints = images, {}
        for name, endpoint, handed_on in self._hidden_layers(images, noise):
            endpoints[name], values = endpoint, handed_on
        return self._said(tf.layers.flatten(values), endpoints, classes)

    def layers(self, images: Tensor) -> Layers:
        """Builds the endpoints one by one, so that the caller may stop before the last.

        Args:
          images: float32 [batch, height, width, channels] in [-1, 1], of any size up to the last convolution.

        Yields:
          The hidden layers; then `logits`, [batch, classes], or `realness`, [batch, 1], for the class under
          which each image is the most real.
        """
        values = images
        for name, endpoint, handed_on in self._hidden_layers(images):
            yield name, endpoint
            values = handed_on
        said = self._said(tf.layers.flatten(values), {}, None)
        if said.classes is None:
            yield REALNESS, said.realness[:, tf.newaxis]
        else:
            yield LOGITS, said.classes

    def _hidden_layers(
        self, images: Tensor, noise: Noise | None = None
    ) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yields each hidden layer's name, its endpoint, and its output with dropout and noise."""
        values = _noisy(images, self._input_noise, noise)
        for name, layer, activation in self._hidden:
            if isinstance(layer, NormalizedDense):
                values = tf.layers.flatten(values)
            values = layer(values)
            with tf.name_scope(f'{self.scope}/{name}_activation'):
                values = activation(values)
            endpoint = values
            values = _noisy(dropout(values, self._dropout_rate, noise), self._noise, noise)
            yield name, endpoint, values

    def _said(self, hidden: Tensor, endpoints: dict[str, Tensor], classes: Tensor | None) -> Discriminated:
        logits = self._logits(hidden)
        if self._tells_classes:
            return Discriminated(tf.reduce_logsumexp(logits, axis=1), logits, hidden, endpoints)
        realness = logits[:, 0]
        if self._projection:
            directions = self._projection(hidden)
            if classes is None:
                realness += tf.reduce_max(directions, axis=1)
            else:
                realness += tf.reduce_sum(classes * directions, axis=1)
        return Discriminated(realness, None, hidden, endpoints)

    def power_steps(self) -> list[Operation]:
        """Returns the operations that update the spectral norms after a change of the kernels."""
        layers = [*(hidden.layer for hidden in self._hidden), self._logits]
        if self._projection:
            layers.append(self._projection)
        return [step for layer in layers for step in layer.power_steps()]


def _leaky_relu(values: Tensor) -> Tensor:
    return tf.nn.leaky_relu(values, _SLOPE)


def _noisy(values: Tensor, deviation: float, noise: Noise | None) -> Tensor:
    if noise is None or not deviation:
        return values
    return values + deviation * noise.normal(tf.shape(values))
