"""The sentence about a classifier that has learned nothing."""

from types import SimpleNamespace

import pytest

from estimator_lab.base.errors import with_dashes, without_dashes
from estimator_lab.core.judgement import Seen, judge_classifier


def judgement(metrics, params=None):
    return with_dashes(judge_classifier(Seen(metrics, params)))


GIVEN = SimpleNamespace(given=('learning_rate',))
GOOD = [
    {'accuracy': 0.97, 'majority_share': 0.1, 'total_examples': 400},
    {'accuracy': 1.0, 'majority_share': 1.0, 'total_examples': 8},  # a single label
    {'accuracy': 0.94, 'majority_share': 0.9, 'total_examples': 1000},
    {'perceptual_loss': 3.0},
]
BAD = [
    ({'accuracy': 0.117, 'majority_share': 0.103, 'total_examples': 360}, 'most frequent label (0.103)'),
    ({'accuracy': 0.88, 'majority_share': 0.9, 'total_examples': 1000}, 'most frequent label (0.900)'),
]


@pytest.mark.parametrize('metrics', GOOD)
def test_good_results_get_no_sentence(metrics):
    assert judgement({**metrics, 'global_step': 4000}) == ''


@pytest.mark.parametrize(
    ('more', 'words'),
    [
        ({'loss': 5.0}, 'training has diverged; try a much smaller --hparams=learning_rate=...'),
        ({'loss': float('nan'), 'dead_units/dense': 1.0}, 'training has diverged'),
        ({'loss': 2.3, 'dead_units/dense': 1.0}, '100% of the units of layer dense are 0 for all images'),
        ({'loss': 2.3, 'dead_units/dense': 1.0}, 'try --hparams=activation=leaky_relu'),
        ({'loss': 2.4, 'dead_units/dense': 0.5}, 'it has taken few steps only'),
    ],
)
def test_a_run_that_diverged_in_few_steps_is_not_told_to_take_more(more, words):
    params = SimpleNamespace(vocabulary=tuple('0123456789'))
    bad = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 60}
    assert words in judgement({**bad, **more}, params)


def test_a_dead_layer_is_said_of_a_good_result_too():
    sentence = judgement({**GOOD[0], 'global_step': 4000, 'dead_units/conv2': 0.93, 'dead_units/dense': 0.2})
    assert sentence.startswith('93% of the units of layer conv2 are 0 for all images')


def test_nothing_alarms_where_every_image_is_right():
    assert judgement({**GOOD[0], 'accuracy': 1.0, 'global_step': 4000, 'dead_units/conv2': 0.93}) == ''


@pytest.mark.parametrize(('metrics', 'words'), BAD)
@pytest.mark.parametrize(('step', 'setting'), [(100, 'more --epochs'), (4000, '--hparams=learning_rate=...')])
def test_bad_results_get_one_with_a_setting(metrics, words, step, setting):
    sentence = judgement({**metrics, 'global_step': step}, GIVEN)
    assert words in sentence and setting in sentence


def test_the_loss_of_trees_is_judged_by_node():
    """It is a sum over the labelled nodes of a tree: docs/recursive.md's own example was said to diverge."""
    params = SimpleNamespace(vocabulary=tuple('01234'))
    bad = {'accuracy': 0.5, 'majority_share': 0.5, 'total_examples': 2, 'global_step': 20, 'loss': 6.9}
    assert 'diverged' in judgement(bad, params)
    assert 'few steps only' in judgement({**bad, 'node_loss': 1.4}, params)
    assert 'diverged' in judgement({**bad, 'node_loss': 4.0}, params)
    assert 'diverged' in judgement({**bad, 'node_loss': 0.0}, params), 'only roots have labels'


@pytest.mark.parametrize(
    ('more', 'seen', 'words'),
    [
        ({'dead_units/dense': 1.0}, {'cause': 'all pixels are black'}, ': all pixels are black.'),
        ({'loss': 50.0}, {'cause': 'all pixels are black'}, ': all pixels are black.'),
        ({}, {'suspect': 'the images are read as grey'}, ': the images are read as grey'),
        ({'dead_units/dense': 1.0}, {'suspect': 'the images are read as grey'}, 'units of layer dense are 0'),
        ({'global_step': 60}, {'suspect': 'the images are read as grey'}, 'few steps only'),
        ({}, {'counts': {'0': 49}}, ': there are 49 training examples of 10 labels; train on more.'),
        ({}, {'counts': {'0': 50}}, 'hardly tell their labels'),
    ],
)
def test_guesses_have_one_cause_the_likeliest(more, seen, words):
    params = SimpleNamespace(vocabulary=tuple('0123456789'))
    bad = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 900, 'loss': 2.3}
    sentence = judge_classifier(Seen({**bad, **more}, params, **seen))
    assert words in with_dashes(sentence)
    good = judge_classifier(Seen({**bad, 'accuracy': 0.9}, params, **seen))
    assert good == ''


