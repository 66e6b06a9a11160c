"""The model functions of the canned Estimators of ``tf.contrib.learn``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from estimator_lab.contrib.columns import UNNAMED
from estimator_lab.contrib.layers import dropout, fully_connected
from estimator_lab.contrib.learn import ModeKeys, ModelFnOps
from estimator_lab.contrib.learn_heads import Head
from estimator_lab.contrib.optimizers import OPTIMIZER_CLS_NAMES, optimize_loss
from estimator_lab.tf1 import tf

_DNN_RATE = 0.05
_LINEAR_RATE = 0.2
_ACTIVATIONS: Mapping[str, Any] = {'relu': tf.nn.relu, 'tanh': tf.nn.tanh, 'sigmoid': tf.nn.sigmoid}


class Dnn(NamedTuple):
    """Fully connected layers.

    Attributes:
      units: units of each hidden layer.
      columns: the columns that are the input.
      optimizer: a name, a tf.train.Optimizer or a function that returns one; None for Adagrad.
      activation: the activation of hidden layers, or its name.
      dropout: probability that a unit is dropped in training; None for 0.
    """

    units: Sequence[int]
    columns: Sequence[Any]
    optimizer: Any
    activation: Any
    dropout: float | None

    def checked(self) -> 'Dnn':
        """Returns it with the activation as a function.

        Raises:
          ValueError: if there is no such activation, or no hidden layer.
        """
        if not self.units:
            raise ValueError('Hidden units must be defined when the columns of a DNN are specified.')
        if not isinstance(self.activation, str):
            return self
        if self.activation not in _ACTIVATIONS:
            raise ValueError(
                f'Activation name should be one of {list(_ACTIVATIONS)}, you provided {self.activation}.'
            )
        return self._replace(activation=_ACTIVATIONS[self.activation])

    def logits(self, features: Mapping[str, Any], mode: str, size: int) -> Any:
        """Returns the logits [batch, size]; the variables are in the current scope."""
        with tf.variable_scope('input_from_feature_columns'):
            net = tf.feature_column.input_layer(features, list(self.columns), ['dnn'])
        for index, units in enumerate(self.units):
            net = self._layer(net, units, f'hiddenlayer_{index}', mode, hidden=True)
        return self._layer(net, size, 'logits', mode, hidden=False)

    def _layer(self, inputs: Any, units: int, name: str, mode: str, *, hidden: bool) -> Any:
        with tf.variable_scope(name) as scope:
            function = self.activation if hidden else None
            outputs = fully_connected(inputs, units, function, variables_collections=['dnn'], scope=scope)
            if hidden and self.dropout is not None and mode == ModeKeys.TRAIN:
                outputs = dropout(outputs, keep_prob=1 - self.dropout)
        tf.summary.scalar(f'{scope.name}_fraction_of_zero_values', tf.nn.zero_fraction(outputs))
        tf.summary.histogram(f'{scope.name}_activation', outputs)
        return outputs

    def train(self, loss: Any, clip: float | None, variables: Any = None, *, counts: bool = True) -> Any:
        """Returns the training operation; `counts` is whether it increments the global step."""
        rule = self.optimizer() if callable(self.optimizer) else self.optimizer or 'Adagrad'
        return optimize_loss(
            loss,
            None,
            _DNN_RATE,
            rule,
            clip_gradients=clip,
            variables=variables,
            name='dnn',
            summaries=[],
            increment_global_step=counts,
        )


class Linear(NamedTuple):
    """A weighted sum of columns.

    Attributes:
      columns: the columns that are the input.
      optimizer: a name, a tf.train.Optimizer or a function that returns one; None for FTRL.
    """

    columns: Sequence[Any]
    optimizer: Any

    def logits(self, features: Mapping[str, Any], size: int) -> Any:
        """Returns the logits [batch, size]; the variables are in the current scope."""
        return tf.feature_column.linear_model(
            features, list(self.columns), size, weight_collections=['linear']
        )

    def train(self, loss: Any, clip: float | None) -> Any:
        """Returns the training operation of a model that is linear alone."""
        variables = tf.get_collection('linear')
        gradients = tf.gradients(loss, variables)
        if clip:
            gradients, _ = tf.clip_by_global_norm(gradients, clip)
        pairs = zip(gradients, variables, strict=True)
        return self._rule().apply_gradients(pairs, global_step=tf.train.get_global_step())

    def train_its_part(self, loss: Any, clip: float | None, *, counts: bool) -> Any:
        """Returns the training operation of the linear part of a model."""
        return optimize_loss(
            loss,
            None,
            self._rate,
            self.optimizer() if callable(self.optimizer) else self.optimizer or 'Ftrl',
            clip_gradients=clip,
            variables=tf.get_collection('linear'),
            name='linear',
            summaries=[],
            increment_global_step=counts,
        )

    @property
    def _rate(self) -> float:
        return min(_LINEAR_RATE, float(len(self.columns)) ** -0.5)

    def _rule(self) -> Any:
        if self.optimizer is None:
            return tf.train.FtrlOptimizer(self._rate)
        if isinstance(self.optimizer, str):
            return OPTIMIZER_CLS_NAMES[self.optimizer](learning_rate=_LINEAR_RATE)
        return self.optimizer() if callable(self.optimizer) else self.optimizer


def dnn_model_fn(head: Head, dnn: Dnn, clip: float | None) -> Callable[..., ModelFnOps]:
    """Returns the model function of fully connected layers.

    Args:
      head: what follows the logits.
      dnn: the layers.
      clip: largest global norm of the gradients.

    Raises:
      ValueError: as `Dnn.checked`.
    """
    dnn = dnn.checked()

    def model_fn(features: Any, labels: Any, mode: str) -> ModelFnOps:
        named = _named(features)
        with tf.variable_scope('dnn'):
            logits = dnn.logits(named, mode, head.logits_dimension)
            return head.create_model_fn_ops(named, mode, labels, lambda loss: dnn.train(loss, clip), logits)

    return model_fn


def linear_model_fn(head: Head, linear: Linear, clip: float | None) -> Callable[..., ModelFnOps]:
    """Returns the model function of a linear model; the arguments are as for `dnn_model_fn`."""

    def model_fn(features: Any, labels: Any, mode: str) -> ModelFnOps:
        named = _named(features)
        with tf.variable_scope('linear'):
            logits = linear.logits(named, head.logits_dimension)
            return head.create_model_fn_ops(
                named, mode, labels, lambda loss: linear.train(loss, clip), logits
            )

    return model_fn


def combined_model_fn(
    head: Head, linear: Linear, dnn: Dnn, clip: float | None, counts_once: bool
) -> Callable[..., ModelFnOps]:
    """Returns the model function of a linear model, fully connected layers, or the sum of both.

    Args:
      head: what follows the logits.
      linear: the linear part; it is left out if it has no columns.
      dnn: the layers; they are left out if they have no columns.
      clip: largest global norm of the gradients of each part.
      counts_once: whether a step increments the global step by 1, and not by 1 for each part as in 1.15.

    Raises:
      ValueError: if neither part has columns, or as `Dnn.checked`.
    """
    if not linear.columns and not dnn.columns:
        raise ValueError('Either linear_feature_columns or dnn_feature_columns must be defined.')
    dnn = dnn.checked() if dnn.columns else dnn

    def train(loss: Any) -> Any:
        steps = []
        if dnn.columns:
            steps.append(dnn.train(loss, clip, tf.get_collection('dnn'), counts=not counts_once))
        if linear.columns:
            steps.append(linear.train_its_part(loss, clip, counts=not counts_once))
        if not counts_once:
            return tf.group(*steps)
        with tf.control_dependencies(steps):
            return tf.assign_add(tf.train.get_global_step(), 1)

    def model_fn(features: Any, labels: Any, mode: str) -> ModelFnOps:
        named, size = _named(features), head.logits_dimension
        parts = []
        if dnn.columns:
            with tf.variable_scope('dnn'):
                parts.append(dnn.logits(named, mode, size))
        if linear.columns:
            with tf.variable_scope('linear'):
                parts.append(linear.logits(named, size))
        return head.create_model_fn_ops(named, mode, labels, train, tf.add_n(parts))

    return model_fn


def _named(features: Any) -> dict[str, Any]:
    """Returns features by name; those without one have that of the columns without one."""
    if not isinstance(features, Mapping):
        return {UNNAMED: features}
    return {key or UNNAMED: value for key, value in features.items()}
