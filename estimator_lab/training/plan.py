"""Settings -> what training will do, checked before anything is written."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.base.activity import doing
from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import settings_in_use
from estimator_lab.base.suggestions import unknown
from estimator_lab.core.model import AnyModel, Task
from estimator_lab.core.params import parse_hparams, resolve
from estimator_lab.data.archives import Say, distinct_examples
from estimator_lab.data.images.augment import parse_augmentation
from estimator_lab.data.kind import Kind, Reader, ReaderOptions
from estimator_lab.data.kinds import KINDS
from estimator_lab.models.registry import find_model
from estimator_lab.optimizers import SECOND_ORDER
from estimator_lab.runs.companions import Companions, open_companions
from estimator_lab.runs.model import unlisted_checkpoint
from estimator_lab.runs.precision import FLOAT16, FLOAT32, check_precision
from estimator_lab.runs.record import Record, read_record
from estimator_lab.runs.safe_paths import check_safe_paths
from estimator_lab.tf1 import prepare_process, tf
from estimator_lab.training.cluster import Cluster, read_cluster
from estimator_lab.training.evaluations import check_exports
from estimator_lab.training.inputs import (
    Inputs,
    balanced_weights,
    check_enough,
    kind_of_data,
    open_inputs,
    open_pretraining,
)
from estimator_lab.training.phases import PhasePlan, plan_phases
from estimator_lab.training.settings import Settings
from estimator_lab.training.warm_start import WarmStart, open_warm_start

_BACKBONE = 'backbone'  # all layers before the last
_CACHE_MEGABYTES = 256  # of decoded images
_COMPARED = (
    *('model', 'image_size', 'channels', 'batch_size', 'augment', 'decode', 'precision', 'freeze', 'seed'),
)


@dataclass(frozen=True)
class Plan:
    """What training will do: one model, its data and its model_dir.

    Attributes:
      settings: of the run.
      say: shows one line to the user.
      cluster: the part of this process.
      model: what is trained.
      task: what it learns.
      params: its parameters, those that the data decides included.
      kind: of the examples.
      reader: how they become arrays.
      inputs: what the last phase trains and evaluates on.
      phases: of training, in order; most models have one.
      companions: what the model takes from other trained models.
      warm_start: where the first weights come from; None for random weights, and for a resumed run.
    """

    settings: Settings
    say: Say
    cluster: Cluster
    model: AnyModel
    task: Task
    params: Any
    kind: Kind
    reader: Reader
    inputs: Inputs
    phases: tuple[PhasePlan, ...]
    companions: Companions
    warm_start: WarmStart | None

    @property
    def max_steps(self) -> int:
        """The global step at which training ends."""
        return self.phases[-1].last_step

    @property
    def choices(self) -> dict[str, Any]:
        """What the user chose and has an effect, by name, for comparison with other runs."""
        chosen = {name: getattr(self.settings, name) for name in _COMPARED}
        return {**chosen, **settings_in_use(self.params), 'steps': self.max_steps}


def make_plan(settings: Settings, say: Say = print) -> Plan:
    """Returns what training with these settings will do; opens its data.

    Args:
      settings: what to train, on what, and where.
      say: shows one line to the user.

    Raises:
      FlagError: for a setting that can't work.
      DataError: for data that can't be read or trained on.
    """
    prepare_process()
    doing('opening the data')
    cluster = read_cluster(settings.distribution)
    check_precision(settings.precision)
    check_exports(settings.export)
    model = find_model(settings.model)
    params = resolve(model.params, parse_hparams(model.params, settings.hparams))  # before data are read
    kind = kind_of_data(settings)
    check_kind(kind, settings, KINDS.values())
    parse_augmentation(settings.augment, settings.seed)  # reading the archives may take minutes
    task = model.task(params)
    previous = _read_folder(settings.model_dir)
    inputs = open_inputs(settings, task, kind, previous.vocabulary if previous else (), say)
    params = replace(
        params,
        image_shape=settings.image_shape,
        vocabulary=inputs.labels,
        **_data_params(settings, kind, inputs, previous),
    )
    if getattr(params, 'balanced', False):
        params = replace(params, class_weights=balanced_weights(inputs))
    frozen = _frozen(settings, model, params)
    params = replace(params, frozen=frozen, loss_scaling=settings.precision == FLOAT16)
    companions = open_companions(model, params, settings.model_dir, previous)
    params = companions.params(params)
    model.check(params)
    _check_method(settings, cluster, params, len(model.phases(params)) > 1, bool(companions.style_targets))
    check_enough(inputs, settings, params.smallest_batch)
    pretraining = _open_pretraining(model, params, settings, inputs, say)
    phases = plan_phases(settings, cluster, model, params, inputs, pretraining, kind.name)
    reader = _open_reader(settings, kind, params, inputs, pretraining)
    _check_changes(settings, phases, cluster, say)
    warm_start = _warm_start(settings, model, reader, phases[-1], say)
    return Plan(
        settings=settings,
        say=say,
        cluster=cluster,
        model=model,
        task=task,
        params=params,
        kind=kind,
        reader=reader,
        inputs=inputs,
        phases=phases,
        companions=companions,
        warm_start=warm_start,
    )


def check_kind(kind: Kind, settings: Settings, kinds: Iterable[Kind]) -> None:
    """Raises FlagError if a setting was given that is only for another of the kinds of example."""
    for other in kinds:
        for name in sorted(other.settings - kind.settings):
            if getattr(settings, name) != getattr(Settings(), name):
                raise FlagError(
                    f'--{name} is for {other.noun}, but --model={settings.model} takes {kind.noun}.'
                )


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
            'that describes it: give another folder. '
            f'python -m estimator_lab.import_weights {checkpoint} makes one that --warm_start accepts.'
        )
    check_safe_paths(model_dir, trains=True)
    return previous


def _data_params(settings: Settings, kind: Kind, inputs: Inputs, previous: Record | None) -> dict[str, Any]:
    """Returns the parameters that the data decides, by name; those of a resumed run are in its folder."""
    if previous is not None and previous.kind == kind.name:
        return kind.restore(settings.model_dir)
    train = inputs.train
    return kind.data_params(settings, lambda: train.order().epoch(0), train.total)


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


def _check_method(settings: Settings, cluster: Cluster, params: Any, has_phases: bool, paints: bool) -> None:
    """Raises FlagError for a method of training that its precision or a cluster excludes."""
    if params.optimizer in SECOND_ORDER:
        if settings.precision != FLOAT32:
            raise FlagError(
                f'--hparams=optimizer={params.optimizer} compares losses that differ in the last digits, '
                f'which {settings.precision} does not have: use --precision=float32.'
            )
        if params.accumulate > 1:
            raise FlagError(
                f'--hparams=accumulate={params.accumulate} is for first-order optimizers, not for '
                f'{params.optimizer}: give a larger --batch_size.'
            )
    alone = {
        f'--hparams=accumulate={params.accumulate}': params.accumulate > 1,
        f'--early_stopping={settings.early_stopping}': settings.early_stopping,
        f'--model={settings.model}': paints,
        'Pre-training': has_phases,
    }
    for what, is_given in alone.items():
        if is_given and cluster.tasks:
            raise FlagError(f'{what} takes one process, but TF_CONFIG names a cluster.')
    if params.accumulate > 1 and cluster.strategy:
        raise FlagError(f'--hparams=accumulate={params.accumulate} takes one device: leave it out.')


def _open_pretraining(model: AnyModel, params: Any, settings: Settings, inputs: Inputs, say: Say) -> Inputs:
    """Returns what the phases before the last one train on."""
    if len(model.phases(params)) > 1:
        return open_pretraining(settings, inputs, say)
    if settings.pretrain_data:
        raise FlagError('--pretrain_data has no use here: this run has no pre-training.')
    return inputs


def _open_reader(settings: Settings, kind: Kind, params: Any, inputs: Inputs, pretraining: Inputs) -> Reader:
    options = ReaderOptions(
        image_shape=settings.image_shape,
        decode=settings.decode,
        augment=settings.augment,
        seed=settings.seed,
        cache_megabytes=_CACHE_MEGABYTES,
        examples=distinct_examples([*inputs.archives, *pretraining.archives]),
        tokens=getattr(params, 'tokens', ()),
        vocabulary=inputs.vocabulary,
    )
    return kind.reader(options)


def _check_changes(settings: Settings, phases: Iterable[PhasePlan], cluster: Cluster, say: Say) -> None:
    """Reports what has changed since the last start; raises FlagError for what breaks the run."""
    for phase in phases:
        if cluster.trains and not settings.resume_changed:
            phase.resumption.check(settings.model_dir)
        if cluster.is_chief and phase.resumption.changes:
            say(str(phase.resumption))


def _warm_start(
    settings: Settings, model: AnyModel, reader: Reader, final: PhasePlan, say: Say
) -> WarmStart | None:
    """Returns where the first weights come from; reports weights that are there, but not used."""
    resumes = tf.train.latest_checkpoint(str(settings.model_dir)) is not None
    if unlisted := unlisted_checkpoint(settings.model_dir):
        say(
            f"{settings.model_dir} holds {unlisted}, but no file 'checkpoint' that lists it: training "
            'starts from the beginning.'
        )
    if settings.warm_start and resumes:
        say(
            f'--warm_start={settings.warm_start} is only for new runs: {settings.model_dir} goes on from '
            'its own checkpoint.'
        )
    if resumes or settings.warm_start is None:
        if settings.freeze and not resumes:
            raise FlagError(
                f'--freeze={settings.freeze} would keep random weights: give --warm_start, the folder of a '
                'trained model.'
            )
        return None
    if final.before:
        raise FlagError(
            '--warm_start takes the place of pre-training: give --hparams=pretrain_epochs=0 as well.'
        )
    return open_warm_start(settings, model, reader, final)
