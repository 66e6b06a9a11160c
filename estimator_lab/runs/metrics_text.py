"""An evaluation's metrics as a person reads them."""

from collections.abc import Mapping

from estimator_lab.core.heads.model import Task
from estimator_lab.core.model import keys

_ONLY_IF_ANY = (keys.UNKNOWN_LABELS, keys.UNKNOWN_TOKENS, keys.NODE_ACCURACY, f'{keys.DEAD_UNITS}/')


def worth_showing(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """Returns metrics by name for a person to read, without unknown or dead things if there are none.

    The step and the number of examples are left to the sentence that goes with them.
    """
    return sorted(
        (name, value)
        for name, value in metrics.items()
        if name not in ('global_step', keys.EVALUATED_IMAGES) and (value or not name.startswith(_ONLY_IF_ANY))
    )


def images_text(metrics: Mapping[str, float], total: int, noun: str) -> str:
    """Returns over how many images metrics were taken: '400 images', '64 of 400 images'.

    Left out are those behind the batches of --eval_steps, with unknown labels, or that can't be decoded.

    Args:
      metrics: by name.
      total: images that there are; 0 where nobody knows.
      noun: what they are called.
    """
    taken = round(metrics.get(keys.EVALUATED_IMAGES, total))
    return f'{taken:,} {noun}' if taken == total or not total else f'{taken:,} of {total:,} {noun}'


def primary_metric_text(task: Task, metrics: Mapping[str, float], on: str, step: int) -> str:
    """Returns the metric that counts most, in a sentence.

    Args:
      task: names it.
      metrics: of the evaluation, by name.
      on: what it was taken on, such as '400 unseen images'.
      step: global step of the checkpoint.
    """
    name = task.primary_metric
    return f'{name.replace("_", " ").capitalize():<16} {metrics[name]:.4f} on {on} after {step} steps'
