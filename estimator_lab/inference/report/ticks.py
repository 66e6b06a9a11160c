"""Round numbers along the axis of a chart."""

import itertools
import math

_MULTIPLES = (1, 2, 2.5, 5, 10)
_TINY = 1e-250  # steps whose powers of ten are not all floats
_SLACK = 1e-9  # of a step, for rounding errors
_LARGE, _SMALL = 1e6, 1e-4  # beyond which numbers get an exponent
_MOST_DIGITS = 17


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Returns evenly spaced round numbers: the first is `low` or less, the last is `high` or more.

    Examples:
        >>> round_ticks(0.0312, 0.803)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]

    Args:
      low: smallest value on the axis.
      high: largest value, above `low`.
      most: intervals between the two values, at most.
    """
    apart = high / most - low / most  # the difference of two huge floats overflows
    if apart <= max(1e-12 * max(abs(low), abs(high)), _TINY) or not math.isfinite(apart * most):
        return [low, high]
    magnitude = 10.0 ** math.floor(math.log10(apart))
    step = next(times * magnitude for times in _MULTIPLES if times * magnitude >= apart * (1 - _SLACK))
    digits = _digits(step)
    first, last = math.floor(low / step + _SLACK), math.ceil(high / step - _SLACK)
    return [round(number * step, digits) for number in range(first, last + 1)]


def tick_texts(ticks: list[float]) -> list[str]:
    """Returns numbers from `round_ticks` as texts, all with as many decimals.

    Examples:
        >>> tick_texts([0.0, 0.5, 1.0])
        ['0.0', '0.5', '1.0']
    """
    step = min((after - before for before, after in itertools.pairwise(ticks)), default=0.0)
    largest = max(map(abs, ticks), default=0.0)
    if largest >= _LARGE or step < _SMALL:
        # As many digits as distinguish neighbours.
        digits = math.ceil(math.log10(largest) - math.log10(step)) + 2 if step else 3
        return [f'{tick:.{min(max(digits, 3), _MOST_DIGITS)}g}' for tick in ticks]
    decimals = max(_digits(step), 0)
    return [f'{tick:,.{decimals}f}' for tick in ticks]


def wide_enough(low: float, high: float) -> tuple[float, float]:
    """Returns an interval that is not empty; one of a single value begins or ends at 0.

    Examples:
        >>> wide_enough(0.0, 3.0), wide_enough(2.0, 2.0)
        ((0.0, 3.0), (0.0, 2.0))
    """
    if high > low:
        return low, high
    return (min(low, 0.0), max(high, 0.0)) if low else (0.0, 1.0)


def _digits(step: float) -> int:
    """Returns the decimals that a multiple of a step has; negative for multiples of 10, 100, ..."""
    digits = -math.floor(math.log10(step) + _SLACK)
    return digits + (round(step * 10.0**digits, 6) != round(step * 10.0**digits))
