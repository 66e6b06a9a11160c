"""The sentence about a classifier that has learned nothing."""

import re
from types import SimpleNamespace

import pytest

from estimator_lab.base.errors import with_dashes
from estimator_lab.core.judgement import Seen, judge_classifier

pytestmark = pytest.mark.both

PARAMS = {'vocabulary': tuple('0123456789'), 'learning_rate': 9, 'activation': 'sigmoid', 'layers': '64-1-64'}
BAD = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 900, 'loss': 2.3}
GUESSES = 'The accuracy is no better than always predicting the most frequent label (0.100): '


def judgement(metrics=(), seen=(), **params):
    """Judges a bad result but for what is given."""
    params = SimpleNamespace(**{**PARAMS, **params})
    return with_dashes(judge_classifier(Seen({**BAD, **dict(metrics)}, params, **dict(seen))))


DEAD = {'dead_units/dense': 1.0}
BLACK = {'cause': 'all pixels are black'}
GREY = {'suspect': 'the images are read as grey'}
TWINS = {'twins': lambda: 1200, **GREY}
RATE = {'given': ('learning_rate',)}
DIVERGED = 'training has diverged; try a much smaller --hparams=learning_rate=...'
ALL_DEAD = '100% of the units of layer dense are 0 for all images, with a loss that has not grown: try '
FEW_STEPS = 'it has taken few steps only; try more --epochs.'
FEW_EXAMPLES = 'there are 49 training examples of 10 labels; train on more.'
OF_THE_RATE = 'the learning rate is probably unsuitable; try another --hparams=learning_rate=...'
NOT_FOR_OTHERS = 'what was learned of the training examples does not hold for others: train on more, or look '
EQUAL = '1,200 training examples equal one of another label: look at them, by data.check.'
HARDLY = 'the examples hardly tell their labels, at settings that suit most data'
UNEVEN = {'training_loss': 0.05, 'counts': {'a': 990, 'b': 10}}


@pytest.mark.parametrize(
    ('metrics', 'params', 'seen', 'cause'),
    [
        # A run that diverged in few steps is not told to take more.
        ({'loss': 5.0, 'global_step': 60}, {}, {}, DIVERGED),
        ({'loss': float('nan'), 'global_step': 60, **DEAD}, {}, {}, DIVERGED),
        ({'dead_units/dense': 0.5, 'global_step': 60}, {}, {}, FEW_STEPS),
        # The loss of trees is a sum over their labelled nodes; it is judged by node, if any has a label.
        ({'loss': 6.9, 'global_step': 60, 'node_loss': 1.4}, {}, {}, FEW_STEPS),
        ({'loss': 6.9, 'global_step': 60, 'node_loss': 5.0}, {}, {}, DIVERGED),
        ({'loss': 6.9, 'global_step': 60, 'node_loss': 0.0}, {}, {}, DIVERGED),
        # Dead units are blamed on the settings that were given.
        ({'global_step': 60, **DEAD}, {}, {}, f'{ALL_DEAD}--hparams=activation=leaky_relu, and'),
        (DEAD, {'given': ('layers',)}, {}, f'{ALL_DEAD}without --hparams=layers=64-1-64, and look at the'),
        (DEAD, {'given': ('layers', 'learning_rate')}, {}, f'{ALL_DEAD}a smaller --hparams=learning_rate='),
        # Of several causes the likeliest is told.
        (DEAD, {}, BLACK, 'all pixels are black.'),
        ({'loss': 50.0}, {}, BLACK, 'all pixels are black.'),
        ({}, {}, GREY, 'the images are read as grey'),
        (DEAD, {}, GREY, ALL_DEAD),
        ({'global_step': 60}, {}, GREY, f'{FEW_STEPS} Also, the images are read as grey'),
        ({'global_step': 150}, {}, {'training_loss': 0.1}, FEW_STEPS),
        # Of labels is spoken first if some are known to be wrong, and else last.
        ({}, {}, TWINS, EQUAL),
        ({}, RATE, {'training_loss': 2.3, **TWINS}, OF_THE_RATE),
        ({'global_step': 60}, {}, TWINS, FEW_STEPS),
        ({}, {}, {'counts': {'0': 49}}, FEW_EXAMPLES),
        ({}, {}, {'counts': {'0': 50}}, HARDLY),
        ({'global_step': 100}, RATE, {}, FEW_STEPS),
        # The loss of an evaluation is large after training on wrong labels, too.
        ({'loss': 9.0}, RATE, {'training_loss': 2.3}, OF_THE_RATE),
        (
            {'loss': 9.0},
            {'given': ('activation', 'layers')},
            {'training_loss': 2.3},
            'try without --hparams=activation=sigmoid, --hparams=layers=64-1-64.',
        ),
        ({'loss': 9.0}, {'given': ('activation',)}, {'training_loss': 0.1}, NOT_FOR_OTHERS),
        ({'loss': 9.0}, {}, {'training_loss': 2.3}, HARDLY),
        ({}, {}, {'training_loss': 8.0}, DIVERGED),
        ({}, {}, {'training_loss': float('nan')}, DIVERGED),
        # What was given is to blame if the training examples were not learned, and else the data.
        ({}, RATE, {'training_loss': 2.3, **GREY}, OF_THE_RATE),
        ({}, RATE, {'training_loss': 0.1, **GREY}, 'the images are read as grey'),
        ({}, RATE, {'training_loss': 2.3, 'counts': {'0': 49}}, OF_THE_RATE),
        ({}, RATE, {'training_loss': 0.1, 'counts': {'0': 49}}, FEW_EXAMPLES),
        # Uneven labels are a cause that balanced cures: ten times as many of one as of another.
        ({}, {'balanced': False}, UNEVEN, "990 training examples are 'a', only 10 'b': try --hparams=bala"),
        ({}, {'balanced': False}, {**UNEVEN, 'counts': {'a': 50, 'b': 5, '': 1}}, '50 training examples are'),
        ({}, {'balanced': False}, {**UNEVEN, 'counts': {'a': 990, 'b': 100}}, NOT_FOR_OTHERS),
        ({}, {'balanced': True}, UNEVEN, NOT_FOR_OTHERS),
        ({'global_step': 60}, {'balanced': False}, {**UNEVEN, 'training_loss': 2.0}, FEW_STEPS),
    ],
)
def test_the_likeliest_cause_is_told(metrics, params, seen, cause):
    assert judgement(metrics, seen, **params).startswith(GUESSES + cause)


