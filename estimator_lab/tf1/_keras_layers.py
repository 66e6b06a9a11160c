"""``layer.apply(x)`` of Keras 2's layers: TensorFlow 1 had it for ``layer(x)``, Keras 2.15 has dropped it."""

from types import ModuleType
from typing import Any

from estimator_lab.tf1._module_hooks import change_modules

# Where the class of all layers is: on TensorFlow 2.15, and on later ones.
_MODULES = ('keras.src.engine.base_layer', 'tf_keras.src.engine.base_layer')


def restore_apply() -> None:
    """Gives the layers that method, where they have none, as soon as Keras 2 is loaded."""
    change_modules(dict.fromkeys(_MODULES, _with_apply))


def _with_apply(module: ModuleType) -> None:
    layers: Any = module.Layer
    if not hasattr(layers, 'apply'):
        layers.apply = _apply


def _apply(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls the layer."""
    return self(inputs, *args, **kwargs)
