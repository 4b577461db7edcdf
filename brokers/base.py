"""The broker interface: one ordered log per room, and the contract every implementation keeps.

A broker knows rooms, positions and bytes. It knows nothing of browsers, members, JSON or Quart.

The nouns
---------
room        any non-empty text of at most 200 bytes in UTF-8. Two different texts never share a log.
entry       one thing appended to a room: `key`, `digest`, `data`, `time`, and, once stored, a `position`.
position    an opaque token (at most 64 of ``A-Za-z0-9_.-``) that stands for (epoch, offset, proof of what
            stood there). Only equality means anything to a caller. The empty log has a position, too.
epoch       one unbroken history of a room. When continuity can no longer be proved, a new one begins.
window      the retained part of a log: the last `Window.entries` entries not older than `Window.seconds`.
signal      a few bytes to whoever follows the room at this moment. Never stored, may be lost.

The contract
------------
C1  `append` answers with a position only after the server confirmed the entry at `durability`.
C2  One (room, key) is one entry. Inside the window the same key again answers the same position and stores
    nothing, whichever process asks; with another digest it is a `Conflict`.
C3  Entries of a followed room reach the `Listener` in log order, each exactly once, without a hole, across
    every reconnect. `Entry.prev` names the entry before it.
C4  Where that cannot be proved, `Listener.tail` is called again with a reason before any further entry.
C5  Appends of one process to one room are stored in the order in which they were submitted. When one ends
    `Unknown`, all that were waiting behind it in this process end `Unknown` as well.
C6  Every append is answered within `APPEND_DEADLINE` seconds, exactly once. A timeout is `Unknown`, never
    "failed".
C7  After `unfollow` returns, the listener hears nothing of that room until it is followed again.
C8  No call of one caller ever receives the answer of another one, whoever is cancelled. (Cancelled
    commands of a client library once handed their replies to the next user: CVE-2023-28858. So all network
    work is done in tasks that the broker owns; callers wait on futures.)

Why a listener with plain functions, and not an async iterator for each room: entries arrive in batches for
many rooms on few connections. One synchronous call a batch costs no task, no queue and no bound to choose,
and what a slow consumer does about it stays its own decision.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Literal, NamedTuple

import msgspec

from .codec import digest_of, now_ms
from .errors import AppendError, BrokerError

APPEND_DEADLINE = 8.0
"""Seconds until an append is answered `Unknown`. Below the ten seconds that a chat promises its users."""

CALL_DEADLINE = 5.0
"""Seconds until `follow`, `read` and `probe` end with `Unavailable`."""

MAX_ROOM_BYTES = 200
"""A room's name in UTF-8. Whoever uses a broker checks its own names; a longer one raises `ValueError`."""

Reason = Literal["epoch", "trimmed", "ahead", "mismatch"]
"""Why continuity from a position cannot be proved.

epoch: another history. trimmed: the log no longer reaches back that far. ahead: the log ends before it.
mismatch: another entry stands there, or the token was never a position.
"""


def check_room(room: str) -> None:
    """Raise `ValueError` for a room's name that no broker takes: empty, or above `MAX_ROOM_BYTES`."""
    if not room or len(room.encode()) > MAX_ROOM_BYTES:
        raise ValueError(f"a room's name has 1 to {MAX_ROOM_BYTES} bytes")


class Durability(IntEnum):
    """What an ack survives. A broker claims only what it has checked at the server."""

    PROCESS = 0
    """D0: memory of this process."""
    BROKER = 1
    """D1: memory, or snapshots, of the broker."""
    CRASH = 2
    """D2: kill -9 of the broker."""
    POWER = 3
    """D3: power loss."""


class Window(NamedTuple):
    """How much of a room's log is retained."""

    entries: int = 1000
    seconds: float = 86400.0


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One stored entry of a room's log, as every process sees it."""

    position: str
    prev: str | None
    """Position of the entry before it in this room; None at the oldest that can be known."""
    key: str
    digest: bytes
    time: int
    """Milliseconds since 1970 UTC by the clock of the process that appended it."""
    data: bytes


class Tail(NamedTuple):
    """The end of a room's log at one instant; live entries continue right after `top`."""

    top: str
    """Position of the last entry, or of the empty log."""
    entries: list[Entry]
    """The newest entries of the window, oldest first; the last one stands at `top`."""
    complete: bool
    """True where `entries` holds all that the window retains."""


class Page(NamedTuple):
    """One read of the retained log, oldest entry first."""

    entries: list[Entry]
    complete: bool
    """True: what was asked for is all here (or the log goes on after a full page). False: see `reason`."""
    reason: Reason | None = None


class Appended(NamedTuple):
    """The answer to an append: where the entry stands."""

    position: str
    duplicate: bool
    """True where the key was in the log before, so nothing was stored now."""


