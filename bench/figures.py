"""Arithmetic on what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Middle(NamedTuple):
    """The median of the rounds, and how far they lie apart."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> Middle:
        return cls(statistics.median(rounds), min(rounds), max(rounds))


def ratio(value: float, base: float | None) -> float | None:
    """How many times the base; None where there is nothing to compare with."""
    return value / base if base else None


def apart(one: Middle, other: Middle) -> bool:
    """Whether the rounds of both do not overlap. Otherwise who is better was not measured."""
    return one.most < other.least or other.most < one.least


class Fit(NamedTuple):
    """A straight line through points: `base + slope * x`. `r2` is 1 where all of them lie on it."""

    base: float
    slope: float
    r2: float

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]]) -> Fit | None:
        """Least squares; None where two different x are wanting."""
        xs, ys = [x for x, _ in points], [y for _, y in points]
        if len(set(xs)) < 2:
            return None
        slope, base = statistics.linear_regression(xs, ys)
        mean = statistics.fmean(ys)
        spread = sum((y - mean) ** 2 for y in ys)
        off = sum((y - base - slope * x) ** 2 for x, y in points)
        return cls(base, slope, 1 - off / spread if spread else 1.0)

    def at(self, x: float) -> float:
        return self.base + self.slope * x


def short(value: float) -> str:
    """Three digits that count, no more: 0.0123, 1.23, 12.3, 123, 1,234."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    decimals = 1 if size >= 9.995 else 2 if size >= 0.0995 else 3
    return f"{value:.{decimals}f}"


def ticks(most: float, about: int = 5) -> list[float]:
    """Round numbers from 0 up to at least `most`."""
    if most <= 0:
        return [0.0, 1.0]
    step = most / about
    power = 1.0
    while power * 10 <= step:
        power *= 10
    while power > step:
        power /= 10
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= step * 0.999)
    count = 0
    found = [0.0]
    while found[-1] < most * 0.999:
        count += 1
        found.append(round(step * count, 9))
    return found
