"""The examples that a run trains and evaluates on, and their labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from estimator_lab.core.heads.model import Task
from estimator_lab.data.kind import Kind
from estimator_lab.data.kinds import KINDS, kind_in
from estimator_lab.data.label_table import read_label_table
from estimator_lab.data.labels import Vocabulary, read_vocabulary
from estimator_lab.data.order.alternating import AlternatingOrder
from estimator_lab.data.order.archives import Archives, Say, open_archives
from estimator_lab.data.order.order import Order
from estimator_lab.data.order.resume_segments import Segment, Source
from estimator_lab.data.order.split_and_shard import EVERYTHING, Part, WorkerShard
from estimator_lab.data.tar.sources import expand_archives, is_pipe
from estimator_lab.errors import DataError, FlagError
from estimator_lab.models.registry import MODELS
from estimator_lab.training.settings import Settings

_LABELS_NAMED = 3
_MOST_EVALUATED = 20_000  # of the training data, where nobody gave other data or a number


@dataclass(frozen=True)
class Inputs:
    """What a run reads.

    Attributes:
      train: the examples to train on.
      evaluation: those to evaluate on.
      vocabulary: the labels, in the order of their ids; None where there are none, nor need be.
      unseen: whether evaluation takes other images than training.
      unlabelled: images that training takes in turn with those of `train`, without labels; None for none.
    """

    train: Archives
    evaluation: Archives
    vocabulary: Vocabulary | None
    unseen: bool
    unlabelled: Archives | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The label texts in the order of their ids."""
        return self.vocabulary.labels if self.vocabulary else ()

    @property
    def archives(self) -> tuple[Archives, ...]:
        """All that it reads."""
        return (self.train, self.evaluation, *([self.unlabelled] if self.unlabelled else []))

    @property
    def examples_an_epoch(self) -> int | None:
        """Examples in a pass over the training data; over those without labels, where there are any.

        None where nobody knows.
        """
        if self.unlabelled is None:
            return self.train.total
        return None if self.unlabelled.total is None else 2 * self.unlabelled.total

    @property
    def sources(self) -> tuple[Source, ...]:
        """The archives of training, as a leg has them: their images make up an epoch."""
        if self.unlabelled is None:
            return self.train.sources
        doubled = (replace(source, images=2 * source.images) for source in self.unlabelled.sources)
        return (*doubled, *(replace(source, images=0) for source in self.train.sources))

    def evaluated_share(self, settings: Settings) -> float:
        """Returns which share of its data an evaluation takes, of a training set that is large: 1 for all."""
        total = self.evaluation.total
        if self.unseen or settings.eval_steps or total is None or total <= _MOST_EVALUATED:
            return 1.0
        return _MOST_EVALUATED / total

    def eval_steps(self, settings: Settings) -> int | None:
        """Returns the batches of an evaluation; None for all."""
        if self.evaluated_share(settings) < 1:
            return math.ceil(_MOST_EVALUATED / settings.batch_size)
        return settings.eval_steps

    def evaluated(self, settings: Settings) -> int | None:
        """Returns the examples of an evaluation; None where nobody knows."""
        total, steps = self.evaluation.total, self.eval_steps(settings)
        some = None if steps is None else steps * settings.batch_size
        return min((count for count in (total, some) if count is not None), default=None)

    def arranged(self, known: Sequence[Source]) -> 'Inputs':
        """Returns the same with the archives of training that are known in their former order."""
        unlabelled = self.unlabelled and self.unlabelled.arranged(known)
        return replace(self, train=self.train.arranged(known), unlabelled=unlabelled)

    def training_order(self, leg: Segment, settings: Settings, shard: WorkerShard) -> Order:
        """Returns the order in which a worker trains on the examples of a leg."""
        given: dict[str, Any] = {
            'shuffle_buffer': settings.shuffle_buffer,
            'seed': settings.seed,
            'shard': shard,
        }
        if self.unlabelled is None:
            return self.train.order_of(leg, **given, labels=self.labels)
        return AlternatingOrder(self.train.order(**given, labels=self.labels), self.unlabelled.order(**given))


