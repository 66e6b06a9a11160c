"""Whether an evaluation shows that a model has learned nothing, in one sentence."""

import math
from collections.abc import Mapping

from estimator_lab.core import keys

_FEW_STEPS = 200
_ALIKE = 0.1  # spread of samples, as a share of that of the images


def judgement(metrics: Mapping[str, float]) -> str:
    """Returns a sentence with the likely cause and the setting to try; '' for a result that is not bad.

    Examples:
        >>> judgement({'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 5000})
        'The accuracy is no better than always predicting the most frequent label (0.100): the learning rate \
is probably unsuitable; try --hparams=learning_rate=..., which examples/learning_rate.py finds.'

    Args:
      metrics: of an evaluation, by name, with 'global_step'.
    """
    rate = (
        'the learning rate is probably unsuitable; try --hparams=learning_rate=..., which '
        'examples/learning_rate.py finds.'
    )
    if metrics['global_step'] < _FEW_STEPS:
        rate = 'it has taken few steps only; try more --epochs.'
    majority = metrics.get(keys.MAJORITY_SHARE, 0.0)
    # Two standard errors: guesses are also better than that by chance.
    margin = 2 * math.sqrt(majority * (1 - majority) / max(metrics.get(keys.TOTAL_EXAMPLES, 1), 1))
    if 0 < majority < 1 and metrics[keys.ACCURACY] <= majority + margin:
        guess = f'always predicting the most frequent label ({majority:.3f})'
        return f'The accuracy is no better than {guess}: {rate}'
    error = metrics.get(keys.SQUARED_ERROR, metrics.get(keys.RECONSTRUCTION_ERROR, 0.0))
    if 0 < metrics.get(keys.MEAN_IMAGE_ERROR, 0.0) <= error:
        mean = metrics[keys.MEAN_IMAGE_ERROR]
        return f'The reconstructions are no better than the mean image, whose error is {mean:.4g}: {rate}'
    if metrics.get(keys.DIVERSITY, 1.0) < _ALIKE:
        return f'Samples are all alike: {rate}'
    return ''
