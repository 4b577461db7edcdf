"""How much one session may send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartchat.limits import Rates, TokenBucket


def taken(rates: Rates, user: str, now: float, tries: int) -> int:
    """How many of so many tries at one instant pass."""
    return sum(rates.take(user, now) == 0 for _ in range(tries))


def test_a_burst_is_three_seconds_worth_and_then_it_is_the_rate() -> None:
    rates = Rates(10)
    assert taken(rates, "ann", 0, 100) == 30
    assert taken(rates, "ann", 1, 100) == 10
    assert taken(rates, "ann", 1.5, 100) == 5


def test_what_is_not_used_does_not_add_up_beyond_a_burst() -> None:
    rates = Rates(10)
    assert taken(rates, "ann", 0, 1) == 1
    assert taken(rates, "ann", 1_000_000, 100) == 30


def test_zero_is_no_limit() -> None:
    assert taken(Rates(0), "ann", 0, 100_000) == 100_000


def test_below_one_a_second_one_message_still_passes_at_once() -> None:
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


def test_sessions_do_not_use_up_each_others_rate() -> None:
    rates = Rates(1)
    assert taken(rates, "ann", 0, 10) == 3
    assert taken(rates, "bob", 0, 10) == 3


def test_forgetting_gives_nobody_more() -> None:
    rates = Rates(10)
    taken(rates, "ann", 0, 30)
    for now in (0, 0.5, 1, 2.9):
        rates.sweep(now)
    assert taken(rates, "ann", 2.9, 100) == 29


def test_who_has_not_sent_for_a_while_is_forgotten() -> None:
    rates = Rates(10)
    for number in range(1000):
        rates.take(f"user{number}", 0)
    rates.sweep(3.1)
    assert rates._buckets == {}


def test_a_clock_that_goes_back_gives_nobody_more() -> None:
    bucket = TokenBucket(1, 3, 100)
    assert [bucket.take(100) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(50) > 0
    assert bucket.take(50.5) > 0


@given(
    st.floats(0.1, 100),
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_over_any_time_no_more_than_burst_and_rate_pass(rate, pauses) -> None:
    rates, now, passed = Rates(rate), 0.0, 0
    for pause in pauses:
        now += pause
        passed += rates.take("ann", now) == 0
        assert passed <= max(1, 3 * rate) + rate * now + 1e-6
