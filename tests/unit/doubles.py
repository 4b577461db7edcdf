"""Stand-ins above the broker seam: a client's wire, a broker that does as it is told, a hub's clock."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from brokers import (
    Append,
    Appended,
    Broker,
    Conflict,
    Durability,
    Entry,
    Listener,
    Outcome,
    Page,
    Reason,
    Tail,
    Unavailable,
    Unknown,
    Window,
)
from quartchat import protocol
from quartchat.frames import payloads
from quartchat.hub import Hub
from quartchat.member import Member
from quartchat.protocol import User
from quartchat.room import Room
from quartchat.settings import Settings
from quartchat.wire import HIGH_WATER

Frame = dict[str, Any]

ROOM = "lobby"
ANN = User("ann-id", "Ann")
BOB = User("bob-id", "Bob")
EVE = User("eve-id", "Eve")

NOW_MS = 1_900_000_000_000
"""Entries of `ScriptedBroker.put` are of here on: in the future, so that no window of time drops them."""


class WireDouble:
    """A client's socket. While `stuck`, everything stays in its buffer until `take`."""

    high = HIGH_WATER
    pings = True

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.stuck = False
        self.peak = 0
        self.closed: tuple[int, str] | None = None
        self._buffer = 0
        self._drained = asyncio.Event()
        self._drained.set()

    def write(self, frames: bytes) -> bool:
        if self.closed is not None:
            return True
        if self._buffer > self.high:
            return False
        assert frames, "an empty write"
        self.writes.append(frames)
        if self.stuck:
            self._buffer += len(frames)
            self.peak = max(self.peak, self._buffer)
            if self._buffer > self.high:
                self._drained.clear()
        return True

    def buffered(self) -> int:
        return self._buffer

    def taken(self) -> object:
        return self._buffer

    async def drained(self) -> None:
        await self._drained.wait()

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)
            self._drained.set()

    def take(self, size: int | None = None) -> None:
        """The client reads so many bytes, or all. Like asyncio, `drained` waits for a quarter of the mark."""
        self._buffer -= self._buffer if size is None else min(size, self._buffer)
        if self._buffer <= self.high // 4:
            self._drained.set()

    @property
    def frames(self) -> list[Frame]:
        """All that was written, decoded."""
        return [json.loads(payload) for payload in payloads(b"".join(self.writes))]

    def of(self, *kinds: str) -> list[Frame]:
        return [frame for frame in self.frames if frame.get("type") in kinds]

    @property
    def texts(self) -> list[str]:
        """The texts of all messages, in either dialect."""
        return [frame["message"] for frame in self.frames if "message" in frame]

    def forget(self) -> None:
        self.writes.clear()


