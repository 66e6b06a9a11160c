"""Ticks are round, evenly spaced and enclose the values."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator_lab.inference.report.charts import round_ticks

NUMBERS = st.floats(-1e12, 1e12, allow_nan=False, allow_subnormal=False)


@given(NUMBERS, NUMBERS)
def test_ticks_enclose_the_values(one, other):
    low, high = min(one, other), max(one, other)
    ticks = round_ticks(low, high)
    slack = 1e-6 * (high - low)
    assert ticks[0] <= low + slack and ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= 8 and ticks == sorted(set(ticks))


@pytest.mark.parametrize('span', [(0.0312, 0.803), (1.21, 2.3), (12, 501), (1e-7, 3e-7)])
def test_steps_are_1_2_or_5_times_a_power_of_ten_or_a_quarter(span):
    ticks = round_ticks(*span)
    step = Fraction(ticks[1] - ticks[0])
    mantissa = step / Fraction(10) ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(float(mantissa) - round_) for round_ in (1, 2, 2.5, 5, 10)) < 1e-6


@given(st.floats(0, 1), st.floats(0, 1))
def test_ticks_of_shares_are_shares(one, other):
    ticks = round_ticks(min(one, other), max(one, other))
    assert ticks[0] >= 0 and ticks[-1] <= 1


def test_an_axis_does_not_leave_the_possible():
    assert round_ticks(1.0, 1.0)[-1] == 1.0  # an accuracy
    assert round_ticks(0.0, 0.0)[0] == 0.0  # a share of dead units
    assert round_ticks(0.02, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


@pytest.mark.parametrize('span', [(-3.4e38, 3.4e38), (1e8, 1e8 + 1e-8), (1e38, 1.1e38), (0.0, 1e-45)])
def test_extreme_values_have_ticks(span):
    assert len(round_ticks(*span)) >= 2 and all(map(math.isfinite, round_ticks(*span)))
