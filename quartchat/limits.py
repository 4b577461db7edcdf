"""How much one session may send."""

from __future__ import annotations


class TokenBucket:
    """`rate` a second, and `burst` at once. The clock is the caller's, in seconds."""

    __slots__ = ("_burst", "_filled", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled = now

    def take(self, now: float) -> float:
        """0 where one may pass, else the seconds until it may."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._filled) * self._rate)
        self._filled = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate

    def full(self, now: float) -> bool:
        """Whether nothing would be lost by forgetting this bucket."""
        return self._tokens + (now - self._filled) * self._rate >= self._burst


class Rates:
    """A bucket for each session that sends; sessions are told apart by their user's id."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, user_id: str, now: float) -> float:
        """0 where this session may send one more message, else the seconds until it may."""
        if not self._rate:
            return 0.0
        bucket = self._buckets.get(user_id)
        if bucket is None:
            bucket = self._buckets[user_id] = TokenBucket(self._rate, max(1.0, 3 * self._rate), now)
        return bucket.take(now)

    def sweep(self, now: float) -> None:
        """Forget who has not sent for a while, so that memory follows the present."""
        for user_id in [user_id for user_id, bucket in self._buckets.items() if bucket.full(now)]:
            del self._buckets[user_id]
