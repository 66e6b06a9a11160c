"""Whether an evaluation shows that a model has learned nothing, and what to try: what several models say.

`Model.judge` is what a model says. Settings are marked as in errors, see `base.errors`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from estimator_lab.base.errors import hparam, option
from estimator_lab.core import keys

_FEW_STEPS = 200
_FEW_OF_A_LABEL = 5  # examples
_MOSTLY = 0.9  # share of a layer's units
_ALIKE = 0.1  # spread of samples, as a share of that of the images


@dataclass(frozen=True)
class Seen:
    """What is seen of a trained model when its last evaluation has ended.

    Attributes:
      metrics: of the evaluation, by name, with 'global_step'.
      params: the model's parameters.
      pretrained: the same metrics of the phase before the last one; {} without one.
      examples: number of training examples; None if unknown.
      cause: why nothing can be learned from the training examples, as a clause; '' if that is unknown.
      suspect: the same for what is a cause only if no other is known.
      training_loss: of the last step; None if none was taken.
      usual_steps: of a run of the model whose length is not given, at least.
    """

    metrics: Mapping[str, float]
    params: Any = None
    pretrained: Mapping[str, float] = field(default_factory=dict)
    examples: int | None = None
    cause: str = ''
    suspect: str = ''
    training_loss: float | None = None
    usual_steps: int = 0

    @property
    def has_few_steps(self) -> bool:
        """Whether the model has taken few steps only, the likely cause of a bad result."""
        return self.metrics['global_step'] < _FEW_STEPS


def judge_classifier(seen: Seen) -> str:
    """Returns a sentence on guesses, or on units that learn nothing; '' for a result that is not bad.

    Examples:
        >>> from estimator_lab.base.errors import without_dashes
        >>> bad = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 5000}
        >>> without_dashes(judge_classifier(Seen(bad)))
        'The accuracy is no better than always predicting the most frequent label (0.100): the learning rate \
is probably unsuitable; try another learning_rate=...'
    """
    return _judge_accuracy(seen) or _judge_units(seen)


def _judge_accuracy(seen: Seen) -> str:
    metrics = seen.metrics
    majority = metrics.get(keys.MAJORITY_SHARE, 0.0)
    # Two standard errors: guesses are also better than that by chance.
    margin = 2 * math.sqrt(majority * (1 - majority) / max(metrics.get(keys.TOTAL_EXAMPLES, 1), 1))
    if not 0 < majority < 1 or metrics[keys.ACCURACY] > majority + margin:
        return ''
    guess = f'always predicting the most frequent label ({majority:.3f})'
    return f'The accuracy is no better than {guess}: {_cause_of_guesses(seen)}'


def _cause_of_guesses(seen: Seen) -> str:
    """Returns the likeliest cause of guesses: what leaves nothing to learn before what makes it slow."""
    metrics, labels = seen.metrics, len(getattr(seen.params, 'vocabulary', ()))
    given = getattr(seen.params, 'given', None)
    # That of an evaluation is large, too, for what was learned by heart; that of trees is a sum over nodes.
    loss = metrics.get('loss', 0.0) if seen.training_loss is None else seen.training_loss
    loss, guessing = metrics.get(keys.NODE_LOSS) or loss, math.log(max(labels, 1))
    if seen.cause:
        return likely_cause(seen)
    if labels > 1 and not loss <= 2 * guessing:  # also if it is not a number
        return f'training has diverged; try a much smaller {hparam.learning_rate}=...'
    if dead := _dead_layer(metrics):
        cure = _without_given(seen) if given else f'{hparam.activation}=leaky_relu'
        if given and keys.LEARNING_RATE in given:
            cure = f'a smaller {hparam.learning_rate}=...'
        return (
            f'{dead[1]:.0%} of the units of layer {dead[0]} are 0 for all images, with a loss that has not '
            f'grown: try {cure}, and look at the pixels, by data.check.'
        )
    # What was given keeps from learning the training examples; what those lack does not.
    is_learned = loss < guessing / 2
    if not seen.has_few_steps and (is_learned or not given):
        if seen.suspect:
            return seen.suspect
        if seen.examples and seen.examples < _FEW_OF_A_LABEL * labels:
            return f'there are {seen.examples} training examples of {labels} labels; train on more.'
    if keys.NODE_LOSS not in metrics and seen.training_loss is not None and is_learned:
        return 'what was learned of the training examples does not hold for others: look at their labels.'
    if given == () and not seen.has_few_steps:
        return 'the examples hardly tell their labels, at settings that suit most data: look at both.'
    return likely_cause(seen)


def likely_cause(seen: Seen, otherwise: str = '') -> str:
    """Returns why a model has probably learned nothing, and the setting to try.

    Args:
      seen: the result.
      otherwise: the same if nothing that was given is a cause; '' for the learning rate.
    """
    given = getattr(seen.params, 'given', None) or ()
    if seen.cause:
        return f'{seen.cause}.'
    if seen.has_few_steps or (not given and seen.metrics['global_step'] < seen.usual_steps):
        return f'it has taken few steps only; try more {option.epochs}.'
    if given and keys.LEARNING_RATE not in given:
        return f'try {_without_given(seen)}.'
    rate = f'the learning rate is probably unsuitable; try another {hparam.learning_rate}=...'
    return rate if given or not otherwise else otherwise


def _without_given(seen: Seen) -> str:
    given = seen.params.given
    return f'without {", ".join(f"{hparam(name)}={getattr(seen.params, name)}" for name in given)}'


def judge_samples(metrics: Mapping[str, float], advice: str) -> str:
    """Returns a sentence with the advice on samples that are all alike; '' for others, and for none."""
    return f'Samples are all alike: {advice}' if metrics.get(keys.DIVERSITY, 1.0) < _ALIKE else ''


def _judge_units(seen: Seen) -> str:
    dead = _dead_layer(seen.metrics)
    if not dead or seen.metrics.get(keys.ACCURACY) == 1:
        return ''
    name, share = dead
    return (
        f'{share:.0%} of the units of layer {name} are 0 for all images, so that they learn nothing: try a '
        f'smaller {hparam.learning_rate}=...'
    )


def _dead_layer(metrics: Mapping[str, float]) -> tuple[str, float] | None:
    """Returns the layer with the largest share of dead units, and that; None if no layer is mostly dead."""
    shares = {name: value for name, value in metrics.items() if name.startswith(f'{keys.DEAD_UNITS}/')}
    name = max(shares, key=shares.__getitem__, default='')
    return (name.partition('/')[2], shares[name]) if name and shares[name] > _MOSTLY else None
