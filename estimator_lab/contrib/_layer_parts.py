"""Helpers of the layers in ``tf.contrib.layers``: variables, outputs, and default arguments."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from estimator_lab.tf1 import tf


def model_variable(
    name: str,
    shape: Any,
    dtype: Any,
    initializer: Any,
    collections: Mapping[str, Any] | Sequence[str] | None = None,
    regularizer: Any = None,
    trainable: bool = True,
) -> Any:
    """Returns a model variable; `collections` are for all variables of a layer, or a mapping by name."""
    extra = collections.get(name, []) if isinstance(collections, Mapping) else collections or []
    extra = [extra] if isinstance(extra, str) else list(extra)
    return tf.get_variable(
        name,
        shape,
        dtype,
        initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=[tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.MODEL_VARIABLES, *extra],
    )


def collected(outputs: Any, collections: Any, alias: str) -> Any:
    """Adds an output to the requested collections; returns it."""
    if collections:
        tf.add_to_collections(collections, outputs)
    outputs.aliases = [alias]
    return outputs


def known_size(inputs: Any, axis: int, what: str) -> int:
    """Returns the length of an axis; raises ValueError, which names `what`, if it is unknown."""
    size = tf.compat.dimension_value(inputs.shape[axis])
    if size is None:
        raise ValueError(f'{what} of the inputs {inputs.shape} must be known.')
    return int(size)


def either(chosen: Any, yes: Callable[[], list[Any]], no: Callable[[], list[Any]]) -> list[Any]:
    """Returns `yes()` or `no()`, by `chosen`, a boolean or a tensor; both return lists of equal length."""
    value = tf.get_static_value(chosen) if tf.is_tensor(chosen) else chosen
    if value is None:
        return list(tf.cond(chosen, yes, no))
    return yes() if value else no()