def kind_of_data(settings: Settings) -> Kind:
    """Returns the kind of examples in a run's data, of those that its model takes.

    The first archive decides where the model takes several; one that passes by only once has the first kind.

    Raises:
      DataError: there is no such archive.
    """
    kinds = [KINDS[name] for name in MODELS[settings.model].kinds]
    if len(kinds) == 1:
        return kinds[0]
    first = expand_archives(settings.data)[0]
    found = None if is_pipe(first) else kind_in(first)
    return found if found in kinds else kinds[0]


def open_inputs(
    settings: Settings, task: Task, kind: Kind, known_labels: Sequence[str] | None, say: Say
) -> Inputs:
    """Opens the archives of a run and checks that they can be trained on.

    Args:
      settings: names them.
      task: says whether each example must have a label; otherwise labels are taken where there are any.
      kind: of the examples.
      known_labels: the vocabulary of the model_dir; for archives that pass by only once, and can't be asked.
      say: shows one line to the user.

    Raises:
      FlagError: for settings that exclude each other.
      DataError: for data that can't be read or trained on.
    """
    if settings.unlabelled_data and not task.uses_unlabelled:
        raise FlagError(
            f'--unlabelled_data has no use for --model={settings.model} with these --hparams: '
            '--model=gan --hparams=semi_supervised=true learns from it.'
        )
    if settings.split and settings.eval_data:
        raise FlagError('--split divides --data into two, so that --eval_data has no place beside it.')
    train_part, eval_part = _parse_split(settings.split)
    labelled = kind.with_labels(read_label_table(settings.labels)) if settings.labels else kind
    given = _open(settings.data, settings, labelled, say)
    if settings.eval_data:
        evaluation = _open(settings.eval_data, settings, labelled, say)
        if evaluation.total is None:
            raise FlagError(
                f'--eval_data={",".join(settings.eval_data)} passes by only once, but each evaluation '
                'reads it: name a file or a folder.'
            )
    elif given.total is None:
        raise FlagError(f'{_once(settings)}: give other {kind.noun} as --eval_data.')
    else:
        evaluation = given.restricted_to(eval_part)
    train = given.restricted_to(train_part)
    for purpose, archives in (('train', train), ('evaluate', evaluation)):
        if archives.total == 0:
            raise DataError(f'--split={settings.split} leaves no {kind.name} to {purpose} on.')
    unseen = bool(settings.split) or (bool(settings.eval_data) and _are_others(evaluation, train, say))
    if not task.labelled:
        return Inputs(train, evaluation, _labels_there_are(settings, train), unseen)
    given.check_labels()
    evaluation.check_labels()
    vocabulary = _vocabulary(settings, train, known_labels)
    _check_training_labels(train, vocabulary, settings)
    _check_eval_labels(evaluation, vocabulary, say)
    unlabelled = _open(settings.unlabelled_data, settings, kind, say) if settings.unlabelled_data else None
    return Inputs(train, evaluation, vocabulary, unseen, unlabelled)


def _are_others(evaluation: Archives, train: Archives, say: Say) -> bool:
    """Whether evaluation data is other data than that of training; says what is not."""
    known = {source.fingerprint for source in train.sources if train.indexes}
    same = [source.name for source in evaluation.sources if source.fingerprint in known]
    some = len(same) < len(evaluation.sources)
    if same:
        names = ', '.join(same[:_LABELS_NAMED])
        left = 'only the others are unseen' if some else 'no unseen examples'
        say(f'--eval_data has {names} in common with --data: {left}.')
    return some


def open_pretraining(settings: Settings, inputs: Inputs, say: Say) -> Inputs:
    """Returns what a run pre-trains on: --pretrain_data, whose images need no labels, or else its own data.

    Raises:
      FlagError: for archives that can be read only once, as each phase reads them from their start.
      DataError: for data that can't be read.
    """
    train = inputs.train
    if settings.pretrain_data:
        train = open_archives(settings.pretrain_data, settings.use_damaged, say, train.kind.with_labels(None))
    if train.total is None:
        flag = '--pretrain_data' if settings.pretrain_data else '--data'
        raise FlagError(
            f'{flag}={",".join(train.paths)} passes by only once, and pre-training reads it again for each '
            'layer: pack it into a file, or give --hparams=pretrain_epochs=0.'
        )
    return replace(inputs, train=train)


