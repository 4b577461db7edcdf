"""The way back: parts of the retained log, and the verdict on a position."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import dropwhile
from typing import Any, Literal, NamedTuple

from .. import codec
from ..base import CALL_DEADLINE, Entry, Page, Reason, Tail, Window
from .keys import Keys
from .line import Line, Script
from .link import Command, Link

READ = Script("read.lua")

Part = Literal["last", "after", "before", "first"]


class Stored(NamedTuple):
    """One entry of the stream."""

    number: int
    proof: str
    blob: bytes


class Snapshot(NamedTuple):
    """A part of a room's log, and where the log ended at that instant."""

    epoch: str
    last: int
    proof: str
    stored: list[Stored]

    @property
    def top(self) -> str:
        return codec.position(self.epoch, self.last, self.proof)


class Reader:
    """Reads by way of one line; each read is one script call, so epoch, top and entries fit together."""

    def __init__(self, line: Line, keys: Keys, window: Window) -> None:
        self._line = line
        self._keys = keys
        self.window = window
        self.rejected: Callable[[str, int], None] = lambda room, count: None
        """Told of what is not ours."""

    async def snapshot(
        self, room: str, part: Part, offset: int, count: int, *, create: bool = False
    ) -> Snapshot:
        def commands(link: Link, attempt: int) -> list[Command]:
            state = self._keys.state(link, self.window)
            asked = (codec.new_epoch(), int(create), part, offset, count)
            return [("EVALSHA", READ.sha, 4, *self._keys.room(room), *state, *asked)]

        deadline = asyncio.get_running_loop().time() + CALL_DEADLINE
        (reply,) = await self._line.call(commands, deadline)
        epoch, last, proof, items, foreign = reply
        stored = [found for found in map(_stored, items) if found is not None and found.number <= last]
        foreign += len(items) - len(stored)
        if foreign:
            self.rejected(room, foreign)
        return Snapshot(epoch.decode(), int(last), proof.decode(), stored)

    async def tail(self, room: str, limit: int) -> tuple[Snapshot, Tail]:
        """The end of the log, made where it was not yet."""
        found = await self.snapshot(room, "last", 0, limit + 1, create=True)
        entries = self._entries(room, found)
        return found, Tail(found.top, entries[-limit:], len(entries) <= limit)

    async def page(self, room: str, after: str | None, before: str | None, limit: int) -> Page:
        if after is not None:
            return await self._after(room, after, limit)
        if before is not None:
            return await self._before(room, before, limit)
        found = await self.snapshot(room, "last", 0, limit + 1)
        return Page(self._entries(room, found)[-limit:] if limit else [], True)

    async def _after(self, room: str, token: str, limit: int) -> Page:
        place = codec.place(token)
        found = await self.snapshot(room, "after", place.offset if place else 0, limit + 1)
        reason = self.verdict(found, token)
        if reason is None and place is not None:
            entries = [e for e in self._entries(room, found) if e.position != token]
            begins = entries and entries[0].prev == (token if place.offset else None)
            if begins or place.offset == found.last:
                return Page(entries[:limit], True)
            reason = "trimmed"  # what comes next is there, but older than the window
        found = await self.snapshot(room, "first", 0, limit)
        return Page(self._entries(room, found), False, reason)

    async def _before(self, room: str, token: str, limit: int) -> Page:
        place = codec.place(token)
        found = await self.snapshot(room, "before", place.offset if place else 0, limit + 2)
        reason = self.verdict(found, token, reach_back=True)
        if reason is not None or place is None:
            return Page([], False, reason)
        entries = [e for e in self._entries(room, found) if e.position != token]
        return Page(entries[-limit:] if limit else [], True)

    def verdict(self, found: Snapshot, token: str, *, reach_back: bool = False) -> Reason | None:
        """Whether the log goes on from a position, given a snapshot that begins (or ends) at its offset."""
        place = codec.place(token)
        if place is None:
            return "mismatch"
        if place.epoch != found.epoch:
            return "epoch"
        if place.offset > found.last:
            return "ahead"
        if place.offset == found.last:
            return None if token == found.top else "mismatch"
        if place.offset == 0:
            # The empty log: everything that was ever written must still be there.
            if token != codec.position(found.epoch, 0, "0" * 8):
                return "mismatch"
            first = found.stored[0].number if found.stored else 0
            return None if first == 1 or reach_back else "trimmed"
        edge = found.stored[-1 if reach_back else 0] if found.stored else None
        if edge is None or edge.number != place.offset:
            return "trimmed"
        return None if edge.proof == place.proof else "mismatch"

    def _entries(self, room: str, found: Snapshot) -> list[Entry]:
        """The entries that the window still holds; the prefix that is too old is left out."""
        oldest = codec.now_ms() - int(self.window.seconds * 1000)
        entries = decode(found.epoch, found.stored)
        if len(entries) < len(found.stored):
            self.rejected(room, len(found.stored) - len(entries))
        return list(dropwhile(lambda e: e.time < oldest, entries))


def decode(epoch: str, stored: Iterable[Stored], prev: str | None = None) -> list[Entry]:
    """Stored entries as entries; what is not ours (somebody wrote into our keys) is left out."""
    entries: list[Entry] = []
    for number, proof, data in stored:
        position = codec.position(epoch, number, proof)
        try:
            blob = codec.unpack(data)
        except ValueError:
            continue
        entries.append(Entry(position, prev, blob.key, blob.digest, blob.time, blob.data))
        prev = position
    return entries


def _stored(item: Sequence[Any]) -> Stored | None:
    """One item of the stream; None where we never write such a one: another id, another proof."""
    name, fields = item
    number, _, rest = name.partition(b"-")
    values = dict(zip(fields[::2], fields[1::2], strict=False))
    blob = values.get(b"b", b"")
    proof = codec.proof_of(blob)
    if rest != b"0" or values.get(b"p") != proof.encode():
        return None
    return Stored(int(number), proof, blob)
