"""The notes' multilayer perceptron: dense layers on the pixels, then logits.

The defaults are a plain ReLU network with dropout (Srivastava et al. 2014); `max_norm` is their bound on the
weights into each unit, and `virtual_adversarial` asks for predictions that do not change near an image.
"""

import dataclasses

from estimator_lab.base.settings import setting
from estimator_lab.core.heads.classification import classification_spec
from estimator_lab.core.heads.model import Model, fixed_size
from estimator_lab.core.heads.model_function import Args, model_function
from estimator_lab.core.layers.dense import DenseParams, HiddenLayers
from estimator_lab.core.layers.elementwise import ActivationParams
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.core.model.hparams import is_share, not_negative, sizes, some_sizes, structural
from estimator_lab.core.model.params import ClassifierParams
from estimator_lab.core.step.noise import Noise
from estimator_lab.core.step.virtual_adversarial import virtual_adversarial_loss
from estimator_lab.tf1 import EstimatorSpec, Tensor, tf


@dataclasses.dataclass(frozen=True)
class Params(DenseParams, ActivationParams, ClassifierParams):
    """Parameters of the network."""

    layers: str = structural('1024-1024', 'units of each hidden layer, such as 1024-1024', some_sizes)
    dropout_rate: float = setting(0.5, 'share of hidden units dropped in training, in [0, 1)', is_share)
    input_dropout_rate: float = setting(0.2, 'share of pixels dropped in training, in [0, 1)', is_share)
    max_norm: float = setting(0.0, 'largest norm of the weights into a unit, 0 for no bound', not_negative)
    virtual_adversarial: float = setting(
        0.0,
        'distance, in values of pixels, within which predictions are not to change (Miyato et al. 2018), '
        'instead of dropout; 2 for digits, 0 for none',
        not_negative,
    )


class Network:
    """The network; its layers are created once and can be called several times."""

    def __init__(self, params: Params) -> None:
        self._hidden = HiddenLayers(
            sizes(params.layers),
            params.activation_function(),
            params.dense_initializer(),
            params.dropout_rate,
            params.input_dropout_rate,
            params.max_norm,
        )
        self._logits = tf.layers.Dense(
            params.num_classes, name='logits', kernel_initializer=params.dense_initializer()
        )

    def __call__(self, images: Tensor, noise: Noise | None = None) -> tuple[Tensor, dict[str, Endpoint]]:
        """Returns the logits, float32 [batch, num_classes], and the endpoints layer_1 ..., [batch, units].

        Args:
          images: float32 [batch, height, width, channels], any range; [0, 1] trains well.
          noise: random numbers for dropout; None for no dropout.
        """
        hidden, endpoints = self._hidden(tf.layers.flatten(images), noise)
        return self._logits(hidden), endpoints


@model_function(Params)
def model_fn(args: Args[Params]) -> EstimatorSpec:
    """Classifies images: see `core.heads.classification.classification_spec`."""
    network, distance, noise = Network(args.params), args.params.virtual_adversarial, args.noise
    logits, endpoints = network(args.images, noise)
    terms = []
    if noise and distance:

        def classify(images: Tensor) -> Tensor:
            return network(images, noise.again())[0]

        terms.append(virtual_adversarial_loss(classify, logits, args.images, args.weights, distance, noise))
    return classification_spec(args, logits, endpoints, terms)


MODEL = Model('mlp', Params, model_fn, layered=fixed_size(model_fn))
