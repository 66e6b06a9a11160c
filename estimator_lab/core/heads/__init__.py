"""From a network's outputs to the EstimatorSpec of each mode."""
