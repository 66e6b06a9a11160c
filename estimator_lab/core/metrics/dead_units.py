"""Dead units: those that no example of an evaluation makes active."""

from typing import Any

from estimator_lab.core.endpoints import Endpoints
from estimator_lab.core.keys import DEAD_UNITS
from estimator_lab.core.metrics.streaming import running_sum
from estimator_lab.tf1 import Tensor, tf


def dead_units(endpoints: Endpoints, weights: Tensor) -> dict[str, tuple[Any, Any]]:
    """Streams the share of a layer's units that are never active, for each endpoint with weights.

    A unit is a map of a convolution, or a unit of a dense layer; it is active where its output is above 0. A
    ReLU that never is has no gradient, and stays so (Maas et al. 2013, section 2).

    Args:
      endpoints: of the network.
      weights: float32 [batch]; 0 leaves an example out.

    Returns:
      (value, update op) by `DEAD_UNITS/NAME`, scalar float32 in [0, 1].
    """
    return {
        f'{DEAD_UNITS}/{name}': _dead_share(endpoint.values, weights, name)
        for name, endpoint in endpoints.items()
        if endpoint.kernel is not None
    }


def _dead_share(values: Tensor, weights: Tensor, name: str) -> tuple[Any, Any]:
    """Streams the share for values float32 [batch, ..., units]."""
    between = list(range(1, values.shape.rank - 1))
    active = tf.cast(tf.reduce_max(values, axis=between) > 0, tf.float32)
    seen, update = running_sum(f'active_{name}', tf.reduce_sum(active * tf.expand_dims(weights, 1), axis=0))
    return _share_of_zeros(seen), _share_of_zeros(update)


def _share_of_zeros(counts: Tensor) -> Tensor:
    return tf.reduce_mean(tf.cast(tf.equal(counts, 0), tf.float32))
