"""--warm_start: training starts from the weights of another model_dir."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import DataError, option
from estimator_lab.base.settings import settings_that_are
from estimator_lab.core.layers import MEAN_IMAGE
from estimator_lab.core.model import AnyModel
from estimator_lab.data.examples.kind import Reader
from estimator_lab.runs.record import Record, check_same
from estimator_lab.runs.trained import Trained
from estimator_lab.runs.weights.matching import dependent_variables, shapes_of_variables
from estimator_lab.tf1 import tf

_FLAG = option.warm_start
_MOST_SHOWN = 40  # names of variables
_VOCABULARIES = ('vocabulary', 'tokens', 'styles')  # parameters that decide the sizes of some variables


@dataclass(frozen=True)
class WarmStart:
    """Where a run's first weights come from.

    Attributes:
      checkpoint: path of the weights.
      origin: where they come from, for messages.
      taken: names of the variables that start with these weights.
      new: names of the others, which depend on different labels, tokens or styles.
    """

    checkpoint: str
    origin: str
    taken: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def settings(self) -> Any:
        """The `warm_start_from` of a `tf.estimator.Estimator`."""
        return warm_start_settings(self.checkpoint, self.taken)

    def __str__(self) -> str:
        count = '1 variable' if len(self.taken) == 1 else f'{len(self.taken)} variables'
        text = f'{count} of {self.origin}: {_shown(self.taken)}'
        return f'{text}; new: {_shown(self.new)}' if self.new else text


def _shown(names: Sequence[str]) -> str:
    """Returns the names; of many, only the first and the last one."""
    shown = names if len(names) <= _MOST_SHOWN else (names[0], '...', names[-1])
    return ', '.join(shown)


def warm_start_settings(
    checkpoint: str, names: Iterable[str], renames: Mapping[str, str] | None = None
) -> Any:
    """Returns the tf.estimator.WarmStartSettings for exactly these variables.

    `renames` has the names in the checkpoint of variables with other names there.
    """
    renames = dict(renames or {})
    # Estimator matches these patterns with names that end in ':0'.
    patterns = [f'{re.escape(name)}:' for name in (*names, *renames)]
    return tf.estimator.WarmStartSettings(
        checkpoint, vars_to_warm_start=patterns, var_name_to_prev_var_name=renames
    )


def open_warm_start(folder: Path, model: AnyModel, reader: Reader, params: Any, record: Record) -> WarmStart:
    """Returns what a run can start from in another folder.

    With the same labels, tokens and styles, all of the network's variables are taken. Otherwise variables
    whose size depends on what differs are new, such as the head.

    Raises:
      FlagError: the folder holds another model, or one of another size.
      DataError: the folder holds no model that can be opened.
    """
    if folder.is_file():
        raise DataError(
            f'{_FLAG}={folder} is a file: python -m estimator_lab.import_weights makes a folder of it.'
        )
    source = Trained.open(folder, _FLAG)
    shapes = shapes_of_variables(model, params, reader)
    shapes.pop(MEAN_IMAGE, None)  # of this run's data, as the range of its pixels is
    new: set[str] = set()
    for name in _VOCABULARIES:
        was, now = getattr(source.params, name, ()), getattr(params, name, ())
        if len(was) != len(now) or (was != now and name != 'styles'):
            new |= dependent_variables(model, params, reader, name)
    taken = tuple(name for name in shapes if name not in new)
    old = replace(source.record, vocabulary=())
    with source.tensors() as stored_tensors:
        stored = stored_tensors.get_variable_to_shape_map()
    if all(stored.get(name) == shapes[name] for name in taken):  # such as convolutions
        old = replace(old, image_shape=record.image_shape)
    of_training = settings_that_are(model.params, 'of_training')
    of_network = [name for name in settings_that_are(model.params, 'structural') if name not in of_training]
    check_same(folder, old, replace(record, vocabulary=()), of_network, _FLAG)
    origin = f'{source.model_dir} at step {source.step}'
    return WarmStart(source.checkpoint, origin, taken, tuple(name for name in shapes if name in new))
