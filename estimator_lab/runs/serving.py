"""What a SavedModel reads, for `export` and for --export in training."""

from collections.abc import Callable
from typing import Any

from estimator_lab.core import keys
from estimator_lab.core.abilities import Generates, Paints
from estimator_lab.core.model import AnyModel
from estimator_lab.data.examples.kind import Reader
from estimator_lab.tf1 import tf


def serving_input_receiver_fn(reader: Reader, model: AnyModel, params: Any) -> Callable[[], Any]:
    """Returns the receiver of an export, which reads examples as `reader` does.

    Images of a style model may have any size, the same for all n. A generator has the alternative 'latent',
    for `latent`, float32 [n, latent], and if conditional `label`, string [n].
    """
    return reader.serving_receiver(isinstance(model, Paints), lambda: _latent_inputs(model, params))


def _latent_inputs(model: AnyModel, params: Any) -> dict[str, dict[str, Any]]:
    """Returns the receivers of latent vectors of a generator; none for other models."""
    if not isinstance(model, Generates):
        return {}
    latent = {keys.LATENT: tf.placeholder(tf.float32, [None, params.latent_size], name=keys.LATENT)}
    if params.conditional:
        latent[keys.SAMPLE_LABEL] = tf.placeholder(tf.string, [None], name=keys.SAMPLE_LABEL)
    return {keys.LATENT: latent}
