"""Whether the metrics of an evaluation show that a model has learned nothing, and what to try."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from estimator_lab.base.errors import hparam, option
from estimator_lab.core import keys
from estimator_lab.models.boltzmann.machine import BERNOULLI

_FEW_STEPS = 200
_GREY = f'for images without black and white try {hparam.visible_units}=gaussian'
_NEARLY = 0.95  # of the error of a trivial answer
_MOSTLY = 0.9  # share of a layer's units
_ALIKE = 0.1  # spread of samples, as a share of that of the images


def judgement(
    metrics: Mapping[str, float],
    pretrained: Mapping[str, float] = MappingProxyType({}),
    params: Any = None,
    examples: int | None = None,
) -> str:
    """Returns a sentence with the likely cause and the setting to try; '' for a result that is not bad.

    Settings are marked as in errors, see `base.errors`.

    Examples:
        >>> from estimator_lab.base.errors import without_dashes
        >>> bad = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 5000}
        >>> without_dashes(judgement(bad))
        'The accuracy is no better than always predicting the most frequent label (0.100): the learning rate \
is probably unsuitable; try another learning_rate=...'

    Args:
      metrics: of an evaluation, by name, with 'global_step'.
      pretrained: the same of the machine from which a pre-trained model draws samples, if it has one.
      params: the model's parameters.
      examples: number of training examples; None if unknown.
    """
    dead = _dead_layer(metrics)
    rate = f'the learning rate is probably unsuitable; try another {hparam.learning_rate}=...'
    is_binary = getattr(params, 'visible_units', '') == BERNOULLI
    loss_of_guessing = math.log(max(len(getattr(params, 'vocabulary', ())), 1))
    loss = metrics.get(keys.NODE_LOSS) or metrics.get('loss', 0.0)  # that of trees is a sum over nodes
    if dead or (keys.ACCURACY in metrics and loss > 2 * loss_of_guessing > 0):
        rate = f'training has diverged; try a much smaller {hparam.learning_rate}=...'
    elif metrics['global_step'] < _FEW_STEPS:
        rate = f'it has taken few steps only; try more {option.epochs}.'
    elif is_binary and keys.RECONSTRUCTION_ERROR in metrics:
        rate = f'{_GREY}, else another {hparam.learning_rate}=...'
    majority = metrics.get(keys.MAJORITY_SHARE, 0.0)
    # Two standard errors: guesses are also better than that by chance.
    margin = 2 * math.sqrt(majority * (1 - majority) / max(metrics.get(keys.TOTAL_EXAMPLES, 1), 1))
    if 0 < majority < 1 and metrics[keys.ACCURACY] <= majority + margin:
        guess = f'always predicting the most frequent label ({majority:.3f})'
        return f'The accuracy is no better than {guess}: {rate}'
    error = metrics.get(keys.SQUARED_ERROR, metrics.get(keys.RECONSTRUCTION_ERROR, 0.0))
    mean = metrics.get(keys.MEAN_IMAGE_ERROR, 0.0)
    if 0 < _NEARLY * mean <= error:
        return f'The reconstructions are hardly better than the mean image, whose error is {mean:.4g}: {rate}'
    if metrics.get(keys.DIVERSITY, 1.0) < _ALIKE:
        return f'Samples are all alike: {rate}'
    if pretrained.get(keys.DIVERSITY, 1.0) < _ALIKE:
        start = f'{_GREY}, else' if is_binary else 'try'
        return (
            f'Samples are all alike: {start} a higher {hparam.pretrain_epochs}=..., or '
            'pretrain_learning_rate.'
        )
    if keys.FLOATS_PER_IMAGE in metrics and examples and params.kind == 'dense':
        return _few_images(params, examples)
    if dead:
        name, share = dead
        return (
            f'{share:.0%} of the units of layer {name} are 0 for all images, so that they learn nothing: try '
            f'a smaller {hparam.learning_rate}=...'
        )
    return ''


def _dead_layer(metrics: Mapping[str, float]) -> tuple[str, float] | None:
    """Returns the layer with the largest share of dead units, and that; None if no layer is mostly dead."""
    shares = {name: value for name, value in metrics.items() if name.startswith(f'{keys.DEAD_UNITS}/')}
    name = max(shares, key=shares.__getitem__, default='')
    return (name.partition('/')[2], shares[name]) if name and shares[name] > _MOSTLY else None


def _few_images(params: Any, images: int) -> str:
    """Returns a sentence for a deep autoencoder whose first layer has weights that no image can teach."""
    values, code = math.prod(params.image_shape), params.layer_sizes[-1]
    if images >= values or len(params.layer_sizes) == 1:
        return ''
    return (
        f'{images:,} images of {values:,} values each are few: {code} principal components reconstruct '
        f'others better; try {hparam.layers}={code},output=linear, which comes closer.'
    )
