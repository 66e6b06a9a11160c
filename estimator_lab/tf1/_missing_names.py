"""One sentence for names that people look for and do not find: boosted trees, Keras 3 in ``tf.keras``.

It is an AttributeError as any module raises, so that ``hasattr`` and ``getattr`` with a default keep their
sense.
"""

import functools
from collections.abc import Callable

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


_SENTENCES: dict[str, Callable[[str], str]] = {
    'tensorflow_estimator.python.estimator.api._v1.estimator': _in_estimator,
    'tensorflow_estimator.python.estimator.api._v2.estimator': _in_estimator,
    'tf_keras.api._v1.keras': _in_keras,
    'tf_keras.api._v2.keras': _in_keras,
}


def explain_missing_names() -> None:
    """Sets the sentences up."""
    answer_missing_names(
        {module: functools.partial(_refuse, sentence) for module, sentence in _SENTENCES.items()}
    )


def _refuse(sentence: Callable[[str], str], name: str) -> None:
    raise AttributeError(sentence(name))