Outcome = Appended | AppendError
"""How an append ends: as data, so that the hot path raises nothing."""


class Append(msgspec.Struct, gc=False, eq=False):
    """One entry on its way into a log.

    `done` is called exactly once, from the event loop, within `APPEND_DEADLINE` seconds; it must not block
    and must not raise.
    """

    room: str
    key: str
    digest: bytes
    """What makes two appends with one key the same (at most 16 bytes); `data` may differ between them."""
    time: int
    data: bytes
    done: Callable[[Outcome], None]
    deadline: float = 0.0
    """Set by the broker: the loop's clock at which the answer is `Unknown`."""


class Listener:
    """Who hears the rooms a process follows. Plain functions on the event loop: they must not block.

    One listener a broker. An exception in it is a bug of the listener: it is logged, and delivery goes on.
    """

    def tail(self, room: str, tail: Tail, reason: Reason | None) -> None:
        """The room's log stands like this now, and entries go on from `tail.top`.

        Called once by each `follow` (reason None, before it returns), and again whenever continuity with
        what was delivered before cannot be proved; `reason` then says why. Forget what you had.
        """

    def entries(self, room: str, entries: Sequence[Entry]) -> None:
        """The next entries of a followed room, in log order, at least one."""

    def signal(self, room: str, data: bytes) -> None:
        """A signal, this process's own included. Only for followed rooms."""

    def rejected(self, room: str, count: int) -> None:
        """So many things that the server brought were not written by this program, and left out.

        They stood in this room's log, or came as its signals; "" where that cannot be told. What stays in a
        log is told each time it is read.
        """


class Broker(ABC):
    """One process's way to the rooms' logs. Make it with `brokers.connect(url)`.

    Bound to the event loop on which `open` runs. Cheap to make: no connection, no loop object before `open`.
    """

    tail_entries = 64
    """How many entries `follow` brings along: what a room page shows first, and a bit."""

    def __init__(self, url: str, *, window: Window | None = None) -> None:
        """Raise `BrokerConfigError` where the URL cannot be used."""
        self.url = url
        self.window = window or Window()

    @abstractmethod
    async def open(self, listener: Listener) -> None:
        """Start the broker's tasks. Returns at once also when the server is down: they go on trying."""

    @abstractmethod
    async def close(self) -> None:
        """End all tasks and connections; appends without an answer end `Unknown`. Safe to call twice."""

    @abstractmethod
    def submit(self, append: Append) -> None:
        """Put an entry in line. Never blocks; the answer goes to `append.done`."""

    @abstractmethod
    async def follow(self, room: str) -> None:
        """Begin to hear a room; `Listener.tail` was called when this returns.

        Live delivery is certain then. Following a followed room does nothing. Raise `Unavailable` after
        `CALL_DEADLINE`: then nothing is followed.
        """

    @abstractmethod
    def unfollow(self, room: str) -> None:
        """Stop hearing a room at once; the server is told in the background. Unknown rooms are fine."""

    @abstractmethod
    async def read(
        self, room: str, *, after: str | None = None, before: str | None = None, limit: int = 50
    ) -> Page:
        """Read the retained log, at most `limit` entries, oldest first; the room need not be followed.

        after=P     the entries that follow P. `complete` is False where continuity from P cannot be proved;
                    the page then starts at the oldest retained entry.
        before=P    the entries that end right before P. `complete` is False, and the page empty, where P
                    itself is not in the retained log.
        neither     the newest entries.

        Raise `Unavailable` after `CALL_DEADLINE`, `ValueError` for both `after` and `before`.
        """

    @abstractmethod
    def signal(self, room: str, data: bytes) -> None:
        """Tell whoever follows the room. At most once, never stored, dropped while disconnected."""

    @abstractmethod
    async def probe(self) -> float:
        """Send a message to this process by way of the server; seconds until it came back.

        Raise `Unavailable` where it does not come back within `CALL_DEADLINE`: deaf or mute is not ready.
        """

    @property
    @abstractmethod
    def durability(self) -> Durability:
        """What was checked at the server. May change while the broker is open."""

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether the last that is known of the link is good. A hint for pages; readiness is `probe`."""

    @property
    def silent(self) -> bool:
        """While not `connected`: nothing is answered at all, not even that the server is down.

        Then it may be this process's way alone that is bad. False where that is not told apart.
        """
        return False

    async def append(self, room: str, key: str, data: bytes, *, digest: bytes | None = None) -> Appended:
        """Append one entry and wait for its position.

        `digest` (default: taken from `data`) decides whether a second append with the key is the same one.
        Raise `Unknown`, `Conflict` or `Refused`. Cancelling the wait does not take the entry back.
        """
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if future.done():
                return
            if isinstance(outcome, BrokerError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.submit(Append(room, key, digest_of(data) if digest is None else digest, now_ms(), data, done))
        return await future
