"""TrainSettings -> what training will do, checked before anything is written."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError, hparam, option
from estimator_lab.base.json_input import as_type
from estimator_lab.base.keys import RECORD
from estimator_lab.base.progress import doing
from estimator_lab.base.settings import settings_in_use, settings_that_are
from estimator_lab.base.suggestions import unknown
from estimator_lab.core.abilities import HasCompanions, HasPublishedWeights, Paints
from estimator_lab.core.model import AnyModel, Task
from estimator_lab.core.params import (
    Pixels,
    is_first_order,
    parse_hparams,
    resolve,
)
from estimator_lab.core.registry import MODELS, find_model
from estimator_lab.data.archives.opened import Archives, Say, distinct_examples
from estimator_lab.data.demo_sets.archives import faces_folder
from estimator_lab.data.examples.kind import Kind, Look, Reader, ReaderOptions
from estimator_lab.data.examples.member import Member
from estimator_lab.data.sources.source import Source
from estimator_lab.runs.record import Record, read_record
from estimator_lab.runs.safe_paths import check_safe_paths, newest_checkpoint
from estimator_lab.tf1 import prepare_process
from estimator_lab.training.cluster import Cluster, read_cluster
from estimator_lab.training.inputs import (
    Inputs,
    balanced_weights,
    check_enough,
    open_inputs,
    open_pretraining,
)
from estimator_lab.training.precision import FLOAT32, check_precision
from estimator_lab.training.settings import TrainSettings
from estimator_lab.training.stages import Stage, plan_stages
from estimator_lab.training.warm_start import WarmStart, open_warm_start

_BACKBONE = 'backbone'  # all layers before the last
_CACHE_MEGABYTES = 256  # of decoded images


@dataclass(frozen=True)
class Plan:
    """What training will do: one model, its data and its model_dir.

    Attributes:
      params: of the model, including what the data decides.
      inputs: what the last phase trains and evaluates on.
      companions: functions that write what the model takes from other trained models, by names of files.
      stages: its phases, in order; most models have one.
      warm_start: where the first weights come from; None for random weights, and for a resumed run.
      look: what the first look at the training examples has shown.
    """

    settings: TrainSettings
    say: Say
    cluster: Cluster
    architecture: AnyModel
    params: Any
    inputs: Inputs
    reader: Reader
    companions: Mapping[str, Callable[[Path], None]]
    stages: tuple[Stage, ...]
    warm_start: WarmStart | None
    look: Look

    @property
    def task(self) -> Task:
        """What the model learns."""
        return self.architecture.task(self.params)

    @property
    def kind(self) -> Kind:
        """The kind of its examples."""
        return self.inputs.train.kind

    @property
    def max_steps(self) -> int:
        """The global step at which training ends."""
        return self.stages[-1].last_step

    @property
    def choices(self) -> dict[str, Any]:
        """What the user chose and has an effect, by name, for comparison with other runs."""
        names = (*settings_that_are(TrainSettings, 'recorded'), 'batch_size')
        chosen = {name: getattr(self.settings, name) for name in names}
        return {**chosen, **settings_in_use(self.params), 'steps': self.max_steps}


def make_plan(settings: TrainSettings, say: Say = print) -> Plan:
    """Returns what training with these settings will do; opens its data.

    Raises:
      FlagError: for a setting that can't work.
      DataError: for data that can't be read or trained on.
    """
    prepare_process()
    doing('opening the data')
    check_precision(settings.precision)
    cluster = read_cluster(settings.distribution, say)
    model = find_model(settings.model)
    given = resolve(model.params, parse_hparams(model.params, settings.hparams))
    previous = _read_folder(settings.model_dir)
    inputs = open_inputs(settings, model.task(given), previous.vocabulary if previous else (), say)
    weights = balanced_weights(inputs) if getattr(given, 'balanced', False) else ()
    known = previous.input.archives if previous else ()  # in whose order the examples are looked at, too
    train, look = _look(settings, inputs.train.arranged(known))  # the first that may wait for a pipe
    inputs = replace(inputs, train=train)
    params = _with_data(given, weights, settings, inputs, previous, look)
    resumed = previous.hparams if previous and previous.model == model.name else None
    taken: Mapping[str, Any] = {}
    companions: Mapping[str, Callable[[Path], None]] = {}
    if isinstance(model, HasCompanions):
        taken, companions = model.companions(params, settings.model_dir, resumed)
    params = replace(params, frozen=_frozen(settings, model, params), **taken)
    params.check()
    is_new = not newest_checkpoint(settings.model_dir)
    if cluster.is_chief and look.caution and is_new and not _are_built_in(settings.data):
        say(look.caution)
    if cluster.is_chief and (caution := params.caution()):
        say(f'Warning: {caution}')
    _check_method(settings, cluster, model, params)
    check_enough(inputs, settings, params.smallest_batch)
    pretraining = inputs
    if len(model.phases(params)) > 1:
        pretraining = open_pretraining(settings, inputs, say)
    elif settings.pretrain_data:
        raise FlagError(f'{option.pretrain_data} has no use here: this run has no pre-training.')
    reader = _open_reader(settings, params, inputs, pretraining, look)
    stages = plan_stages(settings, cluster, model, params, inputs, pretraining)
    for stage in stages:
        if cluster.trains and not settings.resume_changed:
            stage.resumption.check(settings.model_dir)
        if cluster.is_chief and stage.resumption.changes:
            say(str(stage.resumption))
    warm_start = _warm_start(settings, model, reader, stages, say)
    return Plan(settings, say, cluster, model, params, inputs, reader, companions, stages, warm_start, look)


def _are_built_in(data: Sequence[str | Source] | None) -> bool:
    """Whether the data is the faces that are trained on by default: the user can't mistake them."""
    return [str(each) for each in data or ()] == [str(faces_folder() / 'train.tar')]


