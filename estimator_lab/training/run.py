"""Settings -> a run: what all its phases have in common, checked before anything is written."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError
from estimator_lab.base.suggestions import unknown
from estimator_lab.core.model import AnyModel, Phase, Task
from estimator_lab.core.params import ClassifierParams, parse_hparams, resolve
from estimator_lab.data.archives import Say, distinct_examples
from estimator_lab.data.images.augment import parse_augmentation
from estimator_lab.data.kind import Kind, Reader, ReaderOptions
from estimator_lab.data.kinds import KINDS
from estimator_lab.models.registry import find_model
from estimator_lab.models.style.perceptual import FILE as STYLE_FILE
from estimator_lab.optimizers import SECOND_ORDER
from estimator_lab.runs.precision import FLOAT16, check_precision, gpus
from estimator_lab.runs.record import Record, read_record
from estimator_lab.runs.reference_classifier import ReferenceClassifier, open_reference_classifier
from estimator_lab.runs.safe_paths import check_safe_paths
from estimator_lab.runs.style_targets import StyleTargets, open_style_targets
from estimator_lab.tf1 import tf
from estimator_lab.training.distribution import MULTI_WORKER, Role, read_role
from estimator_lab.training.inputs import Inputs, check_enough, kind_of_data, open_inputs, open_pretraining
from estimator_lab.training.settings import Settings

_BACKBONE = 'backbone'  # all layers before the last


@dataclass(frozen=True)
class Run:
    """What all phases of a training run have in common.

    Attributes:
      say: shows one line to the user.
      params: the model's parameters, those that the data decides included.
      phases: of training, in order.
      inputs: what the last phase trains and evaluates on.
      pretraining: the same for the phases before.
      previous: the record in model_dir when the run was opened; None for a new one.
      reference_classifier: scores the samples of a generator; None for none.
      style_targets: what a transform net learns; None for other models.
    """

    settings: Settings
    role: Role
    say: Say
    model: AnyModel
    task: Task
    params: Any
    phases: Sequence[Phase]
    inputs: Inputs
    pretraining: Inputs
    kind: Kind
    reader: Reader
    previous: Record | None
    reference_classifier: ReferenceClassifier | None = None
    style_targets: StyleTargets | None = None

    def write_companions(self, folder: Path, is_new: bool) -> None:
        """Writes the files that a trained model needs in addition to its record.

        Args:
          folder: of the model; it exists.
          is_new: whether it holds no checkpoint yet; style targets are written only then.

        Raises:
          OSError: they can't be written.
        """
        self.kind.record(folder, vars(self.params))
        if self.style_targets and is_new:
            self.style_targets.perceptual_loss.save(folder / STYLE_FILE)


def open_run(settings: Settings, say: Say) -> Run:
    """Opens a run's data and checks its settings; `say` shows one line to the user.

    Raises:
      FlagError: for a setting that can't work.
      DataError: for data that can't be read or trained on.
    """
    role = read_role(settings.distribution, os.environ.get('TF_CONFIG', ''))
    role = replace(role, communication=settings.communication)
    _check_machine(settings, role)
    settings = _with_batch_size(settings, role)
    model = find_model(settings.model)
    given = parse_hparams(model.params, settings.hparams)
    params = resolve(model.params, given)  # before data are read
    kind = kind_of_data(settings)
    check_kind(kind, settings, KINDS.values())
    parse_augmentation(settings.augment, settings.seed)  # reading the archives may take minutes
    task = model.task(params)
    previous = _read_folder(settings.model_dir)
    inputs = open_inputs(settings, task, kind, previous.vocabulary if previous else (), say)
    params = replace(params, **_data_params(settings, kind, inputs, previous))
    params = replace(
        params,
        **_class_weights(settings, params, inputs),
        accumulate=settings.accumulate,
        frozen=_frozen(settings, model, params),
        loss_scaling=settings.precision == FLOAT16,
    )
    style_targets = open_style_targets(model, params, settings.model_dir, previous)
    if style_targets:
        if role.cluster:
            raise FlagError(f'--model={settings.model} learns in one process, but TF_CONFIG names a cluster.')
        params = replace(params, styles=style_targets.styles)
    if settings.precision != 'float32' and params.optimizer in SECOND_ORDER:
        raise FlagError(
            f'--hparams=optimizer={params.optimizer} compares losses that differ in the last digits, which '
            f'{settings.precision} does not have: use --precision=float32.'
        )
    if settings.accumulate > 1:
        _check_accumulation(params.optimizer, role)
    model.check(params)
    check_enough(inputs, settings, params.smallest_batch)
    phases = model.phases(params)
    pretraining = _open_pretraining(phases, settings, inputs, role, say)
    return Run(
        settings=settings,
        role=role,
        say=say,
        model=model,
        task=task,
        params=params,
        phases=phases,
        inputs=inputs,
        pretraining=pretraining,
        kind=kind,
        reader=_open_reader(settings, kind, params, inputs, pretraining),
        previous=previous,
        reference_classifier=open_reference_classifier(task, params),
        style_targets=style_targets,
    )


def _frozen(settings: Settings, model: AnyModel, params: Any) -> tuple[str, ...]:
    """Returns the names of the layers that --freeze keeps; raises FlagError if it names none."""
    if not settings.freeze:
        return ()
    if model.freezable is None:
        raise FlagError(f'--freeze={settings.freeze}: --model={model.name} has no layers that can be frozen.')
    names = model.freezable(params)
    if settings.freeze == _BACKBONE:
        return tuple(names)
    if settings.freeze not in names:
        raise FlagError(unknown('--freeze names the unknown layer', settings.freeze, [_BACKBONE, *names]))
    return tuple(names[: names.index(settings.freeze) + 1])


def _check_accumulation(optimizer: str, role: Role) -> None:
    """Checks that the gradients of several batches can be added."""
    if optimizer in SECOND_ORDER:
        raise FlagError(
            f'--accumulate is for first-order optimizers, not for {optimizer}: give a larger --batch_size.'
        )
    if role.cluster or role.strategy:
        raise FlagError('--accumulate takes one process and one device: leave it out.')


def check_kind(kind: Kind, settings: Settings, kinds: Iterable[Kind]) -> None:
    """Raises FlagError if a setting was given that is only for another of the kinds of example."""
    for other in kinds:
        for name in sorted(other.settings - kind.settings):
            if getattr(settings, name) != getattr(Settings(), name):
                raise FlagError(
                    f'--{name} is for {other.noun}, but --model={settings.model} takes {kind.noun}.'
                )


def _check_machine(settings: Settings, role: Role) -> None:
    """Checks that this machine, in its part of the run, can do what the settings say."""
    if not role.trains:  # it would share the memory of a GPU with a process that does
        os.environ.setdefault('CUDA_VISIBLE_DEVICES', '-1')
    check_precision(settings.precision)
    _check_communication(settings.communication, role)
    if settings.save_checkpoints_steps and settings.save_checkpoints_seconds:
        raise FlagError(
            '--save_checkpoints_steps and --save_checkpoints_seconds exclude each other: give one of them.'
        )
    if settings.save_checkpoints_seconds and role.distribution == MULTI_WORKER:
        raise FlagError(
            '--save_checkpoints_seconds has no use with --distribution=multi_worker, whose processes save '
            'after the same step: give --save_checkpoints_steps.'
        )
    if settings.early_stopping and role.cluster:
        raise FlagError('--early_stopping takes one process, but TF_CONFIG names a cluster.')


def _check_communication(communication: str, role: Role) -> None:
    if communication == 'auto':
        return
    if role.distribution != MULTI_WORKER:
        raise FlagError(f'--communication={communication} has no use without --distribution=multi_worker.')
    if communication == 'nccl' and role.trains and not gpus():
        raise FlagError('--communication=nccl needs GPUs, and TensorFlow finds none: use auto or ring.')


def _with_batch_size(settings: Settings, role: Role) -> Settings:
    """Returns the settings with the batch of a worker or replica, if that of all of them was given."""
    size = settings.global_batch_size
    if size is None:
        return settings
    parts = role.workers if role.has_own_share else role.batches_a_step
    if size % parts:
        raise FlagError(
            f'--global_batch_size={size} cannot be divided among {parts} workers equally: give a multiple of '
            f'{parts}.'
        )
    if settings.batch_size not in (Settings.batch_size, size // parts):
        raise FlagError('--batch_size and --global_batch_size exclude each other: give one of them.')
    return replace(settings, batch_size=size // parts)


def _read_folder(model_dir: Path) -> Record | None:
    """Returns the record in a model_dir, None for a new one; checks that training may write there."""
    for path in (model_dir, *model_dir.parents):
        if path.exists() and not path.is_dir():
            raise FlagError(f'--model_dir={model_dir} cannot be written: {path} is not a folder.')
    previous = read_record(model_dir)
    checkpoint = None if previous else tf.train.latest_checkpoint(str(model_dir))
    if checkpoint:  # training would go on with it if the names of its variables are the same
        raise FlagError(
            f'--model_dir={model_dir} holds the checkpoint {Path(checkpoint).name}, but no experiment.json '
            f'that describes it: give another folder, and --warm_start={checkpoint} to begin with its '
            'weights.'
        )
    check_safe_paths(model_dir, trains=True)
    return previous


def _data_params(settings: Settings, kind: Kind, inputs: Inputs, previous: Record | None) -> dict[str, Any]:
    """Returns the parameters that the data decides, by name."""
    train = inputs.train
    if previous is not None and previous.kind == kind.name:
        of_kind = kind.restore(settings.model_dir)
    else:
        of_kind = kind.data_params(settings, lambda: train.order().epoch(0), train.total)
    return {'image_shape': settings.image_shape, 'vocabulary': inputs.labels, **of_kind}


def _class_weights(settings: Settings, params: Any, inputs: Inputs) -> dict[str, Any]:
    """Returns the parameter of class weights; nothing if all are 1.

    'balanced' gives each class the same weight in total, and an example a mean weight of 1.
    """
    if settings.class_weights == 'none':
        return {}
    flag = f'--class_weights={settings.class_weights}'
    if not isinstance(params, ClassifierParams):
        raise FlagError(f'{flag} has no use for --model={settings.model}, which is not a classifier.')
    if inputs.train.total is None:
        raise FlagError(f'{flag} needs data that can be counted: a pipe can be read only once.')
    counts = [inputs.train.counts.get(label, 0) for label in inputs.labels]
    occurring = [count for count in counts if count]
    return {'class_weights': tuple(sum(occurring) / (len(occurring) * (count or 1)) for count in counts)}


def _open_reader(settings: Settings, kind: Kind, params: Any, inputs: Inputs, pretraining: Inputs) -> Reader:
    options = ReaderOptions(
        image_shape=settings.image_shape,
        decode=settings.decode,
        augment=settings.augment,
        seed=settings.seed,
        cache_megabytes=settings.decoded_cache,
        examples=distinct_examples([*inputs.archives, *pretraining.archives]),
        tokens=getattr(params, 'tokens', ()),
        vocabulary=inputs.vocabulary,
    )
    return kind.reader(options)


def _open_pretraining(
    phases: Sequence[Phase], settings: Settings, inputs: Inputs, role: Role, say: Say
) -> Inputs:
    """Returns what the phases before the last one train on."""
    if len(phases) == 1:
        if settings.pretrain_data:
            raise FlagError('--pretrain_data has no use here: this run has no pre-training.')
        return inputs
    if role.cluster:
        raise FlagError(
            'Pre-training takes one process, but TF_CONFIG names a cluster: unset it, or give '
            '--hparams=pretrain_epochs=0.'
        )
    return open_pretraining(settings, inputs, say)
