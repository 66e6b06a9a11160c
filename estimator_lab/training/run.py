"""What all phases of a training run have in common, opened and checked before anything is written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator_lab.core.heads.model import AnyModel, Task
from estimator_lab.core.model.hparams import parse_hparams, resolve
from estimator_lab.core.model.params import Phase
from estimator_lab.core.style.perceptual_loss import FILE as STYLE_FILE
from estimator_lab.data.images.augment import parse_augmentation
from estimator_lab.data.kind import Kind, Reader
from estimator_lab.data.kinds import KINDS
from estimator_lab.errors import FlagError
from estimator_lab.models.registry import find_model
from estimator_lab.optimizers import SECOND_ORDER, make_optimizer
from estimator_lab.runs.precision import check_precision, refuse_nondeterminism
from estimator_lab.runs.record import Record, read_record
from estimator_lab.runs.reference_classifier import ReferenceClassifier, open_reference_classifier
from estimator_lab.runs.safe_paths import check_safe_paths
from estimator_lab.runs.style_targets import StyleTargets, open_style_targets
from estimator_lab.tf1 import tf
from estimator_lab.training.data_params import data_params, make_reader
from estimator_lab.training.distribution import Role
from estimator_lab.training.inputs import (
    Inputs,
    check_enough,
    kind_of_data,
    open_inputs,
    open_pretraining,
)
from estimator_lab.training.settings import Settings

Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """What all phases of a training run have in common.

    Attributes:
      settings: as given.
      model: what is trained.
      task: what it learns with these parameters.
      params: names and values for the model function, of what the user and the data decide.
      phases: of training, in their order.
      inputs: what the last phase trains and evaluates on.
      pretraining: the same of the phases before; None where there are none.
      kind: of its examples.
      reader: how they become arrays.
      previous: what model_dir said of itself when the run was opened; None for a new one.
      reference_classifier: the classifier that scores samples, or None.
      lesson: what a painter learns its styles from; None for other models.
    """

    settings: Settings
    model: AnyModel
    task: Task
    params: dict[str, Any]
    phases: Sequence[Phase]
    inputs: Inputs
    pretraining: Inputs | None
    kind: Kind
    reader: Reader
    previous: Record | None
    reference_classifier: ReferenceClassifier | None = None
    lesson: StyleTargets | None = None

    def write_companions(self, folder: Path, is_new: bool) -> None:
        """Writes what a trained model finds beside its record: its tokens, or what it learns to paint from.

        Args:
          folder: of the model; it is there.
          is_new: whether it holds no checkpoint; what a painter learns from is settled at its start.

        Raises:
          OSError: they can't be written.
        """
        self.kind.record(folder, self.params)
        if self.lesson and is_new:
            self.lesson.perceptual_loss.save(folder / STYLE_FILE)


def open_run(settings: Settings, role: Role, say: Say) -> Run:
    """Opens a run's data and checks its settings.

    Args:
      settings: of the run.
      role: this process's part in it.
      say: shows one line to the user.

    Raises:
      FlagError: for a setting that can't work.
      DataError: for data that can't be read or trained on.
    """
    _check_machine(settings, role)
    model = find_model(settings.model)
    kind = kind_of_data(settings)
    check_kind(kind, settings, KINDS.values())
    params_class = model.params
    hparams = parse_hparams(params_class, settings.hparams)
    parse_augmentation(settings.augment, settings.seed)
    task = model.task(resolve(params_class, hparams))
    for path in (settings.model_dir, *settings.model_dir.parents):
        if path.is_file():
            raise FlagError(
                f'--model_dir={settings.model_dir} cannot be written: {path} is a file, not a folder.'
            )
    previous = read_record(settings.model_dir)
    if previous is None:
        _refuse_foreign_checkpoint(settings.model_dir)
    check_safe_paths(settings.model_dir)
    inputs = open_inputs(settings, task, kind, previous.vocabulary if previous else None, say)
    params = {**hparams, **data_params(kind, settings, inputs, previous)}
    resolved = resolve(params_class, params)
    lesson = open_style_targets(model, resolved, settings.model_dir, previous)
    if lesson:
        _refuse_cluster(role, settings)
        params['styles'] = lesson.styles
        resolved = resolve(params_class, params)
    if settings.precision != 'float32' and resolved.optimizer in SECOND_ORDER:
        raise FlagError(make_optimizer(resolved.optimizer, None).cannot(settings.precision))
    model.check(resolved)
    check_enough(inputs, settings, resolved.smallest_batch)
    phases = model.phases(resolved)
    pretraining = _open_pretraining(phases, settings, inputs, role, say)
    reader = make_reader(kind, settings, params, inputs, [found for found in (inputs, pretraining) if found])
    classifier = open_reference_classifier(task, resolved)
    return Run(
        settings, model, task, params, phases, inputs, pretraining, kind, reader, previous, classifier, lesson
    )


def check_kind(kind: Kind, settings: Settings, kinds: Iterable[Kind]) -> None:
    """Raises FlagError for a setting that has a meaning for another kind of example only.

    Args:
      kind: that the model takes.
      settings: of the run.
      kinds: all there are.
    """
    for other in kinds:
        for name in sorted(other.settings - kind.settings):
            if getattr(settings, name) != getattr(Settings(), name):
                raise FlagError(
                    f'--{name} is for {other.noun}, but --model={settings.model} takes {kind.noun}.'
                )


def _check_machine(settings: Settings, role: Role) -> None:
    """Makes sure that this machine, in this part of the run, can do what is asked for."""
    check_precision(settings.precision)
    if settings.early_stopping and role.cluster:
        raise FlagError('--early_stopping takes one process, but TF_CONFIG names a cluster.')
    if settings.deterministic:
        refuse_nondeterminism()


def _refuse_foreign_checkpoint(model_dir: Path) -> None:
    """Training would go on with it if the names of its variables are the same, whatever it was trained on."""
    checkpoint = tf.train.latest_checkpoint(str(model_dir))
    if checkpoint:
        raise FlagError(
            f'--model_dir={model_dir} holds the checkpoint {Path(checkpoint).name}, but no experiment.json '
            'that says of what: give another folder, '
            f'and --warm_start={checkpoint} to begin with its weights.'
        )


def _refuse_cluster(role: Role, settings: Settings) -> None:
    if role.cluster:
        raise FlagError(f'--model={settings.model} learns in one process, but TF_CONFIG names a cluster.')


def _open_pretraining(
    phases: Sequence[Phase], settings: Settings, inputs: Inputs, role: Role, say: Say
) -> Inputs | None:
    """Returns what the phases before the last one train on, None where there are none."""
    if len(phases) == 1:
        if settings.pretrain_data:
            raise FlagError('--pretrain_data has no use here: this run has no pre-training.')
        return None
    if role.cluster:
        raise FlagError(
            'Pre-training takes one process, but TF_CONFIG names a cluster: unset it, or give '
            '--hparams=pretrain_epochs=0.'
        )
    return open_pretraining(settings, inputs, say)