def _read_folder(model_dir: Path) -> Record | None:
    """Returns the record in a model_dir, None for a new one; checks that training may write there."""
    previous = read_record(model_dir)
    checkpoint = '' if previous else newest_checkpoint(model_dir)
    if checkpoint:  # training would go on with it if the names of its variables are the same
        raise FlagError(
            f'{option.model_dir}={model_dir} holds the checkpoint {Path(checkpoint).name}, but no '
            f'{RECORD} that describes it: give another folder. '
            f'python -m estimator_lab.import_weights {checkpoint} makes one that --warm_start accepts.'
        )
    check_safe_paths(model_dir, trains=True)
    return previous


def _look(settings: TrainSettings, train: Archives) -> tuple[Archives, Look]:
    """Returns a data set after a look at some examples, and what these show.

    A pipe can be read only once: its first examples are looked at, and kept, to be read first.
    """
    examples = train.order(2 if train.has_random_access else 1, settings.seed).epoch(0)
    if train.indexes:
        return train, train.kind.look(settings, examples)
    first: list[Member] = []

    def kept() -> Iterator[Member]:
        for member in examples:
            first.append(member)
            yield member

    look = train.kind.look(settings, kept())
    return replace(train, begun=itertools.chain(first, examples)), look


def _with_data(
    params: Any,
    weights: tuple[float, ...],
    settings: TrainSettings,
    inputs: Inputs,
    previous: Record | None,
    look: Look,
) -> Any:
    """Returns parameters with class weights and what the data and its settings decide, or a resumed run."""
    train = inputs.train
    if previous and previous.kind == train.kind.name and newest_checkpoint(settings.model_dir):
        decided = train.kind.restore(settings.model_dir)
        decided['few_images'] = previous.hparams.get('few_images', False)
        decided['pixels'] = as_type(previous.hparams.get('pixels', {}), Pixels, 'pixels')
    else:
        decided = train.kind.data_params(settings, train.order(1, settings.seed).epoch(0), train.total)
        if look.pixels and getattr(params, 'stretch', False):
            decided['pixels'] = params.pixels_from(look.pixels)
            decided['first_mean'] = look.mean_image
        decided['few_images'] = train.total is not None and train.total < math.prod(settings.images.shape)
    decided |= {
        'image_shape': settings.images.shape,
        'vocabulary': inputs.labels,
        'class_weights': weights,
        'curves': True,
    }
    decided = {name: value for name, value in decided.items() if hasattr(params, name)}
    return replace(params, **decided).for_data()


