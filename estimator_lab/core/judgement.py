"""Whether an evaluation shows that a model has learned nothing, and what to try: what several models say.

`Model.judge` is what a model says. Settings are marked as in errors, see `base.errors`.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from estimator_lab.base.errors import hparam, option
from estimator_lab.base.json_input import shown
from estimator_lab.core import keys

_FEW_STEPS = 200
_BETTER_BY_CLASS = 1.5  # times as many classes are recognised as by guesses
_FEW_OF_A_LABEL = 5  # examples
_UNEVEN = 10  # times as many examples of a label as of another
_MOSTLY = 0.9  # share of a layer's units
_MOST_NAMED = 3
_ALIKE = 0.1  # spread of samples, as a share of the images'


@dataclass(frozen=True)
class Seen:
    """What is seen of a trained model when its last evaluation has ended.

    Attributes:
      metrics: of the evaluation, by name, with 'global_step'.
      params: the model's parameters.
      pretrained: the same metrics of the phase before the last one; {} without one.
      counts: number of training examples by label, '' for none; {} if unknown.
      cause: why nothing can be learned from the training examples, as a clause; '' if that is unknown.
      suspect: the same for what is a cause only if no other is known.
      training_loss: of the last step; None if none was taken.
      usual_steps: of a run of the model whose length is not given, at least.
      of_classes: recognised examples of the evaluation, and all of them, of each class; () if unknown.
      twins: returns how many training examples have the data of an earlier one, and another label.
    """

    metrics: Mapping[str, float]
    params: Any = None
    pretrained: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    cause: str = ''
    suspect: str = ''
    training_loss: float | None = None
    usual_steps: int = 0
    of_classes: Sequence[tuple[float, float]] = ()
    twins: Callable[[], int] = int

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the hyper-parameters that were given."""
        return tuple(getattr(self.params, 'given', ()))

    @property
    def labels(self) -> int:
        """Number of labels of the vocabulary."""
        return len(getattr(self.params, 'vocabulary', ()))

    @property
    def examples(self) -> int:
        """Number of training examples; 0 if unknown."""
        return sum(self.counts.values())

    @property
    def has_few_steps(self) -> bool:
        """Whether the model has taken few steps only, the likely cause of a bad result."""
        return self.metrics['global_step'] < _FEW_STEPS

    @property
    def loss(self) -> float:
        """The training loss; by node for trees, whose loss is a sum over nodes."""
        # The loss of an evaluation is large, too, if the training examples were learned by heart.
        found = self.metrics.get('loss', 0.0) if self.training_loss is None else self.training_loss
        return self.metrics.get(keys.NODE_LOSS) or found

    @property
    def loss_of_guesses(self) -> float:
        """The mean cross-entropy if all labels are equally probable."""
        return math.log(max(self.labels, 1))

    @property
    def is_learned(self) -> bool:
        """Whether the training examples were learned, at least half of what can be."""
        return self.loss < self.loss_of_guesses / 2

    @property
    def blames_data(self) -> bool:
        """Whether the data may be the cause, and not what was given, with which nothing was learned."""
        return not self.has_few_steps and (self.is_learned or not self.given)

    @property
    def dead_layer(self) -> str:
        """The layer with the largest share of dead units, as the beginning of a sentence; '' without one."""
        shares = {
            name: share for name, share in self.metrics.items() if name.startswith(f'{keys.DEAD_UNITS}/')
        }
        name = max(shares, key=shares.__getitem__, default='')
        if not name or shares[name] <= _MOSTLY:
            return ''
        return f'{shares[name]:.0%} of the units of layer {name.partition("/")[2]} are 0 for all images'

    @property
    def uneven(self) -> str:
        """The most and least frequent labels, as a clause, if classes are uneven and unweighted; else ''."""
        counts = {label: count for label, count in self.counts.items() if label}
        most, least = (choose(counts, key=counts.__getitem__, default='') for choose in (max, min))
        if not counts or counts[most] < _UNEVEN * counts[least] or getattr(self.params, 'balanced', True):
            return ''
        return f'{counts[most]:,} training examples are {shown(most)}, only {counts[least]:,} {shown(least)}'

    @property
    def without_given(self) -> str:
        """The hyper-parameters to leave out."""
        return f'without {", ".join(f"{hparam(name)}={getattr(self.params, name)}" for name in self.given)}'

    @property
    def cure_of_dead_units(self) -> str:
        """What to try if units are 0."""
        if keys.LEARNING_RATE in self.given:
            return f'a smaller {hparam.learning_rate}=...'
        return self.without_given if self.given else f'{hparam.activation}=leaky_relu'


def judge_classifier(seen: Seen) -> str:
    """Returns a sentence on guesses, or on units that learn nothing; '' for a result that is not bad.

    Examples:
        >>> from estimator_lab.base.errors import without_dashes
        >>> bad = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 50}
        >>> without_dashes(judge_classifier(Seen(bad)))
        'The accuracy is no better than always predicting the most frequent label (0.100): it has taken few \
steps only; try more epochs.'
    """
    if not _guesses(seen):
        is_bad = seen.dead_layer and seen.metrics.get(keys.ACCURACY) != 1
        cure = f'so that they learn nothing: try a smaller {hparam.learning_rate}=...'
        return f'{seen.dead_layer}, {cure}' if is_bad else _judge_poor(seen) or judge_classes(seen)
    majority = seen.metrics[keys.MAJORITY_SHARE]
    guesses = f'always predicting the most frequent label ({majority:.3f})'
    return f'The accuracy is no better than {guesses}: {next(_causes(seen))}'


