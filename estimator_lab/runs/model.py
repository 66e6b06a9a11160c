"""Opens a trained model from its model_dir, for evaluate, predict, export, inspect and others."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from estimator_lab import __version__
from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.json_input import as_type
from estimator_lab.base.progress import doing
from estimator_lab.base.regular_files import read_regular
from estimator_lab.base.suggestions import suggested
from estimator_lab.core.model import AnyModel, Task
from estimator_lab.core.params import resolve
from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.reader import DECODERS
from estimator_lab.data.input_fns import placeholder_features
from estimator_lab.data.kind import Kind, Reader, ReaderOptions
from estimator_lab.data.kinds import KINDS
from estimator_lab.data.labels import Vocabulary
from estimator_lab.models.registry import MODELS, find_model
from estimator_lab.runs.former import is_former
from estimator_lab.runs.record import Record, read_record
from estimator_lab.runs.safe_paths import check_safe_paths
from estimator_lab.runs.weights.checkpoint import check_size, index_of
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, Tensor, prepare_process, tf

_TF_CONFIG = 'TF_CONFIG'
_MOST_STATE_BYTES = 2**20
_LABELS_SHOWN = 3
_CHECKPOINT = 'model.ckpt-'
_INDEX = re.compile(rf'{re.escape(_CHECKPOINT)}[0-9]{{1,18}}\.index')


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
      model_dir: its folder.
      record: the contents of experiment.json.
      architecture: the network and what it can do.
      params: its parameters, an object of `architecture.params`.
      checkpoint: path of the newest checkpoint.
      step: global step of that checkpoint.
    """

    model_dir: Path
    record: Record
    architecture: AnyModel
    params: Any
    checkpoint: str
    step: int

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
        return ImageShape(*self.record.image_shape)

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
            f'--label={label} is unknown to the model; it knows labels such as {", ".join(near)}.'
        )

    @property
    def kind(self) -> Kind:
        """The kind of its examples."""
        return KINDS[self.record.kind]

    @property
    def reader(self) -> Reader:
        """How examples became arrays in training, without augmentation."""
        return self.reader_with('')

    def reader_with(self, decode: str) -> Reader:
        """Returns how examples become arrays, with a value of --decode; '' is that of training.

        Raises:
          FlagError: a value was given, but the examples are not images.
        """
        if decode and 'decode' not in self.kind.settings:
            raise FlagError(
                f'--decode={decode} is for images, but --model_dir={self.model_dir} takes {self.kind.noun}.'
            )
        return self.kind.reader(
            ReaderOptions(
                image_shape=self.shape,
                decode=decode or self.record.decode,
                tokens=getattr(self.params, 'tokens', ()),
                vocabulary=self.vocabulary,
            )
        )

    def predictions(self, features: Features) -> EstimatorSpec:
        """Builds the network in the current graph, for PREDICT.

        Raises:
          DataError: the checkpoint has another network, or was deleted.
        """
        tf.train.get_or_create_global_step()
        return self.model_fn(features, None, tf.estimator.ModeKeys.PREDICT, vars(self.params))

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

        Args:
          variables: those that get values; None for all.

        Raises:
          DataError: the checkpoint lacks one of them, or was deleted.
        """
        variables = tf.global_variables() if variables is None else variables
        self._check_variables(variables)
        session = tf.Session()
        session.run([tf.local_variables_initializer(), tf.tables_initializer()])
        tf.train.Saver(variables).restore(session, self.checkpoint)
        return session

    @cached_property
    def estimator(self) -> Any:
        """The `tf.estimator.Estimator` that evaluates and predicts with the newest checkpoint."""
        with without_cluster():
            return tf.estimator.Estimator(self.model_fn, str(self.model_dir), params=vars(self.params))

    def _check_variables(self, variables: Sequence[Any]) -> None:
        """Raises DataError unless the checkpoint has these variables, in their shapes."""
        with self._one_network():
            if not index_of(Path(self.checkpoint)).is_file() and not Path(self.checkpoint).is_file():
                raise DataError(
                    f'The checkpoint {self.checkpoint} was deleted after it was opened, probably by a '
                    'training that keeps newer ones: open the folder again.'
                )
            found = tf.train.load_checkpoint(self.checkpoint).get_variable_to_shape_map()
            for variable in variables:
                name, shape = variable.op.name, variable.shape.as_list()
                if name not in found:
                    raise ValueError(f'{name} is only in the former')
                if found[name] != shape:
                    raise ValueError(f'{name} is {shape} in the former and {found[name]} in the latter')

    @contextlib.contextmanager
    def _one_network(self) -> Iterator[None]:
        """Turns errors of a network that can't be built, or is not that of the checkpoint, into DataError."""
        try:
            yield
        except (tf.errors.OpError, ValueError, OverflowError) as error:
            first_line = str(error).strip().partition('\n')[0]
            raise DataError(
                f'experiment.json and checkpoint in {self.model_dir} do not match: {first_line}.'
            ) from error


