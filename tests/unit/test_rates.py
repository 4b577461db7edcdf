"""Token buckets for many keys, in bounded memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartchat.rates import KEPT, Rates


def taken(rates: Rates, key: str, now: float, tries: int) -> int:
    """How many of so many tries at one instant pass."""
    return sum(rates.take(key, now) == 0 for _ in range(tries))


def test_a_burst_is_three_seconds_worth_and_then_it_is_the_rate() -> None:
    rates = Rates(10)
    assert taken(rates, "ann", 0, 100) == 30
    assert taken(rates, "ann", 1, 100) == 10
    assert taken(rates, "ann", 1.5, 100) == 5


def test_a_burst_can_be_given() -> None:
    rates = Rates(1, 60)
    assert taken(rates, "ann", 0, 100) == 60
    assert taken(rates, "ann", 10, 100) == 10


def test_what_is_not_used_does_not_add_up_beyond_a_burst() -> None:
    rates = Rates(10)
    assert taken(rates, "ann", 0, 1) == 1
    assert taken(rates, "ann", 1_000_000, 100) == 30


def test_zero_is_no_limit_and_keeps_nothing() -> None:
    rates = Rates(0)
    assert taken(rates, "ann", 0, 100_000) == 100_000
    assert rates.spend("ann", 0, 100_000) == 0
    assert len(rates) == 0


def test_an_empty_key_is_nobody_s_and_never_refused() -> None:
    rates = Rates(1)
    assert taken(rates, "", 0, 1000) == 1000
    assert rates.spend("", 0, 1000) == 0
    assert len(rates) == 0


def test_below_one_a_second_one_still_passes_at_once() -> None:
    rates = Rates(0.1)
    assert taken(rates, "ann", 0, 5) == 1
    assert taken(rates, "ann", 9.9, 5) == 0
    assert taken(rates, "ann", 10.0, 5) == 1


def test_a_refusal_says_when_to_come_back_and_then_it_passes() -> None:
    rates = Rates(2)
    assert taken(rates, "ann", 0, 6) == 6
    wait = rates.take("ann", 0)
    assert wait == pytest.approx(0.5)
    assert rates.take("ann", wait * 0.9) > 0
    assert rates.take("ann", wait + 0.001) == 0


def test_a_refusal_costs_nothing() -> None:
    rates = Rates(1)
    assert taken(rates, "ann", 0, 1000) == 3
    assert rates.take("ann", 1.001) == 0


def test_what_is_given_back_can_be_taken_again() -> None:
    rates = Rates(1)
    assert taken(rates, "ann", 0, 5) == 3
    rates.give_back("ann")
    rates.give_back("nobody")
    assert taken(rates, "ann", 0, 5) == 1


def test_keys_do_not_use_up_each_others_rate() -> None:
    rates = Rates(1)
    assert taken(rates, "ann", 0, 10) == 3
    assert taken(rates, "bob", 0, 10) == 3


def test_what_has_happened_is_a_debt_of_a_burst_at_the_most() -> None:
    rates = Rates(10)
    assert rates.spend("ann", 0, 30) == 0
    assert rates.spend("ann", 0, 5) == pytest.approx(0.5)
    assert rates.spend("ann", 0, 100_000) == pytest.approx(3)
    assert rates.take("ann", 0) == pytest.approx(3.1)
    assert taken(rates, "ann", 4.0, 100) == 10


def test_a_clock_that_goes_back_gives_nobody_more() -> None:
    rates = Rates(1)
    assert taken(rates, "ann", 100, 5) == 3
    assert rates.take("ann", 50) > 0
    assert rates.take("ann", 50.5) > 0


@pytest.mark.parametrize("now", [0.0, 3e5, 1e8])
def test_times_far_from_zero_are_exact_enough(now: float) -> None:
    rates = Rates(1000)
    assert taken(rates, "ann", now, 10_000) == pytest.approx(3000, abs=1)
    assert taken(rates, "ann", now + 1, 10_000) == pytest.approx(1000, abs=1)


def test_forgetting_gives_nobody_more() -> None:
    rates = Rates(10)
    taken(rates, "ann", 0, 30)
    for tenth in range(30):
        rates.sweep(tenth / 10)
    assert taken(rates, "ann", 2.9, 100) == 29


def test_a_debt_is_not_forgotten_before_it_is_paid() -> None:
    rates = Rates(10)
    for start in (0.0, 0.5, 5.9):
        rates.spend("ann", start, 1000)
    for tenth in range(60, 89):
        rates.sweep(tenth / 10)
        assert rates.take("ann", tenth / 10) > 0


def test_who_has_not_come_for_a_while_is_forgotten() -> None:
    rates = Rates(10)
    for number in range(1000):
        rates.take(f"user{number}", 0)
    for second in range(20):
        rates.sweep(second)
    assert len(rates) == 0


def test_many_keys_take_no_more_memory_than_a_few_thousand() -> None:
    rates = Rates(1)
    tracemalloc.start()
    try:
        for number in range(200_000):
            rates.take(f"{number:015}", number / 200_000)
        used, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(rates) <= 2 * KEPT
    assert used < 4_000_000
    assert peak < 5_000_000


def test_who_comes_all_the_time_is_counted_while_others_pass_by() -> None:
    rates = Rates(1)
    passed = 0
    for number in range(20 * KEPT):
        rates.take(f"passer-by {number}", number / KEPT)
        passed += not rates.take("ann", number / KEPT)
    assert passed <= 3 + 20


@given(
    st.floats(0.1, 100),
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_over_any_time_no_more_than_burst_and_rate_pass(rate, pauses) -> None:
    rates, now, passed = Rates(rate), 0.0, 0
    for pause in pauses:
        now += pause
        rates.sweep(now)
        passed += rates.take("ann", now) == 0
        assert passed <= max(1, 3 * rate) + rate * now + 1e-6
