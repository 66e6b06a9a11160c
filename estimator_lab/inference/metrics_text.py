"""An evaluation's metrics as a person reads them."""

from collections.abc import Mapping

from estimator_lab.core import keys


def worth_showing(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """Returns metrics by name for a person to read: without the step, and without unknown labels if none."""
    return sorted(
        (name, value)
        for name, value in metrics.items()
        if name != 'global_step' and not (name == keys.UNKNOWN_LABELS and value == 0)
    )
