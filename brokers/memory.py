"""The broker inside one process: no server, durability D0, the reference for the contract.

Rooms live as long as the process. Two processes do not share them, so whoever runs several processes
behind one address must not use this broker.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from . import codec
from .base import (
    Append,
    Appended,
    Broker,
    Durability,
    Entry,
    Listener,
    Outcome,
    Page,
    Reason,
    Tail,
    Window,
    check_room,
)
from .errors import BrokerConfigError, Conflict, Unavailable, Unknown

log = logging.getLogger("brokers.memory")

IDLE_ROOMS = 10_000
"""Rooms kept while nobody follows them; beyond that the longest idle one is forgotten with its epoch."""


class RoomLog:
    """One room's retained entries, numbered without a gap."""

    __slots__ = ("entries", "epoch", "ids", "last", "top", "touched", "window")

    def __init__(self, window: Window) -> None:
        self.window = window
        self.epoch = codec.new_epoch()
        self.last = 0
        self.top = codec.position(self.epoch, 0, codec.proof_of(b""))
        self.entries: deque[Entry] = deque()
        self.ids: dict[str, Entry] = {}
        self.touched = codec.now_ms()

    def append(self, append: Append) -> tuple[Entry | None, Outcome]:
        """Store one entry, or answer what stands there already."""
        self.touched = codec.now_ms()
        known = self.ids.get(append.key)
        if known is not None:
            if known.digest != append.digest:
                return None, Conflict("this key was used for another entry")
            return None, Appended(known.position, True)
        prev = self.top if self.last else None
        self.last += 1
        self.top = codec.position(self.epoch, self.last, codec.proof_of(append.data))
        entry = Entry(self.top, prev, append.key, append.digest, append.time, append.data)
        self.entries.append(entry)
        self.ids[append.key] = entry
        self.trim()
        return entry, Appended(self.top, False)

    def trim(self) -> None:
        """Forget what the window no longer holds."""
        oldest = codec.now_ms() - int(self.window.seconds * 1000)
        entries = self.entries
        while entries and (len(entries) > self.window.entries or entries[0].time < oldest):
            del self.ids[entries.popleft().key]

    def tail(self, limit: int) -> Tail:
        self.trim()
        held = len(self.entries)
        return Tail(self.top, list(islice(self.entries, max(0, held - limit), held)), held <= limit)

    def place_of(self, token: str) -> int | Reason:
        """The offset that a position names, or why nothing can be continued from it."""
        place = codec.place(token)
        if place is None:
            return "mismatch"
        if place.epoch != self.epoch:
            return "epoch"
        if place.offset > self.last:
            return "ahead"
        first = self.last - len(self.entries) + 1
        if place.offset < first - 1:
            return "trimmed"
        # The entry just before the oldest one is gone, but numbers are never used twice in an epoch.
        stands = self.entries[place.offset - first].position if place.offset >= first else token
        if place.offset == self.last:
            stands = self.top
        return place.offset if stands == token else "mismatch"

    def read(self, after: str | None, before: str | None, limit: int) -> Page:
        self.trim()
        held = len(self.entries)
        first = self.last - held + 1
        start, stop, reason = max(0, held - limit), held, None
        if after is not None:
            found = self.place_of(after)
            if isinstance(found, int):
                start = found + 1 - first
            else:
                start, reason = 0, found
            stop = min(held, start + limit)
        elif before is not None:
            found = self.place_of(before)
            if isinstance(found, int) and 0 < found < first:
                found = "trimmed"  # its entry itself is gone, and what came before it
            if not isinstance(found, int):
                return Page([], False, found)
            # The empty log's own position stands before everything.
            stop = max(0, found - first)
            start = max(0, stop - limit)
        return Page(list(islice(self.entries, start, stop)), reason is None, reason)


