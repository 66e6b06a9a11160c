"""Derivatives by central differences, to test gradients."""

import numpy as np


def derivative(function, values, number, place, step=1e-6):
    """Returns the derivative of function(values) with respect to values[number].flat[place]."""
    sides = []
    for sign in (1, -1):
        moved = [np.array(v, np.float64) for v in values]
        moved[number].flat[place] += sign * step
        sides.append(function(moved))
    return (sides[0] - sides[1]) / (2 * step)
