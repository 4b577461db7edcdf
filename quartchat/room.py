"""One room of this process: the newest part of its log, ready to send, and its members.

The ring holds entries as frames, made once. A member is a place in it (`Member.cursor`): there is no queue
and no task for each. Lines are numbered by this process from `base`, and numbers are never used again, so
that a cursor from before a reset cannot point at something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from brokers import Broker, Entry, Reason, Tail, Unavailable

from . import protocol
from .rules import NONE, Rules

if TYPE_CHECKING:
    from .member import Member

PAGE = 50
"""Messages that follow a reset, and that a page shows first."""

READ = 200
"""Entries in one read of the broker while the ring is extended backwards."""

SLACK = 256
"""Lines beyond the window before the oldest are cut off together: one move of the list for many entries."""

RESTART_GAP = 1 << 40
"""Numbers left out at a restart. Numbers are never used twice, neither by older lines put in front."""

REFUSALS = 10_000
"""Verdicts remembered; beyond, each is asked for."""

ARRIVAL_SECONDS = 5.0
"""How long a position that the broker knows may take to come down this process's own tail."""


class Line(msgspec.Struct, gc=False):
    """One entry of the log, ready to send. One that this program did not write has no message and no bytes:
    it keeps its place, and nobody sees it."""

    position: str
    time: int
    message: protocol.Message | None = None
    prev: str | None = None
    v1: bytes = b""
    plain: bytes | None = None


class _Late(Exception):
    """The log goes on after what came down this process's tail so far."""


