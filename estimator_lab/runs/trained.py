"""A trained model: its network in a graph, with the weights of its checkpoint."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from estimator_lab.base.errors import DataError, FlagError, first_line, option
from estimator_lab.base.keys import KEY, RECORD, WEIGHT
from estimator_lab.base.settings import check_given
from estimator_lab.base.shares import part_of
from estimator_lab.base.suggestions import suggested
from estimator_lab.core.model import AnyModel, Task
from estimator_lab.data.archives.kinds import KINDS, check_kind, only_kind
from estimator_lab.data.archives.opened import Archives, open_archives, open_stream
from estimator_lab.data.examples.kind import Kind, Reader, ReaderOptions
from estimator_lab.data.examples.labels import Vocabulary, read_label_table
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.input.input_fns import placeholders
from estimator_lab.data.sources.arrays import array_source, is_array
from estimator_lab.data.sources.source import Source, expand
from estimator_lab.runs.opening import read_folder
from estimator_lab.runs.record import Record
from estimator_lab.runs.weights.checkpoint import HeldCheckpoint, open_checkpoint
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, Tensor, keep_freed_memory, tf

T = TypeVar('T', bound='Trained')
_TF_CONFIG = 'TF_CONFIG'
_LABELS_SHOWN = 3


Data: TypeAlias = Any
"""Paths of examples, folders and archives; or images, uint8 [n, height, width, channels] or floats in [0, 1];
or a pair (images, labels)."""


@dataclass(frozen=True)
class Trained:
    """A trained model, as it was when its folder was opened: a training may delete its checkpoint meanwhile.

    Attributes:
      model_dir: its folder.
      record: the contents of experiment.json.
      architecture: the network and what it can do.
      params: its parameters, an object of `architecture.params`.
      held: the newest checkpoint.
      step: global step of that checkpoint.
    """

    model_dir: Path
    record: Record
    architecture: AnyModel
    params: Any
    held: HeldCheckpoint
    step: int

    @classmethod
    def open(cls: type[T], model_dir: Path, flag: str = option.model_dir) -> T:
        """Opens a folder in which a model was trained; nothing is written to it.

        Raises:
          DataError: it holds no model, or no checkpoint that can be read; another version of this package
            made it, with a model or hyper-parameter that this version does not know; it leads to other
            folders.
        """
        return cls(model_dir, *read_folder(model_dir, flag))

    @property
    def checkpoint(self) -> str:
        """Path of the newest checkpoint."""
        return self.held.name

    @property
    def model(self) -> str:
        """Name of the model, such as 'cnn'."""
        return self.architecture.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the model knows, in the order of their class ids; () for a model without labels."""
        return self.record.vocabulary

    @property
    def hparams(self) -> Mapping[str, Any]:
        """The hyper-parameters by name."""
        return self.record.hparams

    @property
    def shape(self) -> ImageShape:
        """Height and width in pixels, and channels, of the images that the network accepts."""
        return self.record.images.shape

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The labels of a classifier; None if there are fewer than two, as for a model without labels."""
        return Vocabulary(self.record.vocabulary) if len(self.record.vocabulary) > 1 else None

    @property
    def task(self) -> Task:
        """What it learned."""
        return self.architecture.task(self.params)

    def class_id(self, label: str) -> int:
        """Returns the number of the class that --label names.

        Raises:
          FlagError: the model does not know it.
        """
        known = self.record.vocabulary
        if label in known:
            return known.index(label)
        near = suggested(label, known) or list(known[:_LABELS_SHOWN])
        raise FlagError(
            f'{option.label}={label} is unknown to the model; it knows labels such as {", ".join(near)}.'
        )

    @property
    def kind(self) -> Kind:
        """The kind of its examples."""
        return KINDS[self.record.kind]

    @property
    def reader(self) -> Reader:
        """How examples became arrays in training, without augmentation."""
        return self.kind.reader(
            ReaderOptions(
                self.record.images.with_floats(),
                tokens=getattr(self.params, 'tokens', ()),
                vocabulary=self.vocabulary,
            )
        )

    def examples(
        self,
        data: Data,
        labels: Path | None = None,
        note: Callable[[str], None] = lambda line: None,
        once: bool = False,
        part: str = '',
    ) -> Archives:
        """Opens examples of the model's kind, in the order in which they are given.

        Args:
          data: paths, or images in memory.
          labels: a table of labels; None for names of folders, or labels in memory.
          note: called with a sentence about what is unusual about an archive.
          once: whether they are read only once: see `open_stream`; labels may differ from training's.
          part: a share of the examples, such as '3/12'; '' for all.

        Raises:
          FlagError: there is no such share.
          DataError: a path is not there, or the first file holds examples of another kind, such as trees.
        """
        own = part_of(part)
        sources: Sequence[Source]
        check_given(data=data)
        if is_array(data):
            sources = [array_source(self._with_texts(data), named=False)]
        else:
            paths = [data] if isinstance(data, str | os.PathLike) else data
            sources = expand([*map(str, paths)], note, commas=False, table=read_label_table(labels))
        taker = f'{option.model_dir}={self.model_dir} accepts'
        if once and not own:
            check_kind([source for source in sources if Path(source.name).is_file()][:1], self.kind, taker)
        with only_kind(sources, self.kind, taker):
            if once or own:
                return open_stream(sources, self.kind, note, own)
            return open_archives(sources, self.kind, say=note, choice='')

    def _with_texts(self, data: Any) -> Any:
        """Returns images in memory, with texts for class ids of a model whose labels are no numbers."""
        if not isinstance(data, tuple) or np.asarray(data[1]).dtype.kind not in 'iu':
            return data
        images, ids = data[0], np.asarray(data[1]).ravel().tolist()
        if not self.labels or {str(number) for number in ids} & set(self.labels):
            return data
        known = range(len(self.labels))
        return images, [self.labels[number] if number in known else '' for number in ids]

    def predictions(self, features: Features) -> EstimatorSpec:
        """Builds the network in the current graph, for PREDICT.

        Raises:
          DataError: the checkpoint has another network.
        """
        tf.train.get_or_create_global_step()
        return self.model_fn(features, None, tf.estimator.ModeKeys.PREDICT, vars(self.params))

    @cached_property
    def network(self) -> Callable[[Mapping[str, np.ndarray], Sequence[str]], dict[str, np.ndarray]]:
        """The network as a function of a batch, in a graph and a session that are made once.

        It accepts arrays of `reader` and keys of n examples, and returns predictions by name, each [n, ...].
        """
        keep_freed_memory()
        reader = self.reader
        with tf.Graph().as_default():
            arrays, keys = placeholders(reader), tf.placeholder(tf.string, [None])
            features = {**reader.features(arrays), KEY: keys, WEIGHT: tf.ones_like(keys, tf.float32)}
            fetches = dict(self.predictions(features).predictions)
            fetches.pop(KEY, None)
            run = self.session().make_callable(fetches, [*arrays.values(), keys])

        def predictions(batch: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
            encoded = [name.encode('utf-8', 'surrogateescape') for name in names]
            values: dict[str, np.ndarray] = run(*(batch[name] for name in arrays), np.array(encoded, object))
            return values

        return predictions

    def model_fn(
        self, features: Features, labels: Tensor | None, mode: Mode, params: Any, config: Any = None
    ) -> EstimatorSpec:
        """The model function, which raises DataError if the checkpoint has another network."""
        with self._one_network():
            spec = self.architecture.model_fn(features, labels, mode, params, config)
        self._check_variables(tf.global_variables())
        return spec

    def session(self, variables: Sequence[Any] | None = None) -> Any:
        """Returns a `tf.Session` of the current graph, initialized, with values from the checkpoint.

        They are the values of `variables`, by default of all.

        Raises:
          DataError: the checkpoint lacks one of them.
        """
        variables = tf.global_variables() if variables is None else variables
        self._check_variables(variables)
        session = tf.Session()
        session.run([tf.local_variables_initializer(), tf.tables_initializer()])
        tf.train.Saver(variables).restore(session, self.held.links)
        return session

    def tensors(self) -> contextlib.AbstractContextManager[Any]:
        """Returns TensorFlow's reader of the checkpoint, for a `with` block: see `open_checkpoint`."""
        return open_checkpoint(self.held)

    @cached_property
    def estimator(self) -> Any:
        """The `tf.estimator.Estimator` that evaluates and predicts with the newest checkpoint."""
        with without_cluster():
            return tf.estimator.Estimator(self.model_fn, str(self.model_dir), params=vars(self.params))

    def _check_variables(self, variables: Sequence[Any]) -> None:
        """Raises DataError unless the checkpoint has these variables, in their shapes."""
        with self.tensors() as reader:
            saved = reader.get_variable_to_shape_map()
        with self._one_network():
            for variable in variables:
                name, shape = variable.op.name, variable.shape.as_list()
                if name not in saved:
                    raise ValueError(f'{name} is only in the former')
                if saved[name] != shape:
                    raise ValueError(f'{name} is {shape} in the former and {saved[name]} in the latter')

    @contextlib.contextmanager
    def _one_network(self) -> Iterator[None]:
        """Turns errors of a network that can't be built, or is not the checkpoint's, into DataError."""
        try:
            yield
        except (tf.errors.OpError, ValueError, OverflowError) as error:
            raise DataError(
                f'{RECORD} and checkpoint in {self.model_dir} do not match: {first_line(error)}.'
            ) from error


@contextlib.contextmanager
def without_cluster() -> Iterator[None]:
    """Hides TF_CONFIG from TensorFlow while the block runs, as if this were the only process.

    An Estimator's configuration reads the variable when it is made, and fails if it is empty or wrong.
    """
    kept = os.environ.pop(_TF_CONFIG, None)
    try:
        yield
    finally:
        if kept is not None:
            os.environ[_TF_CONFIG] = kept
