"""One sentence for names that people look for and do not find: boosted trees, Keras 3, TensorFlow 2's names.

It is an AttributeError as any module raises, so that ``hasattr`` and ``getattr`` with a default keep their
sense.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any

from estimator_lab.tf1._module_hooks import answer_missing_names


def _in_estimator(name: str) -> str:
    if name.startswith('BoostedTrees'):
        since = '2.9: 2.8 is the last version that has boosted trees.'
        return f'tf.estimator.{name} was removed in TensorFlow {since}'
    return f"tf.estimator has no attribute '{name}'."


def _in_keras(name: str) -> str:
    return (
        f"tf.keras has no attribute '{name}': with estimator_lab.tf1 it is Keras 2, as TF1 programs need; "
        'Keras 3 is `import keras`.'
    )


def _of_tensorflow_2(module: str) -> Callable[[str], str]:
    """Returns what is said of names that a module of `tf.compat.v1` lacks; '' for `tf` itself."""
    path = f'{module}.' if module else ''

    def sentence(name: str) -> str:
        if not name.startswith('_') and _has(sys.modules.get('tensorflow'), f'{path}{name}'):
            return (
                f"tf.{path}{name} is TensorFlow 2's, and this `tf` is TensorFlow 1's: a program that uses it "
                'keeps `import tensorflow as tf`, with `import estimator_lab.tf1` above it (docs/porting.md).'
            )
        return f"module 'tensorflow.compat.v1{path and '.'}{module}' has no attribute '{name}'"

    return sentence


def _has(holder: Any, path: str) -> bool:
    try:
        for part in path.split('.'):
            holder = getattr(holder, part)
    except Exception:  # what loading a part of TensorFlow raises, too
        return False
    return True


_V1 = 'tensorflow._api.v2.compat.v1'
_SENTENCES: dict[str, Callable[[str], str]] = {
    'tensorflow_estimator.python.estimator.api._v1.estimator': _in_estimator,
    'tensorflow_estimator.python.estimator.api._v2.estimator': _in_estimator,
    'tf_keras.api._v1.keras': _in_keras,
    'tf_keras.api._v2.keras': _in_keras,
    'tensorflow.compat.v1': _of_tensorflow_2(''),
    **{
        f'{_V1}.{module}': _of_tensorflow_2(module)
        for module in ('metrics', 'losses', 'summary', 'initializers', 'random', 'nn', 'config')
    },
}


def explain_missing_names() -> None:
    """Sets the sentences up."""
    answer_missing_names(
        {module: functools.partial(_refuse, sentence) for module, sentence in _SENTENCES.items()}
    )


def _refuse(sentence: Callable[[str], str], name: str) -> None:
    raise AttributeError(sentence(name))
