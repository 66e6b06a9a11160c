"""An evaluation's metrics as a person reads them."""

from collections.abc import Mapping

from estimator_lab.core import keys
from estimator_lab.models.registry import Model

_MISHAPS = (keys.UNKNOWN_LABELS, f'{keys.DEAD_UNITS}/')


def worth_showing(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """Returns metrics by name for a person to read: without the step, and without mishaps that are none."""
    return sorted(
        (name, value)
        for name, value in metrics.items()
        if name != 'global_step' and (value or not name.startswith(_MISHAPS))
    )


def headline(model: Model, metrics: Mapping[str, float], on: str, step: int) -> str:
    """Returns the metric that counts most, in a sentence.

    Args:
      model: knows which one that is.
      metrics: of the evaluation, by name.
      on: what it was taken on, such as '400 unseen images'.
      step: global step of the checkpoint.
    """
    name = model.headline
    return f'{name.replace("_", " ").capitalize():<16} {metrics[name]:.4f} on {on} after {step} steps'
