"""Discriminators: an image, and a class if wanted -> whether it is real, or which of K classes or a fake."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from estimator_lab.core.layers.elementwise import dropout
from estimator_lab.core.layers.kernel_norm import NormalizedConvolution, NormalizedDense
from estimator_lab.core.model.endpoints import LOGITS, Endpoint, Layers
from estimator_lab.core.model.keys import REALNESS
from estimator_lab.core.step.noise import Noise
from estimator_lab.tf1 import Operation, Tensor, tf

_SLOPE = 0.2  # of the leaky ReLU below 0 (Radford et al. 2016)


class Discriminated(NamedTuple):
    """What a discriminator says about a batch.

    Attributes:
      realness: float32 [batch], a logit: the larger the more real; of a critic, its value.
      classes: float32 [batch, classes], logits of the classes of a real image; None where it tells none. The
        logit of a fake is 0 beside them, so that `realness` is their logsumexp (Salimans et al. 2016).
      hidden: float32 [batch, units], the last layer before that.
      endpoints: on the way, from the image on.
    """

    realness: Tensor
    classes: Tensor | None
    hidden: Tensor
    endpoints: dict[str, Endpoint]


class Hidden(NamedTuple):
    """One hidden layer: the name of its endpoint, the layer, and the activation behind it."""

    name: str
    layer: NormalizedConvolution | NormalizedDense
    activation: Callable[[Tensor], Tensor]


def convolutions(
    scope: str, filters: Sequence[int], kernel_size: int, normalization: str, trainable: bool = True
) -> list[Hidden]:
    """Returns the document's 'standard CNN': strided convolutions with leaky ReLU (Radford et al. 2016).

    Args:
      scope: of the discriminator; the variables below it are `conv_1/kernel` ...
      filters: of each convolution, which halves the image.
      kernel_size: side of a filter in pixels.
      normalization: of the kernels, one of `normalized.NORMALIZATIONS`.
      trainable: whether its weights learn.
    """
    layers = [
        NormalizedConvolution(
            f'{scope}/conv_{number}', maps, kernel_size, normalization=normalization, trainable=trainable
        )
        for number, maps in enumerate(filters, 1)
    ]
    return [Hidden(f'conv_{number}', layer, _leaky_relu) for number, layer in enumerate(layers, 1)]


def dense_layers(
    scope: str, layers: Sequence[int], normalization: str, trainable: bool = True
) -> list[Hidden]:
    """Returns dense layers with ReLU, as Salimans et al. (2016) have them for MNIST.

    Args:
      scope: of the discriminator; the variables below it are `layer_1/kernel` ...
      layers: units of each.
      normalization: of the kernels, one of `normalized.NORMALIZATIONS`.
      trainable: whether its weights learn.
    """
    names = [f'layer_{number}' for number in range(1, len(layers) + 1)]
    return [
        Hidden(name, NormalizedDense(f'{scope}/{name}', units, normalization, trainable), tf.nn.relu)
        for name, units in zip(names, layers, strict=True)
    ]


class Discriminator:
    """Hidden layers, and behind them a last one; its variables are made at its first use.

    Where it is told the class of an image, that enters behind the hidden layers: their values, in the
    direction of the class, are added to the logit (Miyato and Koyama 2018).

    Args:
      scope: of its variables: those of the hidden layers, `logits/kernel`, and `projection/kernel`.
      hidden: its hidden layers.
      classes: how many there are; 0 for none.
      tells_classes: whether it says which one an image shows; otherwise it is told.
      normalization: of the last kernels; 'weight' leaves them free.
      dropout_rate: share of values dropped behind each hidden layer in training, in [0, 1).
      noise: deviation of the Gaussian noise that is added behind each hidden layer in training.
      input_noise: of that on the image.
      trainable: whether its weights learn.
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
        """Says what it thinks of images.

        Args:
          images: float32 [batch, height, width, channels] in [-1, 1].
          classes: float32 [batch, classes], one-hot, where it is told them; None asks for the class under
            which each image is the most real.
          noise: decides what is dropped and added, in training; None leaves all as it is.
        """
        values, endpoints = images, {}
        for name, endpoint, handed_on in self._hidden_layers(images, noise):
            endpoints[name], values = endpoint, handed_on
        return self._said(tf.layers.flatten(values), endpoints, classes)

    def layers(self, images: Tensor) -> Layers:
        """Makes the endpoints one by one, and behind them what it thinks of the images.

        Args:
          images: float32 [batch, height, width, channels] in [-1, 1], of any size as far as the last
            convolution.

        Yields:
          The hidden layers; then `logits`, [batch, classes], or `realness`, [batch, 1], under the class under
          which each image is the most real.
        """
        values = images
        for name, endpoint, handed_on in self._hidden_layers(images):
            yield name, endpoint
            values = handed_on
        said = self._said(tf.layers.flatten(values), {}, None)
        if said.classes is None:
            yield REALNESS, Endpoint(said.realness[:, tf.newaxis])
        else:
            yield LOGITS, Endpoint(said.classes)

    def _hidden_layers(
        self, images: Tensor, noise: Noise | None = None
    ) -> Iterator[tuple[str, Endpoint, Tensor]]:
        """Yields name and endpoint of each hidden layer, and what it hands on."""
        values = _noisy(images, self._input_noise, noise)
        for name, layer, activation in self._hidden:
            if isinstance(layer, NormalizedDense):
                values = tf.layers.flatten(values)
            values = layer(values)
            with tf.name_scope(f'{self.scope}/{name}_activation'):
                values = activation(values)
            endpoint = Endpoint(values, layer.kernel)
            values = _noisy(dropout(values, self._dropout_rate, noise), self._noise, noise)
            yield name, endpoint, values

    def _said(self, hidden: Tensor, endpoints: dict[str, Endpoint], classes: Tensor | None) -> Discriminated:
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
        """Returns what a step owes to the spectral norms once it has changed the kernels."""
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