@pytest.mark.parametrize(
    ('given', 'seen', 'words'),
    [
        (('learning_rate',), {}, 'the learning rate is probably unsuitable'),
        (
            ('activation', 'layers'),
            {},
            ': try without --hparams=activation=sigmoid, --hparams=layers=1.',
        ),
        (
            ('activation',),
            {'training_loss': 0.1},
            ': what was learned of the training examples does not hold',
        ),
        (
            (),
            {'training_loss': 2.3},
            ': the examples hardly tell their labels, at settings that suit most data',
        ),
        ((), {'training_loss': 8.0}, 'training has diverged'),
        ((), {'training_loss': float('nan')}, 'training has diverged'),
    ],
)
@pytest.mark.parametrize('loss', [2.3, 9.0])
def test_what_was_given_and_what_was_fitted_tell_the_cause(loss, given, seen, words):
    """The loss of an evaluation is large after training on wrong labels, too."""
    params = SimpleNamespace(
        vocabulary=tuple('0123456789'), given=given, learning_rate=9, activation='sigmoid', layers='1'
    )
    bad = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 900, 'loss': loss}
    found = Seen(bad, params, **{'training_loss': 2.3, **seen})
    assert words in with_dashes(judge_classifier(found))


@pytest.mark.parametrize(
    ('given', 'cure'),
    [
        (('layers',), 'try without --hparams=layers=64-1-64, and look at the pixels'),
        (('layers', 'learning_rate'), 'try a smaller --hparams=learning_rate=..., and'),
        ((), 'try --hparams=activation=leaky_relu, and'),
    ],
)
def test_dead_units_are_of_the_settings_that_were_given(given, cure):
    params = SimpleNamespace(vocabulary=tuple('0123456789'), given=given, layers='64-1-64', learning_rate=9)
    bad = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 900, 'loss': 2.3}
    sentence = with_dashes(judge_classifier(Seen({**bad, 'dead_units/dense': 1.0}, params)))
    assert cure in sentence


@pytest.mark.parametrize(
    ('seen', 'words'),
    [({'suspect': 'the images are read as grey'}, 'read as grey'), ({'counts': {'0': 40}}, 'train on more')],
)
@pytest.mark.parametrize(('loss', 'is_learned'), [(2.3, False), (0.1, True)])
def test_what_was_given_is_to_blame_if_the_training_examples_were_not_learned(seen, words, loss, is_learned):
    params = SimpleNamespace(vocabulary=tuple('0123456789'), given=('learning_rate',), learning_rate=1e-9)
    bad = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 900, 'loss': loss}
    sentence = judge_classifier(Seen(bad, params, training_loss=loss, **seen))
    assert (words in sentence) == is_learned
    assert ('the learning rate is probably unsuitable' in sentence) != is_learned


def test_programs_see_no_dashes():
    bad = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 60}
    assert without_dashes(judge_classifier(Seen(bad))).endswith(
        'it has taken few steps only; try more epochs.'
    )


# Of 60 test images, 57 are of one label and 3 of the other; of 300, 150 each.
@pytest.mark.parametrize(
    ('metrics', 'is_bad'),
    [
        ({'accuracy': 1.0, 'mean_per_class_accuracy': 1.0}, False),
        (
            {'accuracy': 0.9, 'mean_per_class_accuracy': 0.95},
            False,
        ),  # weighted classes: fewer of the frequent
        ({'accuracy': 0.95, 'mean_per_class_accuracy': 0.5}, True),
        ({'accuracy': 0.9667, 'mean_per_class_accuracy': 0.6667}, True),  # one of three, as by chance
        ({'accuracy': 0.5, 'mean_per_class_accuracy': 0.5, 'majority_share': 0.5}, True),
        ({'accuracy': 0.847, 'mean_per_class_accuracy': 0.847, 'majority_share': 0.5}, False),
    ],
)
def test_uneven_test_images_are_judged_by_class_too(metrics, is_bad):
    """An accuracy of 1 was said to be no better than guesses, whose interval ends above 1."""
    known = {'majority_share': 0.95, 'total_examples': 60, 'global_step': 900, 'loss': 0.1, **metrics}
    params = SimpleNamespace(vocabulary=('a', 'b'), given=())
    assert bool(judgement(known, params)) == is_bad


@pytest.mark.parametrize(
    ('counts', 'balanced', 'words'),
    [
        (
            {'a': 990, 'b': 10},
            False,
            ": 990 training examples are 'a', only 10 'b': try --hparams=balanced=true.",
        ),
        ({'a': 50, 'b': 5, '': 1}, False, 'balanced=true'),
        ({'a': 990, 'b': 10}, True, 'look at their labels; data.check finds equal images with different'),
        ({'a': 990, 'b': 100}, False, 'look at their labels'),
        ({}, False, 'look at their labels'),
    ],
)
def test_uneven_training_labels_are_a_cause_that_balanced_cures(counts, balanced, words):
    params = SimpleNamespace(vocabulary=('a', 'b'), given=(), balanced=balanced)
    bad = {'accuracy': 0.5, 'majority_share': 0.5, 'total_examples': 300, 'global_step': 900, 'loss': 2.0}
    sentence = judge_classifier(Seen(bad, params, counts=counts, training_loss=0.05))
    assert words in with_dashes(sentence)
    few = judge_classifier(Seen({**bad, 'global_step': 60}, params, counts=counts, training_loss=0.6))
    assert 'few steps' in few
