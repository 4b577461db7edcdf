"""How much so many keys may do in a time: token buckets, in bounded memory."""

from __future__ import annotations

KEPT = 8192
"""Buckets of one generation. There are two: some three megabytes at the most, whoever comes."""

_EXACT = 1e-9
"""Seconds that sums of floats may be off."""


class Rates:
    """A token bucket for each key: `rate` a second, and `burst` at once (else three seconds' worth).

    A rate of 0 is no limit, and an empty key is nobody's: it is never refused. Times are the caller's, in
    seconds of a clock that only goes forward.

    A bucket is one number: when it will be full again. A full one need not be kept, so those that were not
    touched for as long as that takes are forgotten, all at once (two generations, so nothing is searched).
    Where more keys come than are kept, buckets are forgotten earlier: somebody gets more than is due, and
    nobody less.
    """

    __slots__ = ("_cost", "_debt", "_depth", "_old", "_turned", "_young")

    def __init__(self, rate: float, burst: float | None = None, debt: float = 1.0) -> None:
        self._cost = 1 / rate if rate else 0.0
        # One always passes at once, however low the rate.
        self._depth = max(1.0, 3 * rate if burst is None else burst) * self._cost
        self._debt = debt * self._depth
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}
        self._turned = 0.0

    def __len__(self) -> int:
        """Buckets that are kept."""
        return len(self._young) + len(self._old)

    def take(self, key: str, now: float) -> float:
        """0 where one more may pass, and it is counted; else the seconds until it may."""
        if not key or not self._cost:
            return 0.0
        full = self._full(key, now)
        wait = full + self._cost - self._depth - now
        if wait > _EXACT:
            return wait
        self._put(key, full + self._cost, now)
        return 0.0

    def give_back(self, key: str) -> None:
        """What was taken last is not used."""
        if key in self._young:
            self._young[key] -= self._cost

    def spend(self, key: str, now: float, count: float = 1) -> float:
        """Count what has happened, allowed or not; the seconds until the debt is paid, 0 where there is none.

        A debt is `debt` bursts at the most: nobody waits longer than that.
        """
        if not key or not self._cost:
            return 0.0
        full = min(self._full(key, now) + count * self._cost, now + self._depth + self._debt)
        self._put(key, full, now)
        return max(0.0, full - self._depth - now)

    def sweep(self, now: float) -> None:
        """Called every few seconds, so that memory follows the present."""
        # The longest time after which a bucket is full again.
        if now - self._turned >= self._depth + self._debt:
            self._turn(now)

    def _full(self, key: str, now: float) -> float:
        full = self._young.get(key)
        if full is None:
            full = self._old.get(key, now)
        return full if full > now else now

    def _put(self, key: str, full: float, now: float) -> None:
        if len(self._young) >= KEPT and key not in self._young:
            self._turn(now)
        self._young[key] = full

    def _turn(self, now: float) -> None:
        self._old, self._young, self._turned = self._young, {}, now