def _judge_poor(seen: Seen) -> str:
    """Returns what is suspected of the data if an accuracy is nearer to that of guesses than to 1; or ''."""
    metrics = seen.metrics
    accuracy, majority = (metrics.get(name, 1.0) for name in (keys.ACCURACY, keys.MAJORITY_SHARE))
    is_poor = accuracy < (1 + majority) / 2 and not seen.has_few_steps
    return f'An accuracy of {accuracy:.3f} is poor: {seen.suspect}' if is_poor and seen.suspect else ''


def judge_classes(seen: Seen) -> str:
    """Returns a sentence on the classes that are recognised far more rarely than the others; '' for none.

    After few steps only, some classes are always behind.
    """
    if seen.has_few_steps:
        return ''
    lost = {
        label: f'{right / count:.0%} of {shown(label)}'
        for label, (right, count) in zip(
            getattr(seen.params, 'vocabulary', ()), seen.of_classes, strict=False
        )
        if count and _is_lost(right, count, seen.of_classes)
    }
    if not lost:
        return ''
    shares = ', '.join([*lost.values()][:_MOST_NAMED])
    rarest = min(lost, key=lambda label: seen.counts.get(label, 0))
    few, usual = seen.counts.get(rarest, 0), statistics.median(seen.counts.values() or [0])
    cause = 'evaluate shows what they are taken for.'
    if 0 < few * _UNEVEN <= usual:
        cause = (
            f'there are {few:,} training examples of {shown(rarest)}, and {usual:,.0f} of a usual label: '
            f'train on more, or change them at random ({option.augment}=mirror,shift=4).'
        )
    return f'Recognised are only {shares}, far less than of the other classes: {cause}'


def _is_lost(right: float, count: float, of_classes: Sequence[tuple[float, float]]) -> bool:
    """Whether a class is recognised less than half as often as the others, and not by chance.

    Chance has a share of one in a hundred at most: Chernoff's bound of the binomial distribution.
    """
    all_right, all_count = (sum(column) for column in zip(*of_classes, strict=True))
    usual = (all_right - right + 1) / (all_count - count + 2)
    share = right / count
    pairs = (share, usual), (1 - share, 1 - usual)
    divergence = sum(one * math.log(one / other) for one, other in pairs if one)
    return share < usual / 2 and count * divergence > math.log(100)


def _guesses(seen: Seen) -> bool:
    metrics, majority = seen.metrics, seen.metrics.get(keys.MAJORITY_SHARE, 0.0)
    if not 0 < majority < 1:
        return False
    # The lower end of Wilson's interval of two standard errors.
    share, count = metrics[keys.ACCURACY], max(metrics.get(keys.TOTAL_EXAMPLES, 1), 1)
    width = 2 * math.sqrt(share * (1 - share) / count + 1 / count**2)
    if (share + 2 / count - width) / (1 + 4 / count) > majority:
        return False
    # Guesses recognise one of n classes. Weighted classes, and few test images, may lower a good accuracy.
    return metrics.get(keys.MEAN_PER_CLASS_ACCURACY, 0.0) * seen.labels < _BETTER_BY_CLASS


def _causes(seen: Seen) -> Iterator[str]:
    """Yields the likely causes of guesses: what leaves nothing to learn before what makes it slow."""
    if seen.cause:
        yield f'{seen.cause}.'
    if seen.labels > 1 and not seen.loss <= 2 * seen.loss_of_guesses:  # also if it is not a number
        yield f'training has diverged; try a much smaller {hparam.learning_rate}=...'
    if seen.dead_layer:
        cure = f'try {seen.cure_of_dead_units}, and look at the pixels, by data.check.'
        yield f'{seen.dead_layer}, with a loss that has not grown: {cure}'
    if seen.blames_data:
        yield from _causes_in_data(seen)
    also = f' Also, {seen.suspect}' if seen.has_few_steps and seen.suspect else ''
    yield f'{likely_cause(seen)}{also}'


def _causes_in_data(seen: Seen) -> Iterator[str]:
    if seen.uneven:
        yield f'{seen.uneven}: try {hparam.balanced}=true.'
    if twins := seen.twins():
        yield f'{twins:,} training examples equal one of another label: look at them, by data.check.'
    if seen.suspect:
        yield seen.suspect
    if 0 < seen.examples < _FEW_OF_A_LABEL * seen.labels:
        yield f'there are {seen.examples} training examples of {seen.labels} labels; train on more.'
    if seen.training_loss is not None and seen.is_learned and keys.NODE_LOSS not in seen.metrics:
        yield (
            'what was learned of the training examples does not hold for others: train on more, or look at '
            'some and their labels.'
        )
    if not seen.given:
        yield 'the examples hardly tell their labels, at settings that suit most data: look at both.'


def likely_cause(seen: Seen, otherwise: str = '') -> str:
    """Returns why a model has probably learned nothing, and the setting to try.

    If nothing that was given is a cause, that is `otherwise`; '' for the learning rate.
    """
    if seen.cause:
        return f'{seen.cause}.'
    if seen.has_few_steps or (not seen.given and seen.metrics['global_step'] < seen.usual_steps):
        return f'it has taken few steps only; try more {option.epochs}.'
    if seen.given and keys.LEARNING_RATE not in seen.given:
        return f'try {seen.without_given}.'
    rate = f'the learning rate is probably unsuitable; try another {hparam.learning_rate}=...'
    return rate if seen.given or not otherwise else otherwise


def judge_samples(metrics: Mapping[str, float], advice: str) -> str:
    """Returns a sentence with the advice on samples that are all alike; '' for others, and for none."""
    return f'Samples are all alike: {advice}' if metrics.get(keys.DIVERSITY, 1.0) < _ALIKE else ''
