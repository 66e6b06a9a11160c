"""The metrics of an evaluation in words."""

from collections.abc import Mapping
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.model import Task

_NOT_SHOWN = ('global_step', keys.TOTAL_EXAMPLES, keys.MAJORITY_SHARE, keys.MEAN_IMAGE_ERROR)
_ONLY_IF_ANY = (
    keys.UNKNOWN_LABELS,
    keys.UNKNOWN_TOKENS,
    keys.NODE_ACCURACY,
    keys.NODE_LOSS,
    f'{keys.DEAD_UNITS}/',
)


def numbers_in(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the metrics of `Estimator.evaluate` without summaries, such as curves.

    The loss is the mean over examples, where there is one: the mean of batches depends on their size.
    """
    numbers = {name: value for name, value in metrics.items() if not isinstance(value, bytes)}
    if keys.AVERAGE_LOSS in numbers:
        numbers['loss'] = numbers.pop(keys.AVERAGE_LOSS)
    return numbers


def worth_showing(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """Returns the metrics to show, by name.

    Leaves out counts of unknown labels, dead units and the like that are 0, the step and number of examples,
    which belong in the sentence around the metrics, and what results are judged by.
    """
    return sorted(
        (name, value)
        for name, value in metrics.items()
        if name not in _NOT_SHOWN and (value or not name.startswith(_ONLY_IF_ANY))
    )


def images_text(metrics: Mapping[str, float], total: int, noun: str) -> str:
    """Returns how many images were evaluated: '400 images', '64 of 400 images'.

    The others were beyond --eval_steps, had unknown labels or could not be decoded.

    `total` is 0 if unknown; `noun` is what to call them, such as 'unseen images'.
    """
    taken = round(metrics.get(keys.TOTAL_EXAMPLES, total))
    if taken == total or not total:
        return f'{taken:,} {noun if taken != 1 else noun.removesuffix("s")}'
    return f'{taken:,} of {total:,} {noun}'


def primary_metric_text(task: Task, metrics: Mapping[str, float], on: str, step: int) -> str:
    """Returns the primary metric in a sentence."""
    name, steps = task.primary_metric, 'step' if step == 1 else 'steps'
    return f'{name.replace("_", " ").capitalize():<16} {metrics[name]:.4f} on {on} after {step} {steps}'