def _open(patterns: Sequence[str], settings: Settings, kind: Kind, say: Say) -> Archives:
    """Opens archives; says so if one has examples of another kind, which its own error does not know."""
    try:
        return open_archives(patterns, settings.use_damaged, say, kind)
    except DataError:
        for archive in expand_archives(patterns):
            other = None if is_pipe(archive) else kind_in(archive)
            if other and other.name != kind.name:
                raise DataError(
                    f'{archive!r} holds {other.noun}, but --model={settings.model} takes {kind.noun}.'
                ) from None
        raise


def check_enough(inputs: Inputs, settings: Settings, smallest_batch: int) -> None:
    """Makes sure that a step finds as many examples as it needs.

    Args:
      inputs: what is trained on.
      settings: with the size of a batch.
      smallest_batch: examples that a step needs.

    Raises:
      FlagError: batches are smaller.
      DataError: there are fewer in all.
    """
    if settings.batch_size < smallest_batch:
        raise FlagError(
            f'--batch_size={settings.batch_size} is too small: a step of --model={settings.model} with these '
            f'--hparams takes {smallest_batch} examples or more.'
        )
    total = inputs.examples_an_epoch
    if total is not None and total < smallest_batch:
        raise DataError(
            f'{total} example in {", ".join(inputs.train.paths)} is too few: --model={settings.model} with '
            f'these --hparams learns from {smallest_batch} or more.'
        )


def _parse_split(text: str) -> tuple[Part, Part]:
    """Parses 'TRAIN,EVAL' or 'TRAIN'; '' trains and evaluates on everything."""
    if not text:
        return EVERYTHING, EVERYTHING
    try:
        shares = [float(part) for part in text.split(',')]
    except ValueError:
        shares = []
    if len(shares) == 1:
        shares.append(1 - shares[0])
    if len(shares) != 2 or not all(share > 0 for share in shares) or sum(shares) > 1 + 1e-9:
        raise FlagError(
            f'--split={text} is not understood: it takes the shares of images to train and to evaluate on, '
            'such as 0.9,0.1, each above 0, together at most 1.'
        )
    return Part(0.0, shares[0]), Part(1 - shares[1], 1.0)


def _labels_there_are(settings: Settings, train: Archives) -> Vocabulary | None:
    if settings.vocabulary:
        return read_vocabulary(settings.vocabulary)
    return Vocabulary(train.labels) if len(train.labels) > 1 else None


def _vocabulary(settings: Settings, train: Archives, known_labels: Sequence[str] | None) -> Vocabulary:
    if settings.vocabulary:
        return read_vocabulary(settings.vocabulary)
    if train.total is not None:
        if len(train.labels) == 1:
            raise DataError(
                f'--data={",".join(settings.data)} has one class only, {train.labels[0]!r}: a classifier '
                f'needs two. {train.kind.label_help}'
            )
        return Vocabulary(train.labels)
    if known_labels:
        return Vocabulary(tuple(known_labels))
    if train.kind.labels:
        return Vocabulary(train.kind.labels.distinct)
    raise FlagError(
        f'{_once(settings)}, so that its labels cannot be looked up before: give --vocabulary, a text file '
        'of one label a line.'
    )


def _once(settings: Settings) -> str:
    return f'--data={",".join(settings.data)} passes by only once'


def _check_training_labels(train: Archives, vocabulary: Vocabulary, settings: Settings) -> None:
    unknown = [label for label in train.labels if vocabulary.id_of(label) < 0]
    if unknown:
        examples = sum(train.counts[label] for label in unknown)
        raise DataError(
            f'{examples:,} of {train.total:,} training {train.kind.noun} have labels that --vocabulary='
            f'{settings.vocabulary} lacks ({_named(unknown)}).'
        )


def _check_eval_labels(evaluation: Archives, vocabulary: Vocabulary, say: Say) -> None:
    counts = evaluation.counts
    unknown = [label for label in evaluation.labels if vocabulary.id_of(label) < 0]
    if not unknown:
        return
    examples = sum(counts[label] for label in unknown)
    if len(unknown) == len(evaluation.labels):
        raise DataError(f'--eval_data has no label in common with --data (its labels: {_named(unknown)}).')
    say(
        f'{examples} of {evaluation.total} evaluation {evaluation.kind.noun} have labels that training '
        f'never saw ({_named(unknown)}): counted as unknown_labels, left out of the other metrics.'
    )


def _named(labels: Sequence[str]) -> str:
    return ', '.join(labels[:_LABELS_NAMED]) + (', ...' if len(labels) > _LABELS_NAMED else '')
