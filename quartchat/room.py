"""One room of this process: the newest part of its log, ready to send, and its members.

The ring holds entries as frames, made once. A member is a place in it (`Member.cursor`): there is no queue
and no task for each. Lines are numbered by this process from `base`, and numbers are never used again, so
that a cursor from before a reset cannot point at something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from brokers import Broker, Entry, Reason, Tail, Unavailable

from . import protocol

if TYPE_CHECKING:
    from .member import Member

PAGE = 50
"""Messages that follow a reset, and that a page shows first."""

READ = 200
"""Entries in one read of the broker while the ring is extended backwards."""

SLACK = 256
"""Lines beyond the window before the oldest are cut off together: one move of the list for many entries."""

ARRIVAL_SECONDS = 5.0
"""How long a position that the broker knows may take to come down this process's own tail."""


class Line(msgspec.Struct, gc=False):
    """One message of the log, ready to send."""

    position: str
    time: int
    message: protocol.Message
    prev: str | None
    v1: bytes
    plain: bytes | None = None


class Room:
    """The ring and the members of one followed room."""

    def __init__(self, name: str, broker: Broker) -> None:
        self.name = name
        self.lines: list[Line] = []
        self.base = 0
        self.top = ""
        self.members: dict[Member, None] = {}
        self.holds = 0
        """Joins under way: such a room is not given up."""
        self.idle_since: float | None = None
        self.rejected = 0
        """Entries from the broker that were not ours."""
        self._broker = broker
        self._index: dict[str, int] = {}
        self._complete = False
        self._written = 0
        self._generation = 0
        self._reaching = asyncio.Lock()
        self._arrived = asyncio.Event()

    @property
    def end(self) -> int:
        """The number that the next line gets."""
        return self.base + len(self.lines)

    # What the broker says ---------------------------------------------------------------------------------

    def restart(self, tail: Tail, reason: Reason | None) -> None:
        """Forget the ring and begin at a tail; with a reason, every member is told."""
        self._generation += 1
        self.base = self.end
        self.lines.clear()
        self._index.clear()
        self._complete = tail.complete
        self._extend(tail.entries)
        self.top = tail.top
        self._written = self.end
        self._wake()
        if reason is not None:
            for member in list(self.members):
                member.reset(reason)

    def add(self, entries: Sequence[Entry]) -> None:
        """The next entries of the log."""
        self._extend(entries)
        self.top = entries[-1].position
        self._wake()

    def _extend(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            line = self._line(entry, self.lines[-1].position if self.lines else entry.prev)
            if line is not None:
                self._index[line.position] = self.end
                self.lines.append(line)

    def _line(self, entry: Entry, prev: str | None) -> Line | None:
        try:
            message = protocol.load(entry.key, entry.data)
        except ValueError:
            self.rejected += 1
            return None
        frame = protocol.message_frame(entry.position, prev, message)
        return Line(entry.position, entry.time, message, prev, frame)

    def _wake(self) -> None:
        self._arrived.set()
        self._arrived = asyncio.Event()

    def trim(self, entries: int, oldest_ms: float) -> None:
        """Forget lines that the window no longer holds."""
        lines = self.lines
        surplus = len(lines) - entries
        cut = surplus if surplus > SLACK else 0
        while cut < len(lines) and lines[cut].time < oldest_ms:
            cut += 1
        if cut:
            for line in lines[:cut]:
                del self._index[line.position]
            del lines[:cut]
            self.base += cut

    # What members read ------------------------------------------------------------------------------------

    def flush(self) -> int:
        """Write what is new to every member that is up to date: joined once, one write each.

        Answers the number of messages delivered.
        """
        start, end = self._written, self.end
        self._written = end
        if start >= end or not self.members:
            return 0
        fresh = self.lines[start - self.base :]
        joined: dict[bool, bytes] = {}
        delivered = 0
        for member in list(self.members):
            if member.cursor == start and not member.behind:
                data = joined.get(member.v1)
                if data is None:
                    data = joined[member.v1] = self._join(fresh, member.v1)
                member.cursor = end
                member.write(data)
                delivered += len(fresh)
        return delivered

    def chunk(self, cursor: int, v1: bool, size: int) -> tuple[bytes, int] | None:
        """Frames from a cursor on, about `size` bytes, and the cursor after them; None where it fell out."""
        if cursor < self.base:
            return None
        at = stop = cursor - self.base
        taken = 0
        while stop < len(self.lines) and taken < size:
            taken += len(self.lines[stop].v1)
            stop += 1
        return self._join(self.lines[at:stop], v1), self.base + stop

    @staticmethod
    def _join(lines: list[Line], v1: bool) -> bytes:
        if v1:
            return b"".join([line.v1 for line in lines])
        frames = []
        for line in lines:
            if line.plain is None:
                line.plain = protocol.plain_frame(line.message)
            frames.append(line.plain)
        return b"".join(frames)

    def page_start(self, count: int = PAGE) -> int:
        """The cursor that has `count` lines before the end, or as many as there are."""
        return max(self.base, self.end - count)

    def between(self, after: str | None, before: str | None, limit: int) -> list[Line] | None:
        """The lines that a read asks for, or None where the ring does not hold them for sure."""
        if after is not None:
            number = self._index.get(after)
            if number is None:
                return [] if after == self.top else None
            at = number + 1 - self.base
            return self.lines[at : at + limit]
        stop = len(self.lines)
        if before is not None:
            number = self._index.get(before)
            if number is None:
                return None
            stop = number - self.base
        if stop >= limit or self._complete:
            return self.lines[max(0, stop - limit) : stop]
        return None

    async def resume(self, since: str) -> int | Reason:
        """The cursor right after a position, or why there is none.

        Extends the ring backwards as far as needed; all who come back together share one read. Raise
        `Unavailable` where the broker does not answer.
        """
        while True:
            found = self._after(since)
            if found is not None:
                return found
            async with self._reaching:
                found = self._after(since)
                if found is not None:
                    return found
                reached = await self._reach(since)
                if reached is not None:
                    return reached

    def _after(self, since: str) -> int | None:
        number = self._index.get(since)
        if number is not None:
            return number + 1
        return self.end if since == self.top else None

    async def _reach(self, since: str) -> int | Reason | None:
        """Read from a position on until the ring begins. None: the log moved meanwhile, look again."""
        generation = self._generation
        missing: list[Entry] = []
        after = since
        while True:
            page = await self._broker.read(self.name, after=after, limit=READ)
            if self._generation != generation:
                return None
            if not page.complete:
                return page.reason
            for entry in page.entries:
                if entry.position in self._index:
                    self._prepend(missing)
                    return self.base
                missing.append(entry)
            if len(page.entries) < READ:
                # It stands in the log, and everything after it is newer than what came down our tail.
                await self._arrival()
                return None
            after = page.entries[-1].position

    async def _arrival(self) -> None:
        arrived = self._arrived
        try:
            async with asyncio.timeout(ARRIVAL_SECONDS):
                await arrived.wait()
        except TimeoutError:
            raise Unavailable("the room's tail is late") from None

    async def reach_back(self, count: int) -> int:
        """The cursor with `count` lines before the end; reads older ones where the ring is short of them."""
        async with self._reaching:
            while len(self.lines) < count and not self._complete:
                generation = self._generation
                before = self.lines[0].position if self.lines else None
                wanted = min(READ, count - len(self.lines))
                page = await self._broker.read(self.name, before=before, limit=wanted)
                moved = self.lines and before != self.lines[0].position
                if moved or self._generation != generation:
                    continue
                older = page.entries if before is not None else []
                self._prepend(older)
                self._complete = self._complete or len(older) < wanted
        return self.page_start(count)

    def _prepend(self, entries: list[Entry]) -> None:
        lines: list[Line] = []
        for entry in entries:
            if entry.position not in self._index:
                line = self._line(entry, lines[-1].position if lines else entry.prev)
                if line is not None:
                    lines.append(line)
        self.base -= len(lines)
        self.lines[:0] = lines
        for number, line in enumerate(lines, self.base):
            self._index[line.position] = number
