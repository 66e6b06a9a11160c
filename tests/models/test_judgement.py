"""What models say of a result of their own that is bad."""

from types import SimpleNamespace

import pytest

from estimator_lab.base.errors import with_dashes
from estimator_lab.core.judgement import Seen
from estimator_lab.core.registry import find_model

pytestmark = [pytest.mark.both, pytest.mark.trains]


def judgement(model, metrics, params=None, **seen):
    return with_dashes(find_model(model).judge(Seen(metrics, params, **seen)))


def errors(kind, error, **more):
    return {f'{kind}_error': error, 'mean_image_error': 50.0, **more}


GIVEN = SimpleNamespace(given=('learning_rate',))
CLASSIFIER = {'accuracy': 0.97, 'majority_share': 0.1, 'total_examples': 400}
LOST = {'discriminator_accuracy_real': 0.99, 'discriminator_accuracy_fake': 1.0}
GOOD = [
    ('dbn', CLASSIFIER),
    ('autoencoder', errors('squared', 9.0)),
    ('autoencoder', errors('squared', 30.0, floats_per_image=2.0)),
    ('rbm', errors('reconstruction', 9.0, diversity=0.5)),
    ('gan', {'discriminator_accuracy_real': 0.7, 'diversity': 0.8}),
    ('gan', {**LOST, 'discriminator_accuracy_real': 0.79, 'diversity': 0.8}),  # the mean is 0.895
    ('style', {'perceptual_loss': 3.0}),
]
BAD = [
    ('dbn', {'accuracy': 0.1, 'majority_share': 0.1}, 'most frequent label (0.100)'),
    ('autoencoder', errors('squared', 51.0), 'no better than the mean image, whose error is 50'),
    ('autoencoder', errors('squared', 48.0), 'hardly better than the mean image'),
    (
        'autoencoder',
        errors('squared', 26.0, floats_per_image=30.0),
        'is 26, are not much better',
    ),
    ('rbm', errors('reconstruction', 50.0, diversity=0.5), 'hardly better'),
    ('rbm', errors('reconstruction', 9.0, diversity=0.01), 'Samples are all alike'),
    ('gan', {'diversity': 0.0}, 'Samples are all alike'),
    (
        'gan',
        {**LOST, 'diversity': 0.5},
        'The discriminator has won: it recognises 99% of the images and 100% of the samples: ',
    ),
    (
        'gan',
        {**LOST, 'discriminator_accuracy_real': 0.84, 'diversity': 0.5},
        'it recognises 84% of the images and 100% of the samples: ',
    ),
]


@pytest.mark.parametrize(('model', 'metrics'), GOOD)
def test_good_results_get_no_sentence(model, metrics):
    assert judgement(model, {**metrics, 'global_step': 4000}, pretrained={'diversity': 0.7}) == ''


@pytest.mark.parametrize(('model', 'metrics', 'words'), BAD)
@pytest.mark.parametrize(('step', 'setting'), [(100, 'more --epochs'), (4000, '--hparams=learning_rate=...')])
def test_bad_results_get_one_with_a_setting(model, metrics, words, step, setting):
    sentence = judgement(model, {**metrics, 'global_step': step}, params=GIVEN)
    assert words in sentence and setting in sentence


@pytest.mark.parametrize(
    ('diversity', 'words'),
    [
        (0.05, 'Samples are all alike: try a higher --hparams=pretrain_epochs=...'),
        (0.56, 'Samples of the machines differ less than the images (diversity 0.56): try a '),
    ],
)
def test_samples_of_the_machines_below_a_classifier_are_judged(diversity, words):
    below = {'diversity': diversity, 'global_step': 4000}
    sentence = judgement('dbn', {**CLASSIFIER, 'global_step': 9000}, pretrained=below)
    assert sentence.startswith(words)


def test_binary_units_are_a_likely_cause():
    params = SimpleNamespace(visible_units='bernoulli')
    bad = {'reconstruction_error': 0.2, 'mean_image_error': 0.19, 'diversity': 0.5, 'global_step': 4500}
    advice = 'for images without black and white try --hparams=visible_units=gaussian'
    assert advice in judgement('rbm', bad, params)
    below = {'diversity': 0.05}
    alike = judgement('dbn', {**CLASSIFIER, 'global_step': 9000}, params, pretrained=below)
    assert alike.startswith('Samples are all alike: for images without black and white try')
    assert 'else' in alike
    assert 'gaussian' not in judgement('rbm', {**bad, 'global_step': 100}, params)
    assert 'gaussian' not in judgement('rbm', bad, SimpleNamespace(visible_units='gaussian'))
    faster = SimpleNamespace(visible_units='bernoulli', given=('learning_rate',))
    assert 'try another --hparams=learning_rate=...' in judgement('rbm', bad, faster)


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ((), ': it has taken few steps only; try more --epochs.'),
        (('learning_rate',), ': the learning rate is probably unsuitable'),
        (('hidden_units',), ': try without --hparams=hidden_units=3.'),
    ],
)
@pytest.mark.parametrize('model', ['rbm', 'autoencoder'])
def test_fewer_steps_than_usual_are_a_cause_if_nothing_else_was_given(model, given, words):
    """A machine that takes 4,500 steps, if it may, is not to blame after 400."""
    params = SimpleNamespace(visible_units='bernoulli', given=given, hidden_units=3)
    bad = {'mean_image_error': 7.3, 'reconstruction_error': 7.29, 'squared_error': 7.29, 'global_step': 400}
    assert words in judgement(model, bad, params, usual_steps=4500)
    assert 'few steps' not in judgement(model, bad, params, usual_steps=400)


def test_a_lost_generator_is_told_what_may_help():
    sentence = judgement('gan', {**LOST, 'global_step': 4000})
    assert sentence.endswith(': try --hparams=diff_augment=true, or a smaller --hparams=learning_rate=...')