class MemoryBroker(Broker):
    """`memory://`: everything in this process."""

    def __init__(self, url: str = "memory://", *, window: Window | None = None) -> None:
        super().__init__(url, window=window)
        parts = urlsplit(url)
        if parts.netloc or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise BrokerConfigError("memory:// takes no address and no options")
        self._logs: dict[str, RoomLog] = {}
        self._followed: set[str] = set()
        self._waiting: list[Append] = []
        self._signals: list[tuple[str, bytes]] = []
        self._listener: Listener | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._tidy_at = 0

    async def open(self, listener: Listener) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        self._turn()
        self._listener = None
        self._loop = None
        self._followed.clear()

    @property
    def durability(self) -> Durability:
        return Durability.PROCESS

    @property
    def connected(self) -> bool:
        return self._loop is not None

    def submit(self, append: Append) -> None:
        check_room(append.room)
        if self._loop is None:
            append.done(Unknown("the broker is not open"))
            return
        self._waiting.append(append)
        self._schedule()

    def signal(self, room: str, data: bytes) -> None:
        if self._loop is not None:
            self._signals.append((room, data))
            self._schedule()

    async def follow(self, room: str) -> None:
        listener = self._opened()
        check_room(room)
        if room not in self._followed:
            self._followed.add(room)
            # What is in line already comes as entries, after this tail.
            self._call(listener.tail, room, self._log(room).tail(self.tail_entries), None)

    def unfollow(self, room: str) -> None:
        self._followed.discard(room)

    async def read(
        self, room: str, *, after: str | None = None, before: str | None = None, limit: int = 50
    ) -> Page:
        if after is not None and before is not None:
            raise ValueError("after or before, not both")
        check_room(room)
        self._opened()
        found = self._logs.get(room)
        # Asking for a room that nobody wrote to leaves nothing behind.
        return (found or RoomLog(self.window)).read(after, before, limit)

    async def probe(self) -> float:
        self._opened()
        return 0.0

    def _opened(self) -> Listener:
        if self._listener is None:
            raise Unavailable("the broker is not open")
        return self._listener

    def _schedule(self) -> None:
        # One turn of the loop gathers all that its other callbacks submit.
        if not self._scheduled and self._loop is not None:
            self._scheduled = True
            # In a context of its own: deliveries are nobody's request.
            self._loop.call_soon(self._turn, context=contextvars.Context())

    def _turn(self) -> None:
        self._scheduled = False
        waiting, self._waiting = self._waiting, []
        signals, self._signals = self._signals, []
        fresh: dict[str, list[Entry]] = {}
        for append in waiting:
            entry, outcome = self._log(append.room).append(append)
            if entry is not None and append.room in self._followed:
                fresh.setdefault(append.room, []).append(entry)
            append.done(outcome)
        # Asked again for each: the listener may unfollow or close while it is called.
        for room, entries in fresh.items():
            if room in self._followed and self._listener is not None:
                self._call(self._listener.entries, room, entries)
        for room, data in signals:
            if room in self._followed and self._listener is not None:
                self._call(self._listener.signal, room, data)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception:
            log.exception("the listener failed")

    def _log(self, room: str) -> RoomLog:
        found = self._logs.get(room)
        if found is None:
            now = codec.now_ms()
            if len(self._logs) > IDLE_ROOMS + len(self._followed) or now >= self._tidy_at:
                self._tidy(now)
            found = self._logs[room] = RoomLog(self.window)
        return found

    def _tidy(self, now: int) -> None:
        """Let go of what idle rooms keep beyond the window, and of the longest idle ones."""
        kept = int(self.window.seconds * 1000)
        self._tidy_at = now + kept // 10
        # Rare (a tenth of the window's time, or for a tenth of the idle rooms), so a sort is cheap enough.
        idle = sorted((log.touched, room) for room, log in self._logs.items() if room not in self._followed)
        too_many = IDLE_ROOMS // 10 if len(idle) >= IDLE_ROOMS else 0
        for number, (touched, room) in enumerate(idle):
            # An empty log stays for as long again: who comes back late learns whether anything is missing.
            if number < too_many or touched < now - 2 * kept:
                del self._logs[room]
            elif touched < now - kept:
                self._logs[room].trim()
