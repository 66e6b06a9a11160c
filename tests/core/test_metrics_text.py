import pytest

from estimator_lab.core.metrics_text import images_text, worth_showing

pytestmark = pytest.mark.both


@pytest.mark.parametrize(
    ('taken', 'total', 'words'),
    [
        (400.0, 400, '400 unseen images'),
        (1.0, 1, '1 unseen image'),
        (1.0, 2, '1 of 2 unseen images'),
        (64.0, 2000, '64 of 2,000 unseen images'),  # --eval_steps, unknown labels, bad images
        (64.0, 0, '64 unseen images'),  # their number is unknown
        (None, 24, '24 unseen images'),  # a model function that does not say
    ],
)
def test_how_many_images_were_evaluated(taken, total, words):
    metrics = {} if taken is None else {'total_examples': taken}
    assert images_text(metrics, total, 'unseen images') == words


def test_counts_in_the_sentence_are_not_listed_as_well():
    metrics = {'accuracy': 0.5, 'total_examples': 3.0, 'global_step': 4, 'unknown_labels': 0.0}
    assert worth_showing(metrics) == [('accuracy', 0.5)]
    assert worth_showing({**metrics, 'unknown_labels': 2.0}) == [('accuracy', 0.5), ('unknown_labels', 2.0)]
