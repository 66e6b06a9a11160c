import re

import pytest

from estimator_lab.core.judgement import judgement

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
    ({'reconstruction_error': 50.0, 'mean_image_error': 50.0, 'diversity': 0.5}, 'no better than the mean'),
    ({'reconstruction_error': 9.0, 'mean_image_error': 50.0, 'diversity': 0.01}, 'Samples are all alike'),
    ({'diversity': 0.0}, 'Samples are all alike'),
]


@pytest.mark.parametrize('metrics', GOOD)
def test_good_results_get_no_sentence(metrics):
    assert judgement({**metrics, 'global_step': 4000}) == ''


@pytest.mark.parametrize(('metrics', 'words'), BAD)
@pytest.mark.parametrize(('step', 'setting'), [(100, 'more --epochs'), (4000, '--hparams=learning_rate=...')])
def test_bad_results_get_one_with_a_setting(metrics, words, step, setting):
    sentence = judgement({**metrics, 'global_step': step})
    assert re.search(words, sentence) and setting in sentence
