"""The examples that a run trains and evaluates on, and their labels."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from estimator_lab.base.errors import DataError, FlagError, hparam, option
from estimator_lab.base.sizes import parse_size
from estimator_lab.core.model import Task
from estimator_lab.core.registry import MODELS
from estimator_lab.data.archives.kinds import KINDS, kind_of, only_kind
from estimator_lab.data.archives.mixture import Shares, parse_weights
from estimator_lab.data.archives.opened import Archives, Say, open_archives
from estimator_lab.data.archives.part import Only, Part
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.labels import Vocabulary, read_label_table, read_vocabulary
from estimator_lab.data.sources import remote
from estimator_lab.data.sources.source import expand
from estimator_lab.training.checks import parse_split
from estimator_lab.training.settings import TrainSettings

_LABELS_NAMED = 3
_MOST_EVALUATED = 20_000  # of the training data, without --eval_data, --split and --eval_steps


@dataclass(frozen=True)
class Inputs:
    """What a run, or one of its phases, reads.

    Attributes:
      vocabulary: the labels, in the order of their ids; None without labels.
      unseen: whether evaluation uses other examples than training.
      flag: the flag that names the training archives.
      eval_steps: batches of an evaluation; None for all.
      evaluated: examples of an evaluation; None if unknown.
      is_sampled: whether an evaluation uses a random sample of `evaluation`, the same each time.
      weights: shares of archives or labels in training; () for each example once an epoch.
    """

    train: Archives
    evaluation: Archives
    vocabulary: Vocabulary | None
    unseen: bool
    flag: str = option.data
    eval_steps: int | None = None
    evaluated: int | None = None
    is_sampled: bool = False
    weights: Shares = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The label texts in the order of their ids."""
        return self.vocabulary.labels if self.vocabulary else ()

    @property
    def archives(self) -> tuple[Archives, ...]:
        """All that is read."""
        return self.train, self.evaluation


def open_inputs(settings: TrainSettings, task: Task, known_labels: Sequence[str], say: Say) -> Inputs:
    """Opens the archives of a run and checks that they can be trained on.

    If the model accepts several kinds of examples, the first archive decides. For archives that can be read
    only once, `known_labels` is the vocabulary of model_dir.

    Raises:
      FlagError: for settings that exclude each other, or are for examples of another kind.
      DataError: for data that can't be read or trained on.
    """
    only = Only.of(settings.only)
    train_part, eval_part = (part._replace(only=only) for part in parse_split(settings.split))
    table = read_label_table(settings.labels)
    if settings.cache:
        remote.keep(parse_size(option.cache, settings.cache))
    with _naming(option.data, settings):
        sources = expand(settings.data, say, table=table)
    kind = kind_of(sources[0], [KINDS[name] for name in MODELS[settings.model].kinds])
    check_settings_for(kind, settings, KINDS.values())
    taker = f'{option.model}={settings.model} takes'
    with _naming(option.data, settings), only_kind(sources, kind, taker):
        given = open_archives(sources, kind, settings.use_damaged, say).in_blocks(settings.shuffle_blocks)
    given = replace(given, part=Part(only=only))
    given.part.check(given.indexes)
    if settings.eval_data:
        with _naming(option.eval_data, settings):
            others = expand(settings.eval_data, say, table=table)
            with only_kind(others, kind, taker):
                evaluation = open_archives(others, kind, settings.use_damaged, say).in_blocks('')
        if evaluation.total is None:
            raise FlagError(
                f'{option.eval_data}={",".join(settings.eval_data)} can be read only once, but each '
                'evaluation reads it: name a file or a folder.'
            )
    elif given.total is None:
        raise FlagError(f'{_once(settings)}: give other {kind.noun} as {option.eval_data}.')
    else:
        evaluation = replace(given, part=eval_part)
    train = replace(given, part=train_part)
    for purpose, archives in (('train', train), ('evaluate', evaluation)):
        if archives.total == 0:
            what = f'{option.split}={settings.split}' if given.total else option.only
            raise DataError(f'{what} leaves no {kind.name} to {purpose} on.')
    unseen = bool(settings.split) or (bool(settings.eval_data) and _has_unseen(evaluation, train, say))
    if task.labelled:
        given.check_labels()
        evaluation.check_labels()
    vocabulary = _vocabulary(settings, task, train, known_labels)
    if task.labelled and vocabulary:
        _check_vocabulary(settings, vocabulary, train, evaluation, say)
    if given.total is None and settings.max_steps is None:
        raise FlagError(
            f'{_once(settings)}, so the number of examples in an epoch is unknown: give {option.max_steps}.'
        )
    weights = parse_weights(settings.weights)
    train.check_weights(weights)
    inputs = Inputs(train, evaluation, vocabulary, unseen, weights=weights)
    return _with_eval_steps(inputs, settings.eval_steps, settings.batch_size)


