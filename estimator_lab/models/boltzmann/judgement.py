"""What a result of machines says of their training, and what to try: see `core.judgement`."""

from estimator_lab.base.errors import hparam
from estimator_lab.core import keys
from estimator_lab.core.judgement import Seen, judge_samples, likely_cause
from estimator_lab.models.boltzmann.machine import BERNOULLI

_GREY = f'for images without black and white try {hparam.visible_units}=gaussian'
_NEARLY = 0.95  # of the error of the mean image


def judge_machine(seen: Seen) -> str:
    """Returns a sentence on the reconstructions or the samples of a machine; '' if they are not bad."""
    cause = likely_cause(seen)
    if _is_binary(seen) and not seen.has_few_steps:
        cause = f'{_GREY}, else another {hparam.learning_rate}=...'
    return judge_reconstructions(seen, keys.RECONSTRUCTION_ERROR, cause) or judge_samples(seen.metrics, cause)


def judge_reconstructions(seen: Seen, error: str, cause: str) -> str:
    """Returns a sentence with the cause if a metric, an error, is nearly that of the mean image; else ''."""
    mean = seen.metrics.get(keys.MEAN_IMAGE_ERROR, 0.0)
    if not 0 < _NEARLY * mean <= seen.metrics.get(error, 0.0):
        return ''
    return f'The reconstructions are hardly better than the mean image, whose error is {mean:.4g}: {cause}'


def judge_machines_below(seen: Seen) -> str:
    """Returns a sentence on the samples of the machines that pre-trained a network; '' if there are none."""
    start = f'{_GREY}, else' if _is_binary(seen) else 'try'
    return judge_samples(
        seen.pretrained, f'{start} a higher {hparam.pretrain_epochs}=..., or pretrain_learning_rate.'
    )


def _is_binary(seen: Seen) -> bool:
    return getattr(seen.params, 'visible_units', '') == BERNOULLI
