"""RNNClassifier and RNNEstimator of ``tf.contrib.estimator``, with the variable names of 1.15."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from estimator_lab.contrib.estimator import clip_gradients_by_norm
from estimator_lab.contrib.sequence_columns import sequence_input_layer
from estimator_lab.tf1 import tf
from estimator_lab.tf1._canned_heads import get_optimizer_instance, heads

_CELLS = {
    'basic_rnn': tf.nn.rnn_cell.BasicRNNCell,
    'lstm': tf.nn.rnn_cell.BasicLSTMCell,
    'gru': tf.nn.rnn_cell.GRUCell,
}
# Of an optimizer that is given by its name, as in 1.15.
_LEARNING_RATE = 0.05
_CLIP_NORM = 5.0
_UNSET = object()


class RNNEstimator(tf.estimator.Estimator):
    """A recurrent network whose last output is the input of a head of `tf.contrib.estimator`.

    Args:
      head: the head.
      sequence_feature_columns: columns that sequence_input_layer accepts.
      context_feature_columns: columns of the whole sequence, which are repeated at each step.
      num_units: the number of units of each layer.
      cell_type: 'basic_rnn', the default, 'lstm', 'gru', or a class of cells.
      rnn_cell_fn: maps a tf.estimator.ModeKeys to a cell, instead of `num_units` and `cell_type`.
      return_sequences: must be False: heads for one label a step are not supported.
      model_dir: folder of the model.
      optimizer: a tf.train.Optimizer, or a name, for a learning rate of 0.05 and gradients of norm 5 at most.
      input_layer_partitioner: partitions the variables of the columns.
      config: a RunConfig.

    Raises:
      ValueError: for `rnn_cell_fn` with `num_units` or `cell_type`, none of them, or `return_sequences`.
    """

    def __init__(
        self,
        head: Any,
        sequence_feature_columns: Iterable[Any],
        context_feature_columns: Iterable[Any] | None = None,
        num_units: Sequence[int] | None = None,
        cell_type: Any = _UNSET,
        rnn_cell_fn: Callable[[str], Any] | None = None,
        return_sequences: bool = False,
        model_dir: str | None = None,
        optimizer: Any = 'Adagrad',
        input_layer_partitioner: Any = None,
        config: Any = None,
    ) -> None:
        if return_sequences:
            raise ValueError(
                'return_sequences is not supported: write a model_fn with '
                'tf.contrib.feature_column.sequence_input_layer and tf.nn.dynamic_rnn.'
            )
        new_cell = _cell_fn(rnn_cell_fn, num_units, cell_type)
        steps, whole = tuple(sequence_feature_columns), tuple(context_feature_columns or ())

        def model_fn(features: Any, labels: Any, mode: str) -> Any:
            if not isinstance(features, dict):
                raise ValueError(f'features should be a dictionary of tensors. Given: {type(features)}')
            updates = optimizer
            if not isinstance(optimizer, tf.train.Optimizer):
                updates = get_optimizer_instance(optimizer, learning_rate=_LEARNING_RATE)
                updates = clip_gradients_by_norm(updates, _CLIP_NORM)
            with tf.variable_scope('rnn', values=list(features.values())):
                inputs, lengths = _inputs(features, steps, whole, input_layer_partitioner)
                outputs, _ = tf.nn.dynamic_rnn(new_cell(mode), inputs, lengths, dtype=tf.float32)
                with tf.variable_scope('logits'):
                    logits = tf.layers.dense(
                        _last(outputs, lengths),
                        head.logits_dimension,
                        kernel_initializer=tf.glorot_uniform_initializer(),
                    )
                return head.create_estimator_spec(
                    features, mode, logits, labels, train_op_fn=lambda loss: _minimize(updates, loss)
                )

        super().__init__(model_fn, model_dir, config)


class RNNClassifier(RNNEstimator):
    """A recurrent network that classifies sequences; see RNNEstimator for the other arguments.

    Args:
      n_classes: number of classes.
      weight_column: the key of a feature with the weights of the examples, or its numeric column.
      label_vocabulary: the text of each class.
      loss_reduction: one of tf.losses.Reduction, except NONE.
    """

    def __init__(
        self,
        sequence_feature_columns: Iterable[Any],
        context_feature_columns: Iterable[Any] | None = None,
        num_units: Sequence[int] | None = None,
        cell_type: Any = _UNSET,
        rnn_cell_fn: Callable[[str], Any] | None = None,
        model_dir: str | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = 'Adagrad',
        loss_reduction: str = tf.losses.Reduction.SUM_OVER_BATCH_SIZE,
        input_layer_partitioner: Any = None,
        config: Any = None,
    ) -> None:
        super().__init__(
            heads._binary_logistic_or_multi_class_head(
                n_classes, weight_column, label_vocabulary, loss_reduction
            ),
            sequence_feature_columns,
            context_feature_columns,
            num_units,
            cell_type,
            rnn_cell_fn,
            model_dir=model_dir,
            optimizer=optimizer,
            input_layer_partitioner=input_layer_partitioner,
            config=config,
        )


def _cell_fn(given: Any, num_units: Sequence[int] | None, cell_type: Any) -> Callable[[str], Any]:
    """Returns a function of the mode that makes a cell."""
    if given:
        if num_units or cell_type is not _UNSET:
            raise ValueError('num_units and cell_type must not be specified when using rnn_cell_fn')
        return given
    if not num_units:
        raise ValueError('num_units or rnn_cell_fn must be specified')
    kind = 'basic_rnn' if cell_type is _UNSET else cell_type
    kind = _CELLS.get(kind, kind)
    if not (isinstance(kind, type) and issubclass(kind, tf.nn.rnn_cell.RNNCell)):
        raise ValueError(f'Supported cell types are {list(_CELLS)}; got {cell_type}')

    def new_cell(mode: str) -> Any:
        cells = [kind(units) for units in num_units]
        return cells[0] if len(cells) == 1 else tf.nn.rnn_cell.MultiRNNCell(cells)

    return new_cell


def _inputs(features: Any, steps: Sequence[Any], whole: Sequence[Any], partitioner: Any) -> tuple[Any, Any]:
    """Returns (float32 [batch, time, size], lengths int64 [batch])."""
    with tf.variable_scope('sequence_input_layer', partitioner=partitioner):
        inputs, lengths = sequence_input_layer(features, steps)
        tf.summary.histogram('sequence_length', lengths)
        if whole:
            context = tf.expand_dims(tf.feature_column.input_layer(features, whole), 1)
            inputs = tf.concat([inputs, tf.tile(context, [1, tf.shape(inputs)[1], 1])], 2)
    return inputs, lengths


def _last(outputs: Any, lengths: Any) -> Any:
    """Returns the output of the last step of each sequence, [batch, units]."""
    rows = tf.range(tf.shape(outputs, out_type=tf.int64)[0])
    return tf.gather_nd(outputs, tf.stack([rows, lengths - 1], 1))


def _minimize(optimizer: Any, loss: Any) -> Any:
    return optimizer.minimize(loss, global_step=tf.train.get_global_step())
