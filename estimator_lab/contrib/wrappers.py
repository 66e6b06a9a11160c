"""Functions of ``tf.contrib`` as thin wrappers of TensorFlow 2's, which have other names or arguments."""

from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.tf1 import Initializer, Optimizer, Tensor, VariableScope, tf
from estimator_lab.tf1.finder import look_up
from estimator_lab.tf1.tensorflow_internals import uses_tpus


def batch_and_drop_remainder(batch_size: int) -> Callable[[Any], Any]:
    """Returns a transformation of a dataset that batches it and drops an incomplete last batch."""
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def padded_batch_and_drop_remainder(batch_size: int, padded_shapes: Any, padding_values: Any = None) -> Any:
    """Returns a transformation of a dataset that batches it with padding, without an incomplete batch."""
    return lambda dataset: dataset.padded_batch(batch_size, padded_shapes, padding_values, True)


def sloppy_interleave(map_func: Callable[[Tensor], Any], cycle_length: int, block_length: int = 1) -> Any:
    """Returns a transformation that reads several datasets in turn, whichever is ready first."""
    return tf.data.experimental.parallel_interleave(map_func, cycle_length, block_length, sloppy=True)


def MirroredStrategy(  # noqa: N802 - a class in 1.15
    devices: Sequence[str] | None = None,
    num_gpus: int | None = None,
    num_gpus_per_worker: int | None = None,
    cross_device_ops: Any = None,
    auto_shard_dataset: bool = False,
    cross_tower_ops: Any = None,
) -> Any:
    """Returns tf.distribute.MirroredStrategy on `devices`, on that many GPUs, or on all GPUs.

    Raises:
      ValueError: if both devices and a number are given.
    """
    count = num_gpus if num_gpus is not None else num_gpus_per_worker
    if devices and count is not None:
        raise ValueError('Must only specify one of `devices` and `num_gpus`.')
    if count is not None:
        devices = [f'/gpu:{index}' for index in range(count)] or ['/cpu:0']
    return tf.distribute.MirroredStrategy(devices, cross_device_ops or cross_tower_ops)


def index_table_from_tensor(mapping: Any, *arguments: Any, **more: Any) -> Any:
    """Returns a table from each key to its index in the 1-D tensor `mapping`."""
    return look_up('tensorflow.python.ops.lookup_ops', 'index_table_from_tensor')(mapping, *arguments, **more)


def index_to_string_table_from_tensor(mapping: Any, *arguments: Any, **more: Any) -> Any:
    """Returns a table from each index to the key at that index in the 1-D tensor `mapping`."""
    make = look_up('tensorflow.python.ops.lookup_ops', 'index_to_string_table_from_tensor')
    return make(mapping, *arguments, **more)


def HashTable(  # noqa: N802 - a class in 1.15
    initializer: Initializer, default_value: Any, shared_name: str | None = None, name: str | None = None
) -> Any:
    """Returns a table filled by an initializer."""
    return tf.lookup.StaticHashTable(initializer, default_value, shared_name or name)


def CrossShardOptimizer(opt: Optimizer, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - a class in 1.15
    """Returns the optimizer that sums the gradients of all TPU cores; without TPUs, `opt` itself.

    The operation that sums has no kernel for other devices.
    """
    if not uses_tpus():
        return opt
    return tf.tpu.CrossShardOptimizer(opt, *args, **kwargs)


def list_devices() -> list[str]:
    """Returns the names of the devices, such as '/device:CPU:0'."""
    return [device.name for device in tf.config.list_logical_devices()]


class Network(tf.keras.Model):
    """A model whose layers are made in its constructor, and called in `call`."""

    def track_layer(self, layer: Any) -> Any:
        """Returns the layer, whose variables become the network's when it is assigned to an attribute."""
        return layer


def embed_sequence(
    ids: Tensor,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Initializer = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: VariableScope = None,
    reuse: bool | None = None,
) -> Tensor:
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
        table = tf.get_variable(
            'embeddings',
            [vocab_size, embed_dim] if vocab_size and embed_dim else None,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
            collections=[tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.MODEL_VARIABLES],
        )
        return tf.nn.embedding_lookup(table, ids)
