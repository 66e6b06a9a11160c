"""Heads: from a network's outputs to the EstimatorSpec of each mode; and the `Model` object."""