@contextlib.contextmanager
def _naming(flag: str, settings: TrainSettings) -> Iterator[None]:
    """Begins an error of data with the flag that names them, if several do."""
    try:
        yield
    except DataError as error:
        if not (settings.eval_data or settings.pretrain_data) or flag in error.marked:
            raise
        raise DataError(f'{flag}: {error.marked}') from error


def check_settings_for(kind: Kind, settings: TrainSettings, kinds: Iterable[Kind]) -> None:
    """Raises FlagError if a setting was given that is only for another of the kinds of example."""
    for other in kinds:
        for name in sorted(other.settings - kind.settings):
            if getattr(settings, name) != getattr(TrainSettings(), name):
                raise FlagError(
                    f'{option(name)} is for {other.noun}, but {option.model}={settings.model} takes '
                    f'{kind.noun}.'
                )


def _with_eval_steps(inputs: Inputs, steps: int | None, batch_size: int) -> Inputs:
    """Returns inputs with the size of an evaluation: a sample of a large training set, otherwise all."""
    total = inputs.evaluation.total
    is_sampled = not (inputs.unseen or steps or total is None or total <= _MOST_EVALUATED)
    if is_sampled:
        steps = math.ceil(_MOST_EVALUATED / batch_size)
    counts = [count for count in (total, steps and steps * batch_size) if count is not None]
    return replace(inputs, eval_steps=steps, evaluated=min(counts, default=None), is_sampled=is_sampled)


def _has_unseen(evaluation: Archives, train: Archives, say: Say) -> bool:
    """Returns whether any evaluation data is not training data; reports the archives in common."""
    known = {archive.fingerprint for archive in train.identities if train.indexes}
    shared = [archive.name for archive in evaluation.identities if archive.fingerprint in known]
    has_unseen = len(shared) < len(evaluation.sources)
    if shared:
        names = ', '.join(shared[:_LABELS_NAMED])
        left = 'only the others are unseen' if has_unseen else 'no unseen examples'
        say(f'{option.eval_data} has {names} in common with {option.data}: {left}.')
    return has_unseen


def open_pretraining(settings: TrainSettings, inputs: Inputs, say: Say) -> Inputs:
    """Returns what a run pre-trains on: --pretrain_data, which needs no labels, or else its own data.

    Raises:
      FlagError: for archives that can be read only once; each phase reads them from the start.
      DataError: for data that can't be read.
    """
    if settings.pretrain_data:
        with _naming(option.pretrain_data, settings):
            train = open_archives(settings.pretrain_data, inputs.train.kind, settings.use_damaged, say)
            train = train.in_blocks(settings.shuffle_blocks)
        inputs = replace(inputs, train=train, flag=option.pretrain_data, weights=())
    if inputs.train.total is None:
        raise FlagError(
            f'{inputs.flag}={",".join(inputs.train.paths)} can be read only once, and pre-training reads it '
            f'again for each layer: pack it into a file, or give {hparam.pretrain_epochs}=0.'
        )
    return inputs


