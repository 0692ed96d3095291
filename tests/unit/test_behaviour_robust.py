"""Robust statistics against the plainest way to compute them."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwatch.behaviour import robust

VALUES = st.lists(st.integers(-1000, 1000) | st.floats(-1e6, 1e6), min_size=1, max_size=60)


def naive_mad(values: list[float]) -> float:
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values)


@given(VALUES)
def test_median_and_mad_are_the_plain_ones(values: list[float]) -> None:
    ordered = sorted(values)
    usual = robust.baseline(ordered)
    assert usual.median == statistics.median(values)
    assert usual.mad == pytest.approx(naive_mad(values))


@given(VALUES.filter(lambda values: len(values) > 1), st.data())
def test_one_person_left_out_is_as_if_never_there(values: list[float], data: st.DataObject) -> None:
    ordered = sorted(values)
    place = data.draw(st.integers(0, len(values) - 1))
    rest = ordered[:place] + ordered[place + 1 :]
    assert robust.baseline(robust.Without(ordered, place)) == robust.baseline(rest)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=40))
def test_one_outlier_among_few_does_not_make_high_days(values: list[int]) -> None:
    assert robust.high(sorted([*values, 10**9])) <= max(values)


def test_high_is_the_90th_percentile_of_many() -> None:
    assert robust.high([float(number) for number in range(101)]) == 90


def test_a_score_of_50_is_the_limit_of_iglewicz_and_hoaglin() -> None:
    assert robust.score(3.5) == pytest.approx(50)
    assert robust.score(7) == pytest.approx(75)
    assert robust.score(-2) == 0
    assert robust.score(1e9) <= 100


@given(st.floats(0, 200), st.floats(0, 200))
def test_a_score_grows_with_the_deviation(one: float, other: float) -> None:
    assert (one <= other) <= (robust.score(one) <= robust.score(other))


def test_the_modified_z_score_is_theirs_for_many_values() -> None:
    values = [float(number) for number in range(1001)]  # median 500, MAD 250
    z = robust.deviation(2000, robust.baseline(values), 0.001)
    # The 90th percentile shows a spread of 312, less than the MAD's 370.6.
    assert z == pytest.approx(0.6745 * (2000 - 500) / 250, rel=0.001)


def test_a_mad_of_nothing_does_not_make_everything_an_outlier() -> None:
    """Exports on three days of ten: median and MAD are 0, and yet such a day is usual."""
    usual = robust.baseline(sorted([0.0] * 7 + [4.0, 5.0, 6.0]))
    assert usual.mad == 0
    assert robust.score(robust.deviation(5, usual, 0.5)) < 50