def _frozen(settings: TrainSettings, model: AnyModel, params: Any) -> tuple[str, ...]:
    """Returns the names of the layers that --freeze keeps; raises FlagError if it names none."""
    if not settings.freeze:
        return ()
    if not isinstance(model, HasPublishedWeights):
        able = ' and '.join(name for name in MODELS if isinstance(find_model(name), HasPublishedWeights))
        raise FlagError(
            f'{option.freeze}={settings.freeze}: {option.model}={model.name} has no layers that can be '
            f'frozen; {able} have.'
        )
    names = model.freezable(params)
    if settings.freeze == _BACKBONE:
        return tuple(names)
    if settings.freeze not in names:
        raise FlagError(
            unknown(f'{option.freeze} names the unknown layer', settings.freeze, [_BACKBONE, *names])
        )
    return tuple(names[: names.index(settings.freeze) + 1])


def _check_method(settings: TrainSettings, cluster: Cluster, model: AnyModel, params: Any) -> None:
    """Raises FlagError for a method of training that its precision or a cluster excludes."""
    if not is_first_order(params) and settings.precision != FLOAT32:
        raise FlagError(
            f'{hparam.optimizer}={params.optimizer} compares losses that differ in the last digits, '
            f'which {settings.precision} does not have: use {option.precision}=float32.'
        )
    alone = {
        f'{option.early_stopping}={settings.early_stopping}': settings.early_stopping,
        f'{option.model}={settings.model}': isinstance(model, Paints),
        'Pre-training': len(model.phases(params)) > 1,
    }
    for what, is_given in alone.items():
        if is_given and cluster.tasks:
            raise FlagError(f'{what} takes one process, but TF_CONFIG names a cluster.')


def _open_reader(
    settings: TrainSettings, params: Any, inputs: Inputs, pretraining: Inputs, look: Look
) -> Reader:
    opened = *inputs.archives, *pretraining.archives
    has_floats = look.floats or any(archives.has_floats for archives in opened)
    options = ReaderOptions(
        settings.images.with_floats(has_floats),
        cache_megabytes=_CACHE_MEGABYTES,
        examples=distinct_examples(opened),
        tokens=getattr(params, 'tokens', ()),
        vocabulary=inputs.vocabulary,
    )
    return inputs.train.kind.reader(options)


def _warm_start(
    settings: TrainSettings, model: AnyModel, reader: Reader, stages: Sequence[Stage], say: Say
) -> WarmStart | None:
    """Returns where the first weights come from; reports weights of --warm_start that are not used."""
    folder = settings.model_dir
    resumes = bool(newest_checkpoint(folder))
    if resumes and settings.warm_start:
        say(
            f'{option.warm_start}={settings.warm_start} is only for new runs: {folder} goes on from its own '
            'checkpoint.'
        )
    if settings.freeze and not (resumes or settings.warm_start):
        raise FlagError(
            f'{option.freeze}={settings.freeze} would keep random weights: give {option.warm_start}, the '
            'folder of a trained model.'
        )
    if resumes or settings.warm_start is None:
        return None
    if len(stages) > 1:
        raise FlagError(
            f'{option.warm_start} takes the place of pre-training: give {hparam.pretrain_epochs}=0 as well.'
        )
    return open_warm_start(settings.warm_start, model, reader, stages[-1].params, stages[-1].record)
