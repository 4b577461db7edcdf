"""A listener that writes everything down and checks the contract while it does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar

from ..base import Entry, Listener, Reason, Tail

PATIENCE = 15.0
"""Seconds that something without a fault may take on a busy machine."""

REASONS = ("epoch", "trimmed", "ahead", "mismatch")

CALLER: ContextVar[str] = ContextVar("CALLER", default="")
"""Set by tests around calls: no delivery may run in the context of a caller."""

_TOKEN = re.compile(r"[A-Za-z0-9_.\-]{1,64}\Z")


class Heard:
    """What was heard of one room."""

    def __init__(self) -> None:
        self.tails: list[tuple[Tail, Reason | None]] = []
        self.log: list[Entry] = []
        """The room's log as the listener knows it: the last tail, and what came after it."""
        self.signals: list[bytes] = []
        self.calls = 0
        self.wanted = False
        """Between a `follow` and an `unfollow`."""
        self.turn = 0
        """Counts the times it was unfollowed."""
        self.fresh = True
        """The next tail is the first one since a `follow`."""
        self.top: str | None = None
        self.seen: set[str] = set()

    @property
    def keys(self) -> list[str]:
        return [entry.key for entry in self.log]

    @property
    def positions(self) -> list[str]:
        return [entry.position for entry in self.log]

    @property
    def resets(self) -> list[Reason]:
        """The reasons of all tails but those of a `follow`."""
        return [reason for _, reason in self.tails if reason is not None]


class Recorder(Listener):
    """Keeps all that it hears by room; `faults` are breaches of the contract, in words."""

    patience = PATIENCE

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.contexts: set[str] = set()
        """The values of `CALLER` that entries and signals came with."""
        self._rooms: dict[str, Heard] = {}
        self._changed = asyncio.Event()

    def __getitem__(self, room: str) -> Heard:
        return self._rooms.setdefault(room, Heard())

    def expect(self, room: str) -> None:
        """A `follow` begins: from now on calls for the room are right."""
        heard = self[room]
        if not heard.wanted:
            heard.wanted = heard.fresh = True

    def dismiss(self, room: str) -> None:
        """An `unfollow` returned: from now on every call for the room is a fault."""
        self[room].wanted = False
        self[room].turn += 1

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def tail(self, room: str, tail: Tail, reason: Reason | None) -> None:
        heard = self._call(room, "tail")
        if heard.fresh and reason is not None:
            self.fault(f"C3: the tail of a follow of {room!r} came with the reason {reason!r}")
        if not heard.fresh and reason not in REASONS:
            self.fault(f"C4: {room!r} began again for the reason {reason!r}")
        heard.fresh = False
        if not _TOKEN.match(tail.top):
            self.fault(f"a position that is none: {tail.top!r}")
        if tail.entries and tail.entries[-1].position != tail.top:
            self.fault(f"the tail of {room!r} does not end at its top")
        if not tail.entries and not tail.complete:
            self.fault(f"an empty tail of {room!r} that is not complete")
        heard.tails.append((tail, reason))
        heard.log, heard.seen, heard.top = [], set(), None
        self._add(room, heard, tail.entries)
        heard.top = tail.top
        self._tell()

    def entries(self, room: str, entries: Sequence[Entry]) -> None:
        heard = self._call(room, "entries")
        self.contexts.add(CALLER.get())
        if not heard.tails:
            self.fault(f"C3: entries of {room!r} before its tail")
        if not entries:
            self.fault(f"entries of {room!r} without an entry")
        self._add(room, heard, entries)
        self._tell()

    def signal(self, room: str, data: bytes) -> None:
        heard = self._call(room, "signal")
        self.contexts.add(CALLER.get())
        heard.signals.append(data)
        self._tell()

    async def wait(
        self,
        predicate: Callable[[], object],
        what: str | Callable[[], str],
        seconds: float | None = None,
    ) -> None:
        """Until `predicate` holds; looked at after everything that is heard."""
        seconds = self.patience if seconds is None else seconds
        try:
            async with asyncio.timeout(seconds):
                while not predicate():
                    await self._changed.wait()
        except TimeoutError:
            if not predicate():
                text = what if isinstance(what, str) else what()
                raise AssertionError(f"not within {seconds} s: {text}") from None

    def _call(self, room: str, kind: str) -> Heard:
        heard = self[room]
        heard.calls += 1
        if not heard.wanted:
            self.fault(f"C7: {kind} for {room!r}, which is not followed")
        return heard

    def _add(self, room: str, heard: Heard, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if not _TOKEN.match(entry.position):
                self.fault(f"a position that is none: {entry.position!r}")
            # The first entry that is ever known may have no prev.
            first = not heard.log
            if entry.prev != heard.top and not (first and (entry.prev is None or heard.top is None)):
                self.fault(
                    f"C3: in {room!r} {entry.key!r} says prev={entry.prev!r}, "
                    f"but {heard.top!r} was the one before"
                )
            if entry.position in heard.seen:
                self.fault(f"C3: {entry.key!r} of {room!r} came twice")
            heard.seen.add(entry.position)
            heard.log.append(entry)
            heard.top = entry.position

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
