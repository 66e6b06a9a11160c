"""What all model functions do first: names and values of hyper-parameters -> an object, checked."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from estimator_lab.core.model.hparams import resolve
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor

P = TypeVar('P')
ModelFn = Callable[..., EstimatorSpec]


def model_function(
    params_class: type[P], check: Callable[[P], None] = lambda params: None
) -> Callable[[ModelFn], ModelFn]:
    """Returns a decorator for a function of (features, labels, mode, params, config) with resolved `params`.

    What it returns is a model function for `tf.estimator.Estimator`: its `params` are names and values, those
    left out have their defaults; `params` and `config` may be left out. It raises FlagError for an unknown
    hyper-parameter, or a value that is not allowed.

    Args:
      params_class: the model's parameter class.
      check: raises FlagError for values that don't go together.
    """

    def decorate(function: ModelFn) -> ModelFn:
        @functools.wraps(function)
        def model_fn(
            features: Features,
            labels: Tensor,
            mode: Mode,
            params: Mapping[str, Any] | None = None,
            config: RunConfig | None = None,
        ) -> EstimatorSpec:
            resolved = resolve(params_class, params)
            check(resolved)
            return function(features, labels, mode, resolved, config)

        return model_fn

    return decorate