@pytest.mark.parametrize(
    ('accuracy', 'by_class', 'majority', 'images', 'labels', 'is_bad'),
    [
        (0.117, 0.0, 0.103, 360, 10, True),
        (0.88, 0.0, 0.9, 1000, 10, True),
        (0.97, 0.0, 0.1, 400, 10, False),
        (1.0, 0.0, 1.0, 8, 10, False),  # a single label
        (0.94, 0.0, 0.9, 1000, 10, False),
        # Of 60 test images, 57 are of one label and 3 of the other; of 300, 150 each.
        (1.0, 1.0, 0.95, 60, 2, False),  # the interval of a guess's accuracy ends above 1
        (0.9, 0.95, 0.95, 60, 2, False),  # weighted classes: fewer of the frequent
        (0.95, 0.5, 0.95, 60, 2, True),
        (0.9667, 0.6667, 0.95, 60, 2, True),  # one of three, as by chance
        (0.5, 0.5, 0.5, 60, 2, True),
        (0.847, 0.847, 0.5, 60, 2, False),
    ],
)
def test_what_is_no_better_than_guesses(accuracy, by_class, majority, images, labels, is_bad):
    metrics = {'accuracy': accuracy, 'mean_per_class_accuracy': by_class, 'majority_share': majority}
    found = judgement({**metrics, 'total_examples': images}, BLACK, vocabulary=PARAMS['vocabulary'][:labels])
    assert found == (GUESSES.replace('0.100', f'{majority:.3f}') + 'all pixels are black.') * is_bad


def test_a_dead_layer_is_said_of_a_good_result_too_unless_every_image_is_right():
    dead = {'dead_units/conv2': 0.93, 'dead_units/dense': 0.2}
    assert judgement({'accuracy': 0.97, **dead}).startswith('93% of the units of layer conv2 are 0 for all')
    assert judgement({'accuracy': 1.0, **dead}) == ''


@pytest.mark.parametrize(
    ('accuracy', 'metrics', 'seen', 'is_said'),
    [
        (0.42, {}, GREY, True),
        (0.42, {}, {}, False),
        (0.42, {'global_step': 60}, GREY, False),
        # Half of the way from the guesses, 0.1, to 1 is 0.55.
        (0.54, {}, GREY, True),
        (0.56, {}, GREY, False),
    ],
)
def test_what_is_suspected_is_said_of_a_poor_result_too(accuracy, metrics, seen, is_said):
    said = judgement({'accuracy': accuracy, 'mean_per_class_accuracy': accuracy, **metrics}, seen)
    assert said == f'An accuracy of {accuracy:.3f} is poor: the images are read as grey' * is_said


def test_models_without_an_accuracy_are_not_judged():
    assert judge_classifier(Seen({'perceptual_loss': 3.0, 'global_step': 4000})) == ''


@pytest.mark.parametrize(
    ('of_classes', 'counts', 'words'),
    [
        # One of three by chance: the others have 0.9, so that all three fail once in a thousand times.
        (
            [(0, 3), (45, 50), (45, 50)],
            {'a': 3, 'b': 50, 'c': 55},
            "0% of 'a'.*there are 3 .* 'a', and 50 of.*--augment=",
        ),
        ([(0, 2), (45, 50), (45, 50)], {}, ''),  # once in a hundred
        ([(12, 40), (45, 50), (45, 50)], {'a': 40, 'b': 50, 'c': 55}, "30% of 'a', far.*evaluate shows what"),
        ([(20, 40), (45, 50), (45, 50)], {}, ''),  # more than half as often
        ([(45, 50), (0, 9), (2, 50)], {}, "0% of 'b', 4% of 'c', far"),
        ([(45, 50), (0, 0), (45, 50)], {}, ''),
        ([], {}, ''),
    ],
)
def test_classes_that_are_lost_are_named(of_classes, counts, words):
    good = {**BAD, 'accuracy': 0.84, 'mean_per_class_accuracy': 0.8}
    said = judgement(good, {'of_classes': of_classes, 'counts': counts}, vocabulary=('a', 'b', 'c'))
    assert re.search(words, said) if words else said == ''
