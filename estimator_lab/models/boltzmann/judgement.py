"""What a result of machines says of their training, and what to try: see `core.judgement`."""

from estimator_lab.base.errors import hparam
from estimator_lab.core import keys
from estimator_lab.core.judgement import Seen, judge_samples, likely_cause
from estimator_lab.models.boltzmann.machine import BERNOULLI

_GREY = f'for images without black and white try {hparam.visible_units}=gaussian'
_NEARLY = 0.95  # of the error of the mean image
_LESS_DIVERSE = 0.6  # spread of samples, as a share of that of the images


def judge_machine(seen: Seen) -> str:
    """Returns a sentence on the reconstructions or the samples of a machine; '' if they are not bad."""
    cause = likely_cause(
        seen, f'{_GREY}, else another {hparam.learning_rate}=...' if _is_binary(seen) else ''
    )
    return judge_reconstructions(seen, keys.RECONSTRUCTION_ERROR, cause) or judge_samples(seen.metrics, cause)


def judge_reconstructions(seen: Seen, name: str, cause: str, limit: float = _NEARLY) -> str:
    """Returns a sentence with the cause if an error, the metric `name`, is bad; '' otherwise.

    It is bad if it is at least a share, the limit, of that of the mean image.
    """
    mean, error = (seen.metrics.get(each, 0.0) for each in (keys.MEAN_IMAGE_ERROR, name))
    if not 0 < limit * mean <= error:
        return ''
    better = 'no' if error > mean else 'hardly' if error >= _NEARLY * mean else 'not much'
    return (
        f'The reconstructions, whose error is {error:.4g}, are {better} better than the mean image, whose '
        f'error is {mean:.4g}: {cause}'
    )


def judge_machines_below(seen: Seen) -> str:
    """Returns a sentence on the samples of the machines that pre-trained a network; '' if there are none."""
    start = f'{_GREY}, else' if _is_binary(seen) else 'try'
    advice = f'{start} a higher {hparam.pretrain_epochs}=..., or pretrain_learning_rate.'
    diversity = seen.pretrained.get(keys.DIVERSITY, 1.0)
    if alike := judge_samples(seen.pretrained, advice):
        return alike
    if diversity >= _LESS_DIVERSE:
        return ''
    return f'Samples of the machines differ less than the images (diversity {diversity:.2f}): {advice}'


def _is_binary(seen: Seen) -> bool:
    return getattr(seen.params, 'visible_units', '') == BERNOULLI