def balanced_weights(inputs: Inputs) -> tuple[float, ...]:
    """Returns a weight for each class, with which all count the same and an example weighs 1 on average.

    Raises:
      FlagError: the examples of each class can't be counted.
    """
    if inputs.train.total is None:
        raise FlagError(
            f'{hparam.balanced}=true needs data that can be counted: a pipe can be read only once.'
        )
    counts = [inputs.train.counts.get(label, 0) for label in inputs.labels]
    occurring = [count for count in counts if count]
    return tuple(sum(occurring) / (len(occurring) * (count or 1)) for count in counts)


def check_enough(inputs: Inputs, settings: TrainSettings, smallest_batch: int) -> None:
    """Checks that there are enough examples for a step.

    Raises:
      FlagError: a batch is smaller.
      DataError: there are fewer examples in all.
    """
    if settings.batch_size < smallest_batch:
        raise FlagError(
            f'{option.batch_size}={settings.batch_size} is too small: a step of '
            f'{option.model}={settings.model} with these {option.hparams} takes {smallest_batch} examples or '
            'more.'
        )
    total = inputs.train.total
    if total is not None and total < smallest_batch:
        raise DataError(
            f'{", ".join(inputs.train.paths)} holds too few examples, {total}: '
            f'{option.model}={settings.model} with these {option.hparams} learns from {smallest_batch} or '
            'more.'
        )


def _vocabulary(
    settings: TrainSettings, task: Task, train: Archives, known_labels: Sequence[str]
) -> Vocabulary | None:
    if settings.vocabulary:
        return read_vocabulary(settings.vocabulary)
    if not task.labelled:
        return Vocabulary(train.labels) if len(train.labels) > 1 else None
    if train.total is not None:
        if len(train.labels) == 1:
            part = f'The part that {option.split}={settings.split} trains on of ' if settings.split else ''
            names = ','.join(map(str, settings.data))
            raise DataError(
                f'{part}{option.data}={names} has one class only, {train.labels[0]!r}: a '
                f'classifier needs two. {train.kind.label_help}'
            )
        return Vocabulary(train.labels)
    if known_labels:
        return Vocabulary(tuple(known_labels))
    if train.table:
        return Vocabulary(train.table.distinct)
    raise FlagError(
        f'{_once(settings)}, so its labels cannot be looked up in advance: give {option.vocabulary}, a text '
        'file of one label a line.'
    )


def _once(settings: TrainSettings) -> str:
    return f'{option.data}={",".join(settings.data)} can be read only once'


def _check_vocabulary(
    settings: TrainSettings, vocabulary: Vocabulary, train: Archives, evaluation: Archives, say: Say
) -> None:
    """Checks that a vocabulary has all labels of training, and some of evaluation; reports what it lacks."""
    lacking, count = _unknown(train, vocabulary)
    if lacking:
        raise DataError(
            f'{count:,} of {train.total:,} training {train.kind.noun} have labels that {option.vocabulary}='
            f'{settings.vocabulary} lacks ({_named(lacking)}).'
        )
    lacking, count = _unknown(evaluation, vocabulary)
    if lacking and len(lacking) == len(evaluation.labels):
        raise DataError(
            f'{option.eval_data} has no label in common with {option.data} (its labels: {_named(lacking)}).'
        )
    if lacking:
        say(
            f'{count} of {evaluation.total} evaluation {evaluation.kind.noun} have labels that training '
            f'never saw ({_named(lacking)}): counted as unknown_labels, left out of the other metrics.'
        )


def _unknown(archives: Archives, vocabulary: Vocabulary) -> tuple[list[str], int]:
    """Returns the labels that a vocabulary lacks, and how many examples have them."""
    counts = {label: count for label, count in archives.counts.items() if label}
    unknown = [label for label in counts if vocabulary.id_of(label) < 0]
    return unknown, sum(counts[label] for label in unknown)


def _named(labels: Sequence[str]) -> str:
    return ', '.join(labels[:_LABELS_NAMED]) + (', ...' if len(labels) > _LABELS_NAMED else '')
