"""--warm_start: training starts from the weights of another model_dir, or of a file."""

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.settings import structural_settings
from estimator_lab.core.params import AnyOptimizer, TrainingParams
from estimator_lab.models.boltzmann.pretraining import LAYERWISE, PretrainingParams
from estimator_lab.runs.importing import dependent_variables, matched_weights
from estimator_lab.runs.model import open_trained, shapes_of_variables
from estimator_lab.runs.record import check_same
from estimator_lab.runs.weights.checkpoint import CheckpointFile, write_checkpoint
from estimator_lab.runs.weights.files import is_weight_file, open_weight_file
from estimator_lab.tf1 import tf
from estimator_lab.training.plans import Plan

_FLAG = '--warm_start'
_MOST_SHOWN = 40  # names of variables


@dataclass(frozen=True)
class WarmStart:
    """Where a run's first weights come from.

    Attributes:
      checkpoint: path of the weights.
      origin: where they come from, for messages.
      taken: names of the variables that start with these weights.
      new: names of the others, which depend on different labels or tokens, or are missing in the file.
      folder: temporary folder of the checkpoint, if it was made from a file.
    """

    checkpoint: str
    origin: str
    taken: tuple[str, ...]
    new: tuple[str, ...]
    folder: 'tempfile.TemporaryDirectory[str] | None' = None

    @property
    def settings(self) -> Any:
        """The `warm_start_from` of a `tf.estimator.Estimator`."""
        return warm_start_settings(self.checkpoint, self.taken)

    def __str__(self) -> str:
        count = '1 variable' if len(self.taken) == 1 else f'{len(self.taken)} variables'
        text = f'{count} of {self.origin}: {_some(self.taken)}'
        return f'{text}; new: {_some(self.new)}' if self.new else text


def _some(names: Sequence[str]) -> str:
    """Returns the names; of many, only the first and the last one."""
    shown = names if len(names) <= _MOST_SHOWN else (names[0], '...', names[-1])
    return ', '.join(shown)


def warm_start_settings(
    checkpoint: str, names: Iterable[str], renames: Mapping[str, str] | None = None
) -> Any:
    """Returns the tf.estimator.WarmStartSettings for exactly these variables.

    Args:
      checkpoint: a checkpoint, or a folder for its newest one.
      names: of variables with the same name in the checkpoint.
      renames: name of a variable -> its name in the checkpoint, for others.
    """
    others = dict(renames or {})
    # Estimator matches these patterns with names that end in ':0'.
    patterns = [f'{re.escape(name)}:' for name in (*names, *others)]
    return tf.estimator.WarmStartSettings(
        checkpoint, vars_to_warm_start=patterns, var_name_to_prev_var_name=others
    )


def open_warm_start(path: Path, plan: Plan) -> WarmStart:
    """Returns what a run can start from in another folder, or in a weight file.

    From a folder with the same labels, tokens and styles, all of the network's variables are taken.
    Otherwise those whose size depends on what differs are new, such as the head. From a file, which does not
    state its labels, the head is always new.

    Args:
      path: the other model_dir, or a file for `open_weight_file`.
      plan: the run's last phase.

    Raises:
      FlagError: the folder holds another model, or one of another size.
      DataError: the folder holds no model that can be opened; the file can't be read, or does not match.
    """
    if not path.exists() and not is_weight_file(path):
        raise DataError(f'{_FLAG}={path} does not exist: name a model_dir or a file of weights.')
    found = _from_file(path, plan) if is_weight_file(path) else _from_folder(path, plan)
    _check_frozen(plan, found)
    return found


def _from_values(values: Mapping[str, np.ndarray], origin: str, new: tuple[str, ...]) -> WarmStart:
    """Returns a start from these values of variables, by name."""
    folder = tempfile.TemporaryDirectory(prefix='estimator_lab-')
    checkpoint = Path(folder.name) / 'weights'
    write_checkpoint(checkpoint, values)
    return WarmStart(str(checkpoint), origin, tuple(values), new, folder)


def _check_frozen(plan: Plan, warm_start: WarmStart) -> None:
    """Raises FlagError if layers would be frozen that get new weights."""
    if not plan.params.frozen:
        return
    every, trained = (
        shapes_of_variables(plan.run.model, params, plan.run.reader, trainable=True)
        for params in (replace(plan.params, frozen=()), plan.params)
    )
    random = [name for name in warm_start.new if name in every and name not in trained]
    if random:
        raise FlagError(
            f'--freeze={plan.run.settings.freeze} would keep random weights, as {warm_start.origin} lacks '
            f'{random[0]}: name an earlier layer.'
        )


def _from_folder(folder: Path, plan: Plan) -> WarmStart:
    source = open_trained(folder, _FLAG)
    shapes = _shapes(plan)
    new: set[str] = set()
    if source.record.vocabulary != plan.inputs.labels:
        new |= _dependent(plan, 'vocabulary')
    if getattr(source.params, 'tokens', ()) != getattr(plan.params, 'tokens', ()):
        new |= _dependent(plan, 'tokens')
    if len(getattr(source.params, 'styles', ())) != len(getattr(plan.params, 'styles', ())):
        new |= _dependent(plan, 'styles')
    taken = tuple(name for name in shapes if name not in new)
    old = replace(source.record, vocabulary=())
    stored = tf.train.load_checkpoint(source.checkpoint).get_variable_to_shape_map()
    if all(stored.get(name) == shapes[name] for name in taken):  # such as convolutions
        old = replace(old, image_shape=plan.record.image_shape)
    check_same(folder, old, replace(plan.record, vocabulary=()), _network_fields(plan), _FLAG)
    origin = f'{source.model_dir} at step {source.step}'
    return WarmStart(source.checkpoint, origin, taken, tuple(name for name in shapes if name in new))


def _network_fields(plan: Plan) -> dict[str, Any]:
    """Returns the hyper-parameters that the network's shapes depend on, by name, with their defaults.

    Unlike a resumed run, a warm start does not depend on the optimizer and on pre-training.
    """
    params_class = plan.run.model.params
    others = {*structural_settings(TrainingParams), *structural_settings(AnyOptimizer)}
    if issubclass(params_class, PretrainingParams):
        others.update(LAYERWISE)
    fields = structural_settings(params_class)
    return {name: default for name, default in fields.items() if name not in others}


def _from_file(path: Path, plan: Plan) -> WarmStart:
    shapes, head = _shapes(plan), _dependent(plan, 'vocabulary')
    body = {name: shape for name, shape in shapes.items() if name not in head}
    with open_weight_file(path, _FLAG) as file:
        found = matched_weights(file, plan.run.model, body)
        taken = tuple(variable for variable, _, _ in found.taken)
        new = tuple(name for name in shapes if name not in taken)
        own = all(variable == tensor for variable, tensor, _ in found.taken)
        if isinstance(file, CheckpointFile) and own:  # Estimator can read it
            return WarmStart(str(path), str(path), taken, new)
        return _from_values(dict(found.values(file)), str(path), new)


def _shapes(plan: Plan) -> dict[str, list[int]]:
    """Returns the shapes of the network's variables by name."""
    return shapes_of_variables(plan.run.model, plan.params, plan.run.reader)


def _dependent(plan: Plan, name: str) -> set[str]:
    """Returns the names of the variables whose size depends on the number of labels, tokens or styles."""
    return dependent_variables(plan.run.model, plan.params, plan.run.reader, name)
