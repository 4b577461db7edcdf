"""Sessions that were ended before their time, known to every instance.

The ends stand in a log of their own at the broker (`ledger`): an instance that was cut off, or starts later,
hears of them, too, and as long as one instance runs, whoever left stays left.

An end concerns the sessions of a person that began until then. Who logs in once more has the same `user.id`,
and a session that began later than any end of it that is known where it was given. Moments are in whole
seconds; they are compared with one another alone, never with a clock, so that clocks may differ.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterator

import msgspec

from brokers import Broker, BrokerError, Entry

from .ledger import Ledger

LIFETIME = 30 * 86400
"""Seconds that a session lasts after it was given or renamed."""

LOG = " sessions"
"""The log's name at the broker. No room can have it: rooms do not begin with a space."""

KEPT = 100_000
"""Ended sessions that are remembered at the most; the oldest are forgotten first."""

TOGETHER = 2000
"""Ends that are said again in one entry: some 60 kB."""

log = logging.getLogger("quartchat")


class End(msgspec.Struct, omit_defaults=True):
    """One entry of the log: a session that ended, or many that did so before."""

    user: str = ""
    again: dict[str, int] = {}
    """Ends that are said again, and until when each counts, in seconds since 1970."""
    until: int = 0
    """Until when that of `user` counts. Earlier versions did not say so: their entry's time is its moment."""


_decode = msgspec.json.Decoder(End).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class EndedSessions:
    """Which sessions are over, until their cookies are worth nothing anyhow."""

    def __init__(self, broker: Broker, close: Callable[[str, int], None]) -> None:
        """`close` is called with a person's id and the moment until which their sessions are over."""
        self.ledger = Ledger(broker, LOG, self._hear, self._facts)
        self._broker = broker
        self._close = close
        self._ended: dict[str, int] = {}
        """Until when each counts, in seconds since 1970: `LIFETIME` after its moment."""

    def over(self, user_id: str, began: int) -> bool:
        """Whether this person's session that began then was ended."""
        until = self._ended.get(user_id)
        return until is not None and began <= until - LIFETIME

    def begin(self, user_id: str) -> int:
        """When a session of this person begins that is given now: after all ends of theirs."""
        return max(int(time.time()), self._ended.get(user_id, LIFETIME) - LIFETIME + 1)

    def _hear(self, entry: Entry) -> int:
        try:
            end = _decode(entry.data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            end = End()
        if not end.user and not end.again:
            log.warning("an entry of the log of sessions that is not ours: skipped")
        ends = dict(end.again)
        if end.user:
            ends[end.user] = end.until or int(entry.time / 1000) + LIFETIME
        return sum(self._over(user_id, until) for user_id, until in ends.items())

    def _over(self, user_id: str, until: int) -> bool:
        if until <= self._ended.get(user_id, 0):
            return False
        self._ended.pop(user_id, None)  # the latest end stands last
        self._ended[user_id] = until
        while len(self._ended) > KEPT:
            del self._ended[next(iter(self._ended))]
        self._close(user_id, until - LIFETIME)
        return True

    async def end(self, user_id: str, began: int = 0) -> None:
        """End a person's sessions here at once, and everywhere as soon as the broker takes it.

        `began` is when the one began that is ended: by another instance's clock it may begin only later.
        """
        until = max(int(time.time()), began) + LIFETIME
        self.ledger.grow(self._over(user_id, until))
        key, data = secrets.token_urlsafe(12), _encode(End(user_id, until=until))
        while True:
            try:
                await self._broker.append(LOG, key, data)
                return
            except BrokerError:
                await asyncio.sleep(1)

    def _facts(self, entries: int) -> Iterator[bytes]:
        now = time.time()
        self._ended = {user_id: until for user_id, until in self._ended.items() if until > now}
        known = sorted(self._ended.items())
        together = max(TOGETHER, len(known) // entries + 1)
        for start in range(0, len(known), together):
            yield _encode(End(again=dict(known[start : start + together])))
