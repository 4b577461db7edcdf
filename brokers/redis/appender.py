"""The way in: whatever waits travels to the server in one script call, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from .. import codec
from ..base import APPEND_DEADLINE, Append, Appended, Outcome, Window
from ..errors import Conflict, Unavailable, Unknown
from .keys import Keys
from .line import Line, Script
from .link import Command, Link

BATCH = 512
"""Entries in one call: above this the server works a millisecond and more, and gathering wins nothing."""

BATCH_BYTES = 1 << 20
"""And bytes: a script call holds the server, and all who wait for it, while it copies them."""

WAITING = 20_000
"""Appends that may wait; beyond, they are answered `Unknown` at once. Deadlines bound the time."""

SIGNALS = 5_000
"""Signals that may wait; beyond, they are dropped, as signals may be."""

APPEND = Script("append.lua")


class Appender:
    """Owns the appends and signals that wait, and the line they leave by."""

    def __init__(self, line: Line, keys: Keys, window: Window) -> None:
        self._line = line
        self._keys = keys
        self._window = window
        self._waiting: deque[Append] = deque()
        self._signals: list[tuple[str, bytes]] = []
        self._wake = asyncio.Event()
        self._closed = False
        self.rejected: Callable[[str, int], None] = lambda room, count: None
        """Told of what is not ours."""

    def submit(self, append: Append) -> None:
        if self._closed or len(self._waiting) >= WAITING:
            append.done(Unknown("too many appends are waiting" if not self._closed else "closed"))
            return
        append.deadline = asyncio.get_running_loop().time() + APPEND_DEADLINE
        self._waiting.append(append)
        self._wake.set()

    def signal(self, channel: str, data: bytes) -> None:
        """Publish once, with the next call; dropped where the line is down."""
        if self._line.up and not self._closed and len(self._signals) < SIGNALS:
            self._signals.append((channel, data))
            self._wake.set()

    async def run(self) -> None:
        """Send what waits, one call at a time: while one is under way, the next batch gathers."""
        while True:
            try:
                while self._waiting or self._signals:
                    await self._send(self._batch())
            except Exception:
                self._fail("a bug in the Redis broker")
                raise
            self._wake.clear()
            await self._wake.wait()

    def close(self) -> None:
        """Answer all that waits: nobody can say what became of the batch under way."""
        self._closed = True
        self._fail("the broker was closed")

    def _batch(self) -> dict[str, list[Append]]:
        # Rooms keep the order in which they first waited, entries the order within their room.
        rooms: dict[str, list[Append]] = {}
        size = 0
        for count, append in enumerate(self._waiting):
            size += len(append.data)
            if count and (count >= BATCH or size > BATCH_BYTES):
                break
            rooms.setdefault(append.room, []).append(append)
        return rooms

    async def _send(self, rooms: dict[str, list[Append]]) -> None:
        now = asyncio.get_running_loop().time()
        count = sum(map(len, rooms.values()))
        signals, self._signals = self._signals, []
        marks: list[list[str]] = []
        groups: list[bytes | str | int] = []
        for room, appends in rooms.items():
            groups += (self._keys.channel(room), codec.new_epoch(), len(appends))
            proofs = []
            for append in appends:
                blob = codec.pack(append.key, append.digest, append.time, append.data)
                proofs.append(codec.proof_of(blob))
                groups += (append.key, append.digest, proofs[-1], blob)
            marks.append(proofs)

        def commands(link: Link, attempt: int) -> list[Command]:
            sent: list[Command] = []
            if rooms:
                keys = [key for room in rooms for key in self._keys.room(room)]
                sent.append(
                    ("EVALSHA", APPEND.sha, len(keys), *keys, *self._keys.state(link, self._window), *groups)
                )
            if attempt == 0:
                sent += [("PUBLISH", channel, data) for channel, data in signals]
            return sent or [("PING",)]

        try:
            # Only signals: they may be lost, but must not hold up what comes next for long.
            deadline = self._waiting[0].deadline if rooms else now + 1.0
            replies = await self._line.call(commands, deadline)
        except Unavailable as error:
            if rooms:
                self._fail(str(error))
            return
        if rooms and not self._closed:
            for _ in range(count):
                self._waiting.popleft()
            self._answer(rooms, marks, replies[0])

    def _answer(self, rooms: dict[str, list[Append]], marks: list[list[str]], reply: Any) -> None:
        *answered, foreign = reply
        if foreign:
            self.rejected("", foreign)
        for (epoch, *answers), appends, proofs in zip(answered, rooms.values(), marks, strict=True):
            name = epoch.decode()
            for append, proof, answer in zip(appends, proofs, answers, strict=True):
                append.done(_outcome(name, proof, answer))

    def _fail(self, why: str) -> None:
        # All that wait behind one that nobody can answer for: they must not overtake it.
        waiting = list(self._waiting)
        self._waiting.clear()
        for append in waiting:
            append.done(Unknown(why))


def _outcome(epoch: str, proof: str, answer: int | bytes) -> Outcome:
    if isinstance(answer, bytes):
        number, _, stands = answer.decode().partition(":")
        return Appended(codec.position(epoch, int(number), stands), True)
    if answer == 0:
        return Conflict("this key was used for another entry")
    return Appended(codec.position(epoch, answer, proof), False)