class Room:
    """The ring and the members of one followed room."""

    def __init__(self, name: str, broker: Broker, on_reject: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self._on_reject = on_reject
        self.lines: list[Line] = []
        self.base = 0
        self.members: dict[Member, None] = {}
        self.holds = 0
        """Joins under way: such a room is not given up."""
        self.idle_since: float | None = None
        self.arrived = self.submitted = 0
        """Messages since the last sweep: down the tail, and by way of this instance."""
        self.rules = NONE
        """What holds in it, as told by `rule`."""
        self._deleted: frozenset[str] = frozenset()
        self.rejected = 0
        """Entries from the broker that were not ours."""
        self._broker = broker
        self._index: dict[str, int] = {}
        self._keys: set[str] = set()
        """Of the messages in the ring, as the broker knows them: who says too much asks for them often."""
        self._log_top = ""
        self._told: str | None = None
        """Position of the newest message."""
        self._skipped = False
        """The newest entry is not ours, so the next message cannot name it."""
        self._before: str | None = None
        """A position known to stand right before the ring."""
        self._complete = False
        """The ring reaches back as far as the window."""
        self._refused: dict[str, Reason] = {}
        """Verdicts on positions that cannot be continued, for all who come back with the same one."""
        self._written = 0
        self._generation = 0
        self._reaching = asyncio.Lock()
        self._arrived = asyncio.Event()

    @property
    def end(self) -> int:
        """The number that the next line gets."""
        return self.base + len(self.lines)

    @property
    def top(self) -> str:
        """The top of the log, as clients are told: the newest message, or where the first will be."""
        return self._told or self._log_top

    # What the broker says ---------------------------------------------------------------------------------

    def restart(self, tail: Tail, reason: Reason | None) -> None:
        """Forget the ring and begin at a tail; with a reason, every member is told."""
        self._generation += 1
        # Far from every number in use: what is put before the ring later does not reach back to them.
        self.base = self.end + RESTART_GAP
        self.lines.clear()
        self._index.clear()
        self._keys.clear()
        self._refused.clear()
        self._told = self._before = None
        self._skipped = False
        self._log_top = tail.top
        self._complete = tail.complete
        self._extend(tail.entries)
        self._written = self.end
        self._wake()
        if reason is not None:
            for member in list(self.members):
                member.reset(reason)

    def add(self, entries: Sequence[Entry]) -> None:
        """The next entries of the log."""
        self._extend(entries)
        # A log that grew may reach positions that it ended before; the other verdicts stand.
        if self._refused:
            self._refused = {since: why for since, why in self._refused.items() if why != "ahead"}
        self._wake()

    def _extend(self, entries: Iterable[Entry]) -> None:
        if not self.lines:
            self._before = None
        for entry in entries:
            line = self._line(entry, self._told if self._skipped else entry.prev)
            self._index[line.position] = self.end
            self.lines.append(line)
            self._log_top = line.position
            self._skipped = line.message is None
            if line.message is not None:
                self._told = line.position
                self._keys.add(entry.key)
        if self.lines and self._before is None and self.lines[0].message is not None:
            self._before = self.lines[0].prev

    def _line(self, entry: Entry, prev: str | None) -> Line:
        try:
            message = protocol.load(entry.key, entry.data)
        except ValueError:
            self.rejected += 1
            self._on_reject()
            return Line(entry.position, entry.time, plain=b"")
        if entry.position in self._deleted and message.deletes is None:
            message = protocol.removed(message)
        frame = protocol.message_frame(entry.position, prev, message)
        return Line(entry.position, entry.time, message, prev, frame)

    def rule(self, rules: Rules) -> None:
        """What holds in this room from now on; texts that were removed are forgotten."""
        before, self.rules, self._deleted = self._deleted, rules, frozenset(rules.deleted)
        for position in self._deleted - before:
            number = self._index.get(position)
            line = None if number is None else self.lines[number - self.base]
            # That something was removed stays told, whatever somebody with the link posts by hand.
            if line is not None and line.message is not None and line.message.deletes is None:
                line.message = protocol.removed(line.message)
                line.v1 = protocol.message_frame(line.position, line.prev, line.message)
                line.plain = None

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
            self._before = lines[cut - 1].position
            self._complete = True
            for line in lines[:cut]:
                del self._index[line.position]
                if line.message is not None:
                    self._keys.discard(protocol.key_of(line.message.user.id, line.message.id))
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
        fresh = self.lines[max(0, start - self.base) :]
        v1 = plain = b""
        delivered = 0
        # What is done here is done for each member and message: the rest of the program is not.
        for member in list(self.members):
            if member.cursor != start or member.behind or start < self.base:
                # It joined between an entry's coming and this turn's writing; or lines were too old by our
                # clock before they were written, and it has to be told.
                if member.cursor != end:
                    member.pump()
                continue
            if member.v1:
                data = v1 = v1 or self._join(fresh, True)
            else:
                data = plain = plain or self._join(fresh, False)
            if member.pending:
                written = member.write(data)
            elif not (written := not data or member.wire.write(data)):
                member.fall_behind()
            if written:
                member.cursor = end
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
                line.plain = (
                    protocol.plain_frame(line.message) if line.message and line.message.message else b""
                )
            frames.append(line.plain)
        return b"".join(frames)

    def page_start(self, count: int = PAGE) -> int:
        """The cursor that has `count` messages before the end, or as many as there are."""
        if not self.rejected:
            return max(self.base, self.end - count)
        places = [number for number, line in enumerate(self.lines, self.base) if line.message]
        return places[-count] if 0 < count <= len(places) else self.base if count else self.end

    def _held(self) -> int:
        return sum(line.message is not None for line in self.lines) if self.rejected else len(self.lines)

    def between(self, after: str | None, before: str | None, limit: int) -> list[Line] | None:
        """The messages that a read asks for, or None where the ring does not hold them for sure."""
        if after is not None:
            start = self._after(after)
            return None if start is None else self._messages(start, self.end)[:limit]
        stop = self.end if before is None else self._index.get(before)
        if stop is None:
            return None
        found = self._messages(self.base, stop)
        return found[-limit:] if len(found) >= limit or self._complete else None

    def holds_message(self, user_id: str, message_id: str) -> bool:
        """Whether this person's message stands in the ring."""
        return protocol.key_of(user_id, message_id) in self._keys

    def _messages(self, start: int, stop: int) -> list[Line]:
        return [line for line in self.lines[start - self.base : stop - self.base] if line.message]

    def _after(self, since: str) -> int | None:
        number = self._index.get(since)
        if number is not None:
            return number + 1
        if since in (self._told, self._log_top):
            return self.end
        return self.base if since == self._before else None

    async def resume(self, since: str) -> int | Reason:
        """The cursor right after a position, or why there is none.

        Extends the ring backwards as far as needed; all who come back together share one read. Raise
        `Unavailable` where the broker does not answer.
        """
        while True:
            arrived = self._arrived
            found = self._after(since)
            if found is not None:
                return found
            try:
                async with self._reaching:
                    if self._after(since) is None:
                        refusal = self._refused.get(since) or await self._reach(since)
                        if refusal is not None:
                            return refusal
            except _Late:
                await self._arrival(arrived)

    async def _reach(self, since: str) -> Reason | None:
        """Read from a position on until the ring begins. None: look again."""
        generation = self._generation
        missing: list[Entry] = []
        after = since
        while True:
            page = await self._broker.read(self.name, after=after, limit=READ)
            if self._generation != generation or self._after(since) is not None:
                return None
            if not page.complete:
                if after == since and page.reason is not None:
                    if len(self._refused) < REFUSALS:
                        self._refused[since] = page.reason
                    return page.reason
                return None  # the window moved on over what was read
            missing += page.entries
            # Looked for in all that was read: the ring may have got its first line while we read on.
            meets = next((at for at, entry in enumerate(missing) if entry.position in self._index), None)
            if meets is not None:
                if self._index[missing[meets].position] != self.base:
                    raise Unavailable("the room's log does not fit what came down its tail")
                self._prepend(missing[:meets], since)
                return None
            if len(page.entries) < READ:
                break
            after = page.entries[-1].position
        if not self.lines and missing and missing[-1].position == self._log_top:
            self._prepend(missing, since)
            return None
        raise _Late

    async def _arrival(self, arrived: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(ARRIVAL_SECONDS):
                await arrived.wait()
        except TimeoutError:
            raise Unavailable("the room's tail is late") from None

    async def reach_back(self, count: int) -> int:
        """The cursor `count` messages before the end; reads older ones where the ring is short of them."""
        async with self._reaching:
            while self.lines and self._held() < count and not self._complete:
                generation, first = self._generation, self.lines[0].position
                wanted = min(READ, count - self._held())
                page = await self._broker.read(self.name, before=first, limit=wanted)
                moved = not self.lines or self.lines[0].position != first
                if moved or self._generation != generation:
                    continue
                self._prepend(page.entries, None)
                self._complete = self._complete or not page.complete or len(page.entries) < wanted
        return self.page_start(count)

    def _prepend(self, entries: list[Entry], before: str | None) -> None:
        """Put older entries in front of the ring; `before` is a position known to stand before them."""
        lines: list[Line] = []
        told: str | None = None
        for entry in entries:
            skipped = bool(lines) and lines[-1].message is None
            line = self._line(entry, told if skipped else entry.prev)
            lines.append(line)
            if line.message is not None:
                told = line.position
                self._keys.add(entry.key)
        if told is not None or (lines and lines[-1].message is None):
            self._rename_first(told)
        if self._told is None or not self.lines:
            self._told = told or self._told
        if lines and not self.lines:
            # They are the newest as well: what comes next names the last one that is told.
            self._skipped = lines[-1].message is None
        self.base -= len(lines)
        self.lines[:0] = lines
        for number, line in enumerate(lines, self.base):
            self._index[line.position] = number
        self._before = before or (lines[0].prev if lines else self._before)

    def _rename_first(self, prev: str | None) -> None:
        """What the ring's first message names as before it, where that is an entry that nobody sees."""
        for line in self.lines:
            if line.message is not None:
                if line.prev != prev:
                    line.prev = prev
                    line.v1 = protocol.message_frame(line.position, prev, line.message)
                return