class Log:
    """One room at the broker: all entries ever, of which those from `first` on are retained."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.entries: list[Entry] = []
        self.first = 0

    @property
    def empty(self) -> str:
        return f"{self.epoch}.0.00000000"

    @property
    def top(self) -> str:
        return self.entries[-1].position if self.entries else self.empty

    def append(self, key: str, digest: bytes, time: int, data: bytes) -> Entry:
        prev = self.entries[-1].position if self.entries else None
        position = f"{self.epoch}.{len(self.entries) + 1:x}.{digest.hex()[:8]}"
        entry = Entry(position, prev, key, digest, time, data)
        self.entries.append(entry)
        return entry

    def tail(self, limit: int) -> Tail:
        start = max(self.first, len(self.entries) - limit)
        return Tail(self.top, self.entries[start:], start == self.first)

    def number(self, token: str) -> int | Reason:
        """How many entries stand up to a position, itself included."""
        epoch, _, rest = token.partition(".")
        if token.count(".") != 2:
            return "mismatch"
        if epoch != self.epoch:
            return "epoch"
        number = int(rest.partition(".")[0], 16)
        if number > len(self.entries):
            return "ahead"
        if number < self.first:
            return "trimmed"
        stands = self.entries[number - 1].position if number else self.empty
        return number if stands == token else "mismatch"

    def read(self, after: str | None, before: str | None, limit: int) -> Page:
        if after is not None:
            start = self.number(after)
            if isinstance(start, str):
                return Page(self.entries[self.first : self.first + limit], False, start)
            return Page(self.entries[start : start + limit], True)
        stop: int | Reason = len(self.entries)
        if before is not None:
            stop = self.number(before)
            if isinstance(stop, str) or stop <= self.first:
                return Page([], False, stop if isinstance(stop, str) else "trimmed")
            stop -= 1
        return Page(self.entries[max(self.first, stop - limit) : stop], True)


class ScriptedBroker(Broker):
    """Keeps the contract, but when and whether it answers is the test's to say."""

    silent = False

    def __init__(self, *, window: Window | None = None) -> None:
        super().__init__("scripted://", window=window)
        self.logs: dict[str, Log] = {}
        self.followed: set[str] = set()
        self.listener: Listener = Listener()
        self.level = Durability.CRASH
        self.up = True

        self.submitted: list[Append] = []
        self.waiting: list[Append] = []
        self.hold_appends = False
        """Appends stay in `waiting` until the test answers them."""

        self.undelivered: list[tuple[str, Entry]] = []
        self.lagging = False
        """Entries are stored and acked, but reach the listener only by `deliver`."""

        self.reads: list[tuple[str, str | None, str | None, int]] = []
        self.read_gate: asyncio.Event | None = None
        """Reads wait here, with the page that they saw when they were asked."""
        self.late_reads = False
        """They see the log as it is when the gate opens."""
        self.read_error: Exception | None = None
        self.most_reads = 5000
        """Beyond that somebody reads without end."""

        self.follows: list[str] = []
        self.unfollows: list[str] = []
        self.follow_gate: asyncio.Event | None = None
        self.follow_error: Exception | None = None
        self.signals: list[tuple[str, bytes]] = []
        self.probe_gate: asyncio.Event | None = None
        self.probe_error: Exception | None = None
        self.probes = 0
        self._epochs = (f"epoch{number:07d}" for number in itertools.count(1))
        self._numbers = itertools.count()

    # What a test says ------------------------------------------------------------------------------------

    def log(self, room: str = ROOM) -> Log:
        if room not in self.logs:
            # Rooms alone are counted: logs of the program's own come and go.
            self.logs[room] = Log("own" if room.startswith(" ") else next(self._epochs))
        return self.logs[room]

    def put(
        self, count: int = 1, *, room: str = ROOM, user: User = EVE, text: str = "", time: int = NOW_MS
    ) -> list[Entry]:
        """Somebody at another instance says something, one time or more."""
        entries = []
        for _ in range(count):
            number = next(self._numbers)
            key, digest, data = protocol.store(f"n{number}", text or f"m{number}", user, time)
            entries.append(self.put_raw(key, digest, data, room=room, time=time))
        self._deliver(room, entries)
        return entries

    def put_junk(self, count: int = 1, *, room: str = ROOM) -> list[Entry]:
        """Something that is no message of ours lands in the log."""
        junk = [b"{", b"\xff", b"[]", b"{}", b'{"id":1}', b"null"]
        entries = []
        for _ in range(count):
            number = next(self._numbers)
            entries.append(self.put_raw(f"junk:{number}", b"junkjunk", junk[number % len(junk)], room=room))
        self._deliver(room, entries)
        return entries

    def put_raw(self, key: str, digest: bytes, data: bytes, *, room: str = ROOM, time: int = NOW_MS) -> Entry:
        """Store only."""
        return self.log(room).append(key, digest, time, data)

    def deliver(self, count: int | None = None) -> None:
        """Let held-back entries come down the tail, in one batch."""
        stop = len(self.undelivered) if count is None else count
        batch, self.undelivered = self.undelivered[:stop], self.undelivered[stop:]
        for room, group in itertools.groupby(batch, key=lambda item: item[0]):
            if room in self.followed:
                self.listener.entries(room, [entry for _, entry in group])

    def begin_again(self, reason: Reason, *, room: str = ROOM, keep: bool = False) -> None:
        """Continuity is lost: a new epoch (or, with `keep`, the same log) is told to the listener."""
        if not keep:
            self.logs[room] = Log(next(self._epochs))
        self.undelivered = [item for item in self.undelivered if item[0] != room]
        if room in self.followed:
            self.listener.tail(room, self.log(room).tail(self.tail_entries), reason)

    def answer(self, outcome: Outcome | None = None) -> None:
        """Answer the append that has waited longest: stored, or as given."""
        append = self.waiting.pop(0)
        if outcome is None:
            self._store(append)
        else:
            append.done(outcome)

    # What the program sees -------------------------------------------------------------------------------

    async def open(self, listener: Listener) -> None:
        self.listener = listener

    async def close(self) -> None:
        for append in self.waiting:
            append.done(Unknown("closed"))
        self.waiting.clear()

    @property
    def durability(self) -> Durability:
        return self.level

    @property
    def connected(self) -> bool:
        return self.up

    def submit(self, append: Append) -> None:
        self.submitted.append(append)
        if self.hold_appends:
            self.waiting.append(append)
        else:
            asyncio.get_running_loop().call_soon(self._store, append)

    def _store(self, append: Append) -> None:
        log = self.log(append.room)
        known = [entry for entry in log.entries if entry.key == append.key]
        if known and known[0].digest != append.digest:
            append.done(Conflict("another text"))
        elif known:
            append.done(Appended(known[0].position, True))
        else:
            entry = log.append(append.key, append.digest, append.time, append.data)
            append.done(Appended(entry.position, False))
            self._deliver(append.room, [entry])

    def _deliver(self, room: str, entries: Sequence[Entry]) -> None:
        if self.lagging:
            self.undelivered.extend((room, entry) for entry in entries)
        elif room in self.followed:
            self.listener.entries(room, entries)

    async def follow(self, room: str) -> None:
        self.follows.append(room)
        if self.follow_gate is not None:
            await self.follow_gate.wait()
        if self.follow_error is not None:
            raise self.follow_error
        if room not in self.followed:
            self.followed.add(room)
            # What stands in the log by now is in the tail, and not told again.
            self.undelivered = [item for item in self.undelivered if item[0] != room]
            self.listener.tail(room, self.log(room).tail(self.tail_entries), None)

    def unfollow(self, room: str) -> None:
        self.unfollows.append(room)
        self.followed.discard(room)

    async def read(
        self, room: str, *, after: str | None = None, before: str | None = None, limit: int = 50
    ) -> Page:
        self.reads.append((room, after, before, limit))
        if len(self.reads) > self.most_reads:
            raise Unavailable("read without end")
        page = self.log(room).read(after, before, limit)
        if self.read_gate is not None:
            await self.read_gate.wait()
            if self.late_reads:
                page = self.log(room).read(after, before, limit)
        else:
            await asyncio.sleep(0)  # a network is never instant
        if self.read_error is not None:
            raise self.read_error
        return page

    def signal(self, room: str, data: bytes) -> None:
        self.signals.append((room, data))
        # From the loop, as every broker does it.
        asyncio.get_running_loop().call_soon(self._echo, room, data)

    def _echo(self, room: str, data: bytes) -> None:
        if room in self.followed:
            self.listener.signal(room, data)

    async def probe(self) -> float:
        self.probes += 1
        if self.probe_gate is not None:
            await self.probe_gate.wait()
        if self.probe_error is not None:
            raise self.probe_error
        return 0.001


