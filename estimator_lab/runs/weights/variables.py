"""The variables of a network by name and shape, which weights from elsewhere must fit."""

from dataclasses import replace
from typing import Any

from estimator_lab.core.model import AnyModel
from estimator_lab.data.input_fns import placeholder_features
from estimator_lab.data.kind import Reader
from estimator_lab.tf1 import tf


def shapes_of_variables(
    model: AnyModel, params: Any, reader: Reader, trainable: bool = False
) -> dict[str, list[int]]:
    """Returns the shapes of a network's variables, or the trainable ones, in the order of their creation."""
    with tf.Graph().as_default():
        features = placeholder_features(reader)
        model.model_fn(features, None, tf.estimator.ModeKeys.PREDICT, vars(params))
        variables = tf.trainable_variables() if trainable else tf.global_variables()
        return {v.op.name: v.shape.as_list() for v in variables if v.op.name != tf.GraphKeys.GLOBAL_STEP}


def dependent_variables(model: AnyModel, params: Any, reader: Reader, name: str) -> set[str]:
    """Returns the names of the variables whose size depends on the number of texts in a parameter.

    The parameter, `name`, is 'vocabulary', 'tokens' or 'styles'.
    """
    shapes, others = (
        shapes_of_variables(model, replace(params, **{name: texts}), reader)
        for texts in (('a', 'b'), ('a', 'b', 'c'))
    )
    return {variable for variable in shapes if shapes[variable] != others[variable]}
