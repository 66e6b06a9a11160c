import numpy as np

from estimator_lab.core.metrics.top_k import TopK


def test_only_the_worst_are_kept_and_made():
    rng = np.random.default_rng(1)
    values, made = rng.integers(0, 30, 200).tolist(), []
    worst = TopK(5)
    for n, value in enumerate(values):
        worst.offer(value, lambda n=n: made.append(n) or n)
    assert worst.ranked() == sorted(range(200), key=lambda n: (-values[n], n))[:5]
    assert len(made) < 60
    nothing = TopK(0)
    nothing.offer(1.0, lambda: 1)
    assert nothing.ranked() == []


def test_what_is_no_number_is_the_worst():
    worst = TopK(2)
    for badness in (1.0, float('nan'), 3.0):
        worst.offer(badness, lambda badness=badness: badness)
    assert np.isnan(worst.ranked()[0]) and worst.ranked()[1] == 3.0