class ClockedHub(Hub):
    """Its clock is the loop's."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()


class World:
    """A hub on a scripted broker, and what a door does: enter, find the place, join."""

    def __init__(self, broker: ScriptedBroker, hub: Hub) -> None:
        self.broker = broker
        self.hub = hub

    @property
    def room(self) -> Room:
        return self.hub.rooms[ROOM]

    async def enter(
        self,
        user: User = ANN,
        *,
        room: str = ROOM,
        v1: bool = True,
        since: str | None = None,
        history: int = 0,
        wire: WireDouble | None = None,
        expires: float = float("inf"),
    ) -> Member:
        found = await self.hub.enter(room)
        resumed: bool | None = None
        reason: Reason | None = None
        cursor = 0
        try:
            if since is None:
                cursor = await found.reach_back(history) if history else found.end
            else:
                place = await found.resume(since)
                resumed = isinstance(place, int)
                if isinstance(place, int):
                    cursor = place
                else:
                    reason = place
        finally:
            self.hub.release(found)
        member = Member(self.hub, found, wire or WireDouble(), user, v1=v1, cursor=cursor, expires=expires)
        self.hub.join(member, resumed, reason)
        return member


@asynccontextmanager
async def world(broker: ScriptedBroker | None = None, **settings: Any) -> Any:
    """A `World` that is taken down at the end."""
    broker = broker or ScriptedBroker()
    hub = ClockedHub(Settings(**{"message_rate": 0.0, **settings}), broker)
    await broker.open(hub)
    # As at the start of a process; what is counted from here on is the test's.
    await hub.rules.ledger.learn()
    broker.follows.clear()
    broker.reads.clear()
    try:
        yield World(broker, hub)
    finally:
        await hub.stop()
        await broker.close()


def wire_of(member: Member) -> WireDouble:
    assert isinstance(member.wire, WireDouble)
    return member.wire


def send(message_id: str, text: str) -> str:
    return json.dumps({"type": "send", "id": message_id, "message": text})


def chain(frames: Sequence[Frame]) -> Iterator[tuple[str | None, str]]:
    """(prev, position) of every message."""
    for frame in frames:
        if frame.get("type") == "message":
            yield frame["prev"], frame["position"]