T = TypeVar('T', bound=Trained)


def open_trained(model_dir: Path, flag: str = '--model_dir') -> Trained:
    """Opens a folder in which a model was trained; see `open_as`."""
    return open_as(Trained, model_dir, flag)


def open_as(kind: type[T], model_dir: Path, flag: str = '--model_dir', **more: Any) -> T:
    """Opens a folder in which a model was trained; nothing is written to it.

    Args:
      kind: of the object to return.
      model_dir: the folder.
      flag: by which the user named it, for errors.
      **more: further attributes of the object.

    Raises:
      DataError: it holds no model, or no checkpoint that can be read; another version of this package made
        it, with a model or hyper-parameter that this version does not know; it leads to other folders.
    """
    prepare_process()
    doing('opening the model')
    state = _state(model_dir)
    try:
        return kind(*_opened(model_dir, flag), **more)
    except DataError:
        if state == _state(model_dir):
            raise
        # A training has saved meanwhile, and may have deleted the checkpoint that was about to be read.
        return kind(*_opened(model_dir, flag), **more)


def _state(model_dir: Path) -> bytes:
    """Returns the list of checkpoints as it is stored, which each save changes."""
    with contextlib.suppress(OSError, ValueError):
        return read_regular(model_dir / 'checkpoint', _MOST_STATE_BYTES)
    return b''


def _opened(model_dir: Path, flag: str) -> tuple[Any, ...]:
    """Returns the attributes of a `Trained`."""
    if not model_dir.is_dir():
        raise DataError(f'{flag}={model_dir} {_why_no_model(model_dir)}.')
    check_safe_paths(model_dir, flag)
    record = read_record(model_dir)
    if record is None:
        raise DataError(f'{flag}={model_dir} {_why_no_model(model_dir)}.')
    try:
        model = find_model(record.model)
        params = _resolved(model.params, record, model_dir)
        model.check(params)
        _check_examples(record)
    except FlagError as error:
        writer = record.versions.get('estimator_lab', 'an unknown version')
        raise DataError(
            f'{flag}={model_dir}, made by estimator_lab {writer}, cannot be opened by this version '
            f'({__version__}): {error}'
        ) from error
    checkpoint = tf.train.latest_checkpoint(str(model_dir))
    if not checkpoint:
        raise DataError(f'{flag}={model_dir} {_why_no_checkpoint(model_dir)}.')
    return model_dir, record, model, params, checkpoint, step_of(checkpoint)


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


def _why_no_model(model_dir: Path) -> str:
    if model_dir.is_file():
        return 'is a file: name the folder that a model was trained in'
    if index_of(model_dir).is_file():
        return f'is a checkpoint: name its folder, {model_dir.parent}'
    if not model_dir.is_dir():
        return 'is not a folder'
    inner = sorted(model_dir.glob('*/experiment.json'), key=lambda path: path.stat().st_mtime, reverse=True)
    runs = [path.parent for path in inner if not _is_phase(path.parent)]
    if runs:
        count = f'{len(runs)} folders of models' if len(runs) > 1 else 'the folder of a model'
        return f'holds no model itself, but {count}: name one of them, such as {runs[0]}'
    phases = sorted(path.parent.name for path in inner)
    if phases:
        return (
            f'is still being pre-trained: train on, or name the folder of a phase in it, such as {phases[-1]}'
        )
    if found := _newest_checkpoint(model_dir):
        return (
            f'holds the checkpoint {found}, but no experiment.json, which describes its model: copy that '
            'file from the folder that the model was trained in'
        )
    return 'holds no experiment.json, so no model was trained in it'


