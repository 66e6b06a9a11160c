"""The sentence about a model that has learned nothing."""

import re
from types import SimpleNamespace

import pytest

from estimator_lab.base.errors import with_dashes, without_dashes
from estimator_lab.core.judgement import judgement as marked


def judgement(*arguments):
    return with_dashes(marked(*arguments))


AUTOENCODER = {'squared_error': 9.0, 'mean_image_error': 50.0, 'floats_per_image': 30.0}
SIZES = {'image_shape': (32, 32, 1), 'kind': 'dense', 'layer_sizes': (1000, 30)}
GOOD = [
    {'accuracy': 0.97, 'majority_share': 0.1, 'total_examples': 400},
    {'accuracy': 1.0, 'majority_share': 1.0, 'total_examples': 8},  # a single label
    {'accuracy': 0.94, 'majority_share': 0.9, 'total_examples': 1000},
    {'squared_error': 9.0, 'mean_image_error': 50.0},
    {'reconstruction_error': 9.0, 'mean_image_error': 50.0, 'diversity': 0.5},
    {'discriminator_accuracy_real': 0.7, 'diversity': 0.8},
    {'perceptual_loss': 3.0},
]
BAD = [
    ({'accuracy': 0.117, 'majority_share': 0.103, 'total_examples': 360}, r'most frequent label \(0.103\)'),
    ({'accuracy': 0.88, 'majority_share': 0.9, 'total_examples': 1000}, r'most frequent label \(0.900\)'),
    ({'squared_error': 51.0, 'mean_image_error': 50.0}, 'the mean image, whose error is 50'),
    ({'squared_error': 48.0, 'mean_image_error': 50.0}, 'the mean image, whose error is 50'),
    ({'reconstruction_error': 50.0, 'mean_image_error': 50.0, 'diversity': 0.5}, 'hardly better'),
    ({'reconstruction_error': 9.0, 'mean_image_error': 50.0, 'diversity': 0.01}, 'Samples are all alike'),
    ({'diversity': 0.0}, 'Samples are all alike'),
]


@pytest.mark.parametrize('metrics', GOOD)
def test_good_results_get_no_sentence(metrics):
    assert judgement({**metrics, 'global_step': 4000}, {'diversity': 0.5}) == ''


@pytest.mark.parametrize(
    ('more', 'words'),
    [
        ({'dead_units/dense': 1.0}, 'training has diverged; try a much smaller --hparams=learning_rate=...'),
        ({'loss': 5.0}, 'training has diverged'),
        ({'loss': 2.4, 'dead_units/dense': 0.5}, 'it has taken few steps only'),
    ],
)
def test_a_run_that_diverged_in_few_steps_is_not_told_to_take_more(more, words):
    params = SimpleNamespace(vocabulary=tuple('0123456789'))
    bad = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 60}
    assert words in judgement({**bad, **more}, {}, params)


def test_a_dead_layer_is_said_of_a_good_result_too():
    sentence = judgement({**GOOD[0], 'global_step': 4000, 'dead_units/conv2': 0.93, 'dead_units/dense': 0.2})
    assert sentence.startswith('93% of the units of layer conv2 are 0 for all images')


@pytest.mark.parametrize(('metrics', 'words'), BAD)
@pytest.mark.parametrize(('step', 'setting'), [(100, 'more --epochs'), (4000, '--hparams=learning_rate=...')])
def test_bad_results_get_one_with_a_setting(metrics, words, step, setting):
    sentence = judgement({**metrics, 'global_step': step})
    assert re.search(words, sentence) and setting in sentence


def test_samples_of_the_machines_below_a_classifier_are_judged():
    sentence = judgement({**GOOD[0], 'global_step': 9000}, {'diversity': 0.05, 'global_step': 4000})
    assert sentence.startswith('Samples are all alike: try a higher --hparams=pretrain_epochs=...')


def test_binary_units_are_a_likely_cause():
    params = SimpleNamespace(visible_units='bernoulli')
    bad = {'reconstruction_error': 0.2, 'mean_image_error': 0.19, 'diversity': 0.5, 'global_step': 4500}
    assert 'for images without black and white try --hparams=visible_units=gaussian' in judgement(
        bad, {}, params
    )
    alike = judgement({**GOOD[0], 'global_step': 9000}, {'diversity': 0.05}, params)
    assert (
        alike.startswith('Samples are all alike: for images without black and white try') and 'else' in alike
    )
    assert 'gaussian' not in judgement({**bad, 'global_step': 100}, {}, params)
    assert 'gaussian' not in judgement(bad, {}, SimpleNamespace(visible_units='gaussian'))


@pytest.mark.parametrize(
    ('images', 'sizes', 'is_warned'),
    [
        (140, {}, True),
        (1024, {}, False),  # as many as an image has values
        (None, {}, False),
        (140, {'layer_sizes': (30,)}, False),  # what the sentence suggests
        (140, {'kind': 'convolutional'}, False),
    ],
)
def test_an_autoencoder_of_few_images_is_compared_with_principal_components(images, sizes, is_warned):
    params = SimpleNamespace(**{**SIZES, **sizes})
    sentence = judgement({**AUTOENCODER, 'global_step': 2000}, {}, params, images)
    assert sentence.endswith('try --hparams=layers=30,output=linear, which comes closer.') == is_warned
    assert sentence.startswith('140 images of 1,024 values each are few') == is_warned


def test_the_loss_of_trees_is_judged_by_node():
    """It is a sum over the labelled nodes of a tree: docs/recursive.md's own example was said to diverge."""
    params = SimpleNamespace(vocabulary=tuple('01234'))
    bad = {'accuracy': 0.5, 'majority_share': 0.5, 'total_examples': 2, 'global_step': 20, 'loss': 6.9}
    assert 'diverged' in judgement(bad, {}, params)
    assert 'few steps only' in judgement({**bad, 'node_loss': 1.4}, {}, params)
    assert 'diverged' in judgement({**bad, 'node_loss': 4.0}, {}, params)
    assert 'diverged' in judgement({**bad, 'node_loss': 0.0}, {}, params), 'only roots have labels'


def test_programs_see_no_dashes():
    bad = {'accuracy': 0.1, 'majority_share': 0.1, 'total_examples': 400, 'global_step': 60}
    assert without_dashes(marked(bad)).endswith('it has taken few steps only; try more epochs.')
