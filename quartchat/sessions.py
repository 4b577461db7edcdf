"""Sessions that were ended before their time, known to every instance.

The ends stand in a log of their own at the broker, with the same promises as a room's: an instance that was
cut off, or starts later, hears of them, too.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence

import msgspec

from brokers import Broker, BrokerError, Entry

LOG = " sessions"
"""The log's name at the broker. No room can have it: rooms do not begin with a space."""

KEPT = 10_000
"""Ended sessions that are remembered; the log itself holds the window."""

log = logging.getLogger("quartchat")


class End(msgspec.Struct):
    """One entry of the log."""

    user: str


_decode = msgspec.json.Decoder(End).decode


class EndedSessions:
    """Which sessions are over."""

    def __init__(self, broker: Broker, close: Callable[[str], None]) -> None:
        self._broker = broker
        self._close = close
        self._ended: dict[str, None] = {}

    def __contains__(self, user_id: object) -> bool:
        return user_id in self._ended

    def take(self, entries: Sequence[Entry]) -> None:
        """What the log says."""
        for entry in entries:
            try:
                self._over(_decode(entry.data).user)
            except (msgspec.MsgspecError, UnicodeError):
                log.warning("an entry of the log of sessions that is not ours: skipped")

    def _over(self, user_id: str) -> None:
        if user_id not in self._ended:
            self._ended[user_id] = None
            while len(self._ended) > KEPT:
                del self._ended[next(iter(self._ended))]
            self._close(user_id)

    async def end(self, user_id: str) -> None:
        """End a session here at once, and everywhere as soon as the broker takes it."""
        self._over(user_id)
        key, data = secrets.token_urlsafe(12), msgspec.json.encode(End(user_id))
        while True:
            try:
                await self._broker.append(LOG, key, data)
                return
            except BrokerError:
                await asyncio.sleep(1)

    async def follow(self) -> None:
        """Hear of all ends, as soon as the broker is there."""
        while True:
            try:
                await self._broker.follow(LOG)
                page = await self._broker.read(LOG, limit=1000)
            except BrokerError:
                await asyncio.sleep(1)
            else:
                self.take(page.entries)
                return