def _why_no_checkpoint(model_dir: Path) -> str:
    if unlisted := unlisted_checkpoint(model_dir):
        return (
            f"holds {unlisted}, but no file 'checkpoint' that lists it: write the line "
            f'model_checkpoint_path: "{unlisted}" into such a file'
        )
    return 'holds no checkpoint yet: train it first'


def unlisted_checkpoint(model_dir: Path) -> str:
    """Returns the name of the newest checkpoint in a folder without a list of checkpoints; '' for none."""
    if (model_dir / 'checkpoint').exists():
        return ''
    return _newest_checkpoint(model_dir)


def _newest_checkpoint(model_dir: Path) -> str:
    found = [int(path.name[len(_CHECKPOINT) : -len('.index')]) for path in _indexes(model_dir)]
    return f'{_CHECKPOINT}{max(found)}' if found else ''


def _indexes(model_dir: Path) -> list[Path]:
    return [path for path in model_dir.glob(f'{_CHECKPOINT}*.index') if _INDEX.fullmatch(path.name)]


def _is_phase(folder: Path) -> bool:
    """Returns whether a folder is that of a phase of pre-training, not of a whole model."""
    with contextlib.suppress(DataError):
        record = read_record(folder)
        return record is not None and record.hparams.get('phase') == folder.name
    return False


def _check_examples(record: Record) -> None:
    if record.kind not in MODELS[record.model].kinds:
        raise FlagError(f'its examples are of the kind {record.kind!r}, which its model does not accept.')
    if record.decode not in DECODERS:
        raise FlagError(f'it has decode={record.decode}; known are: {", ".join(DECODERS)}.')
    if record.value_range != (0, 1):
        raise FlagError(f'its network takes pixels in {list(record.value_range)}, not in [0, 1].')


def shapes_of_variables(
    model: AnyModel, params: Any, reader: Reader, trainable: bool = False
) -> dict[str, list[int]]:
    """Returns the shapes of a network's variables, or the trainable ones, in the order of their creation."""
    with tf.Graph().as_default():
        features = placeholder_features(reader)
        model.model_fn(features, None, tf.estimator.ModeKeys.PREDICT, vars(params))
        variables = tf.trainable_variables() if trainable else tf.global_variables()
        return {v.op.name: v.shape.as_list() for v in variables if v.op.name != tf.GraphKeys.GLOBAL_STEP}


def step_of(checkpoint: str) -> int:
    """Returns the global step of a checkpoint.

    Raises:
      DataError: it is damaged. The bytes of its tensors are counted; checksums are verified only when it is
        restored.
    """
    try:
        reader = tf.train.load_checkpoint(checkpoint)
        check_size(reader, Path(checkpoint))
        return int(reader.get_tensor('global_step'))
    except (tf.errors.OpError, OSError, LookupError, RuntimeError, TypeError, ValueError) as error:
        first_line = str(error).strip().partition('\n')[0]
        raise DataError(
            f'The checkpoint {checkpoint} in --model_dir cannot be read ({first_line}): name another folder, '
            "or an older checkpoint in the folder's file 'checkpoint'."
        ) from error


def _resolved(params_class: type, record: Record, model_dir: Path) -> Any:
    """Returns the parameters of training; lists in JSON that were tuples are tuples again.

    Raises:
      FlagError: a parameter is unknown, of another type, or not allowed.
    """
    known = get_type_hints(params_class)
    data: dict[str, Any] = {
        'image_shape': record.image_shape,
        'vocabulary': record.vocabulary,
        'model_dir': str(model_dir),
    }
    if record.kind in KINDS:
        data |= KINDS[record.kind].restore(model_dir)
    try:
        given = {
            name: as_type(value, known[name], f'hyper-parameter {name}') if name in known else value
            for name, value in record.hparams.items()
            if name in known or not is_former(name, value)
        }
    except ValueError as error:
        raise FlagError(f'{error}.') from error
    return resolve(params_class, {**given, **{k: v for k, v in data.items() if k in known}})
