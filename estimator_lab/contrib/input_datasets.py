"""The datasets of ``tf.contrib.data`` of TensorFlow 1.2 to 1.4, whose transformations were methods."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from estimator_lab.tf1 import tf
from estimator_lab.tf1.finder import look_up

_Dataset: Any = look_up('tensorflow.python.data.ops.dataset_ops', 'DatasetV1Adapter')


class Dataset(_Dataset):
    """A tf.data.Dataset with the methods of 1.2; what they return has these methods too."""

    def map(
        self,
        map_func: Callable[..., Any],
        num_threads: int | None = None,
        output_buffer_size: int | None = None,
        num_parallel_calls: int | None = None,
    ) -> Any:
        """Maps in `num_threads` threads, and keeps `output_buffer_size` elements ready."""
        mapped = super().map(map_func, num_parallel_calls or num_threads)
        return Dataset(mapped.prefetch(output_buffer_size) if output_buffer_size else mapped)

    def dense_to_sparse_batch(self, batch_size: int, row_shape: Any) -> Any:
        """Batches tensors of various shapes within `row_shape` as SparseTensors."""
        return Dataset(self.sparse_batch(batch_size, row_shape))


def _like(inherited: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that makes a Dataset of what `inherited` makes."""

    @functools.wraps(inherited)
    def made(*args: Any, **kwargs: Any) -> Any:
        found = inherited(*args, **kwargs)
        return Dataset(found) if isinstance(found, tf.compat.v2.data.Dataset) else found

    return made


for _name in dir(_Dataset):
    _method = inspect.getattr_static(_Dataset, _name)
    if not _name.startswith('_') and _name not in vars(Dataset):
        if isinstance(_method, staticmethod):
            setattr(Dataset, _name, staticmethod(_like(getattr(_Dataset, _name))))
        elif callable(_method):
            setattr(Dataset, _name, _like(_method))

FixedLengthRecordDataset = _like(tf.data.FixedLengthRecordDataset)
TextLineDataset = _like(tf.data.TextLineDataset)
TFRecordDataset = _like(tf.data.TFRecordDataset)
