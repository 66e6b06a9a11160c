from estimator_lab.core.display.drawing import DoublingTimer


def due(apart, steps):
    timer = DoublingTimer(apart)
    return [step for step in range(1, steps + 1) if timer.is_due(step)]


def test_steps_double_up_to_a_distance():
    assert due(500, 300) == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert due(10, 50) == [1, 2, 4, 8, 16, 26, 36, 46]
    assert due(1, 5) == [1, 2, 3, 4, 5]
