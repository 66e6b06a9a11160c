"""The layers of ``tf.contrib.layers`` that most programs use, with 1.15's variable names and numbers.

Variables have the names of 1.15's checkpoints (`fully_connected/weights` and `/biases`, `BatchNorm/beta`,
`LayerNorm/gamma`) and are in the collection of model variables. `tf.contrib.framework.arg_scope` sets their
defaults. The other layers are those of the package tf-slim.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from estimator_lab.contrib._layer_parts import collected, either, known_size, model_variable
from estimator_lab.contrib.arg_scope import add_arg_scope
from estimator_lab.contrib.regularizers import xavier_initializer
from estimator_lab.tf1 import tf


@add_arg_scope
def fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Callable[..., Any] | None = tf.nn.relu,
    normalizer_fn: Callable[..., Any] | None = None,
    normalizer_params: Mapping[str, Any] | None = None,
    weights_initializer: Any = None,
    weights_regularizer: Any = None,
    biases_initializer: Any = tf.zeros_initializer(),  # noqa: B008 - it holds no state
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """Returns activation(inputs @ weights + biases) over the last axis.

    Args:
      inputs: float [..., inputs], two axes or more.
      num_outputs: number of units.
      activation_fn: activation, ReLU by default; None for the identity.
      normalizer_fn: normalization that replaces the biases.
      normalizer_params: arguments of normalizer_fn.
      weights_initializer: initializer of the weights, Xavier's by default.
      weights_regularizer: regularizer whose penalty is added to the regularization losses.
      biases_initializer: initializer of the biases; None for a layer without biases.
      biases_regularizer: the same for the biases.
      reuse: whether to use the variables of an earlier call.
      variables_collections: more collections for the variables, or a mapping of them by name.
      outputs_collections: collections for the outputs.
      trainable: whether the variables are trained.
      scope: name or scope of the variables.

    Returns:
      Float [..., num_outputs].

    Raises:
      ValueError: if `num_outputs` is not an integer, or the inputs have fewer than two axes or a last axis of
        unknown size.
    """
    if not isinstance(num_outputs, int) and not hasattr(num_outputs, '__index__'):
        raise ValueError(f'num_outputs type should be one of (int,), got {type(num_outputs)}.')
    with tf.variable_scope(scope, 'fully_connected', [inputs], reuse=reuse) as layer:
        inputs = tf.convert_to_tensor(inputs)
        if inputs.shape.ndims is None or inputs.shape.ndims < 2:
            raise ValueError(f'fully_connected needs two axes or more, not {inputs.shape}.')
        dtype = inputs.dtype.base_dtype
        add = functools.partial(
            model_variable, dtype=dtype, collections=variables_collections, trainable=trainable
        )
        weights = add(
            'weights',
            [known_size(inputs, -1, 'The last axis'), int(num_outputs)],
            initializer=weights_initializer or xavier_initializer(),
            regularizer=weights_regularizer,
        )
        if inputs.shape.ndims == 2:
            outputs = tf.matmul(inputs, weights)
        else:
            outputs = tf.tensordot(inputs, weights, [[inputs.shape.ndims - 1], [0]])
            outputs.set_shape([*inputs.shape.as_list()[:-1], int(num_outputs)])
        if normalizer_fn is not None:
            outputs = normalizer_fn(outputs, **(normalizer_params or {}))
        elif biases_initializer is not None:
            biases = add(
                'biases', [int(num_outputs)], initializer=biases_initializer, regularizer=biases_regularizer
            )
            outputs = tf.nn.bias_add(outputs, biases)
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collected(outputs, outputs_collections, layer.name)


relu = functools.partial(fully_connected, activation_fn=tf.nn.relu)
relu6 = functools.partial(fully_connected, activation_fn=tf.nn.relu6)
elu = functools.partial(fully_connected, activation_fn=tf.nn.elu)
linear = functools.partial(fully_connected, activation_fn=None)


@add_arg_scope
def flatten(inputs: Any, outputs_collections: Any = None, scope: str | None = None) -> Any:
    """Reshapes [batch, ...] to [batch, product of the other axes].

    Raises:
      ValueError: if the inputs have no axis.
    """
    with tf.name_scope(scope, 'Flatten', [inputs]) as name:
        inputs = tf.convert_to_tensor(inputs)
        if inputs.shape.ndims is not None and inputs.shape.ndims < 1:
            raise ValueError('flatten needs one axis or more.')
        return collected(tf.layers.flatten(inputs), outputs_collections, name)


@add_arg_scope
def dropout(
    inputs: Any,
    keep_prob: Any = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: Any = None,
    seed: int | None = None,
) -> Any:
    """Keeps each unit with probability `keep_prob` and scales it by 1 / keep_prob; in training only."""
    with tf.name_scope(scope, 'Dropout', [inputs]) as name:
        inputs = tf.convert_to_tensor(inputs)
        (outputs,) = either(
            is_training,
            lambda: [tf.nn.dropout(inputs, rate=1 - keep_prob, noise_shape=noise_shape, seed=seed)],
            lambda: [tf.identity(inputs)],
        )
        return collected(outputs, outputs_collections, name)


@add_arg_scope
def one_hot_encoding(
    labels: Any,
    num_classes: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Any:
    """Returns labels [batch] as float32 [batch, num_classes]."""
    with tf.name_scope(scope, 'OneHotEncoding', [labels]) as name:
        labels = tf.cast(labels, tf.int64)
        return collected(tf.one_hot(labels, num_classes, on_value, off_value), outputs_collections, name)


def embed_sequence(
    ids: Any,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> Any:
    """Returns the embeddings [batch, length, embed_dim] of int [batch, length].

    Raises:
      ValueError: if neither both sizes nor `reuse` is given.
    """
    if not (reuse or (vocab_size and embed_dim)):
        raise ValueError(
            f'Must specify vocab size and embedding dimension when not reusing. Got vocab_size={vocab_size} '
            f'and embed_dim={embed_dim}'
        )
    with tf.variable_scope(scope, 'EmbedSequence', [ids], reuse=reuse):
        shape = [vocab_size, embed_dim] if vocab_size and embed_dim else None
        table = model_variable('embeddings', shape, None, initializer, None, regularizer, trainable)
        return tf.nn.embedding_lookup(table, ids)
