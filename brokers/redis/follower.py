"""The way out: rooms that are followed, gapless.

Pub/sub is only the fast path, and loses what is published while nobody listens; the stream is the truth.
Numbers are contiguous, so a hole shows at the next message; where none comes, comparing the top of every
followed room every few seconds shows it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import struct
from collections.abc import Callable, Coroutine
from typing import Any

from redis.asyncio.connection import ConnectionPool

from .. import codec
from ..base import CALL_DEADLINE, Entry, Listener
from ..errors import Unavailable
from .keys import Keys
from .line import BACKOFF, Line
from .link import FAULTS, SILENCE, Command, Link
from .reader import Reader, Stored, decode

log = logging.getLogger("brokers.redis")

COMPARE_SECONDS = 2.5
"""Between two comparisons of all tops: a missed message is found within ten seconds, the read included."""

PATIENCE = 4.0
"""Seconds for the probe before each of them, a second link for its command included. With the pause before,
and the two seconds until a chat looks at `up`, its members are told within ten."""

TOUCH_SECONDS = 600.0
"""How often the place of a followed room is kept from expiring."""

REPAIR_PAGE = 500
"""Entries in one read while a hole is mended."""

Spawn = Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]


class Followed:
    """One followed room: how far its listener has heard."""

    __slots__ = ("epoch", "held", "last", "missed", "room", "subscribed", "task", "top")

    def __init__(self, room: str) -> None:
        self.room = room
        self.epoch = ""
        self.last = 0
        self.top = ""
        self.held: list[bytes] | None = []
        """Payloads that wait while the log is read; None while entries pass straight through."""
        self.subscribed = asyncio.Event()
        self.missed = False
        """The last comparison found entries that pub/sub had not brought, and it brought none since."""
        self.task: asyncio.Task[None] | None = None
        """Whoever reads the log for this room now: the first read, or a repair."""


class Follower:
    """Owns the pub/sub link and every followed room."""

    def __init__(
        self, pool: ConnectionPool, keys: Keys, reader: Reader, line: Line, spawn: Spawn, tail: int
    ) -> None:
        self._pool = pool
        self._keys = keys
        self._reader = reader
        self._line = line
        self._spawn = spawn
        self._tail_entries = tail
        self._listener = Listener()
        self._rooms: dict[bytes, Followed] = {}
        self._link: Link | None = None
        self._confirming: dict[bytes, int] = {}
        self._own = f"{keys.prefix}:probe:{secrets.token_hex(8)}"
        self._probes: dict[bytes, asyncio.Future[bool]] = {}
        """Under way: True where one came back, False where the link that it was waited for on is gone."""
        self._sends = asyncio.Lock()
        self._run_id = b""
        self._hearing = asyncio.Event()
        """Set while the pub/sub link is known to hear this process's own channel."""
        self.silent = False
        """While not `up`: the last try ended because nothing was answered, not by a word of the server's."""

    @property
    def up(self) -> bool:
        return self._hearing.is_set()

    def follow(self, room: str) -> Coroutine[Any, Any, None]:
        """Register the room at once, so that an `unfollow` right after finds it; what is left is to wait."""
        channel = self._keys.channel(room).encode()
        state = self._rooms.get(channel)
        if state is None:
            state = self._rooms[channel] = Followed(room)
            state.task = self._spawn(self._begin(channel, state))
        return self._begun(channel)

    async def _begun(self, channel: bytes) -> None:
        # Whoever was overtaken by an unfollow and another follow waits for that one.
        while (state := self._rooms.get(channel)) is not None and not state.epoch and state.task:
            await asyncio.wait({state.task})
        if state is None or not state.epoch:
            raise Unavailable("the room could not be followed")

    def unfollow(self, room: str) -> None:
        channel = self._keys.channel(room).encode()
        state = self._rooms.pop(channel, None)
        if state is not None:
            state.subscribed.set()  # whoever still waits for it ends, and finds the room gone
            self._spawn(self._tell("UNSUBSCRIBE", channel))

    async def probe(self, seconds: float = CALL_DEADLINE) -> None:
        """Publish to this process's own channel and wait for it on the pub/sub link."""
        nonce = secrets.token_hex(8).encode()
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._hearing.wait()
                future = self._probes[nonce] = asyncio.get_running_loop().create_future()
                await self._line.call(lambda link, attempt: [("PUBLISH", self._own, nonce)], deadline)
                if await future:
                    return
        except TimeoutError:
            pass
        finally:
            self._probes.pop(nonce, None)
        raise Unavailable("what was published did not come back")

    # The pub/sub link -------------------------------------------------------------------------------

    async def run(self, listener: Listener) -> None:
        """Hold the link: connect, subscribe to everything, read; again and again."""
        self._listener = listener
        attempt = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._listen()
            except FAULTS as error:
                self.silent = isinstance(error, SILENCE)
                if attempt < 1:
                    log.warning("pub/sub link to Redis lost: %s", type(error).__name__)
            finally:
                await self._lose()
            attempt = 0 if asyncio.get_running_loop().time() - began > 5 else attempt + 1
            pause = BACKOFF[min(attempt, len(BACKOFF) - 1)]
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311

    async def _listen(self) -> None:
        link = await Link.make(self._pool)
        self._confirming.clear()
        self._link = link
        await link.send("SUBSCRIBE", self._own)
        channels = list(self._rooms)
        for channel in channels:
            self._confirming[channel] = 1
        for start in range(0, len(channels), 500):
            async with self._sends:
                await link.send("SUBSCRIBE", *(c.decode() for c in channels[start : start + 500]))
        while True:
            kind, channel, data = await link.receive()
            if kind == b"message":
                self._message(channel, data)
            elif kind == b"subscribe":
                self._confirmed(channel)

    async def _lose(self) -> None:
        link, self._link = self._link, None
        self._hearing.clear()
        for probe in self._probes.values():
            if not probe.done():
                probe.set_result(False)
        for state in self._rooms.values():
            state.subscribed.clear()
            state.missed = False
        if link is not None:
            await link.drop()

    async def _tell(self, verb: str, channel: bytes) -> None:
        link = self._link
        if link is None:
            return  # the next link subscribes to what is followed then
        if verb == "SUBSCRIBE":
            self._confirming[channel] = self._confirming.get(channel, 0) + 1
        try:
            async with self._sends:
                await link.send(verb, channel.decode())
        except FAULTS:
            await link.drop()

    def _confirmed(self, channel: bytes) -> None:
        # Only the last of several confirmations counts: between two stood an UNSUBSCRIBE.
        if channel == self._own.encode():
            self._hearing.set()
            return
        left = self._confirming.pop(channel, 1) - 1
        if left > 0:
            self._confirming[channel] = left
            return
        state = self._rooms.get(channel)
        if state is not None:
            state.subscribed.set()
            if state.epoch and state.task is None:
                self._mend(channel, state)

    def _message(self, channel: bytes, data: bytes) -> None:
        state = self._rooms.get(channel)
        if state is None:
            probe = self._probes.get(data)
            if probe is not None and not probe.done():
                probe.set_result(True)
            return
        state.missed = False
        if data[:1] == b"S":
            if state.epoch:
                self._call(self._listener.signal, state.room, data[1:])
        elif state.held is not None:
            state.held.append(data)
        elif not self._pass(state, data):
            state.held = [data]
            self._mend(channel, state)

    # Entries ------------------------------------------------------------------------------------------

    def _pass(self, state: Followed, data: bytes) -> bool:
        """Hand on the new entries of one published batch; False where they do not follow what was heard."""
        try:
            epoch, first, before, stored = unpack_batch(data)
        except ValueError:
            log.debug("a message that is not ours on a room's channel: skipped")
            self._call(self._listener.rejected, state.room, 1)
            return True
        if epoch != state.epoch or first > state.last + 1:
            return False
        if first == state.last + 1 and codec.position(epoch, first - 1, before) != state.top:
            return False
        fresh = [s for s in stored if s.number > state.last]
        entries = decode(epoch, fresh, prev_of(state))
        if len(entries) < len(fresh):
            # Nothing of it: in the log, which is the truth, stands what is ours.
            self._call(self._listener.rejected, state.room, len(fresh) - len(entries))
            return True
        self._deliver(state, entries)
        return True

    def _deliver(self, state: Followed, entries: list[Entry]) -> None:
        if entries:
            place = codec.place(entries[-1].position)
            if place is not None:
                state.last, state.top = place.offset, entries[-1].position
            self._call(self._listener.entries, state.room, entries)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception:
            log.exception("the listener failed")

    async def _begin(self, channel: bytes, state: Followed) -> None:
        """The first read: subscribe, be sure of it, read the tail, let go what came meanwhile."""
        try:
            async with asyncio.timeout(CALL_DEADLINE):
                await self._tell("SUBSCRIBE", channel)
                await state.subscribed.wait()
                if self._rooms.get(channel) is state:
                    await self._restart(channel, state, None)
        except (TimeoutError, Unavailable):
            if self._rooms.get(channel) is state:
                del self._rooms[channel]
                self._spawn(self._tell("UNSUBSCRIBE", channel))
        finally:
            state.task = None
        self._release(channel, state)

    async def _restart(self, channel: bytes, state: Followed, reason: Any) -> None:
        found, tail = await self._reader.tail(state.room, self._tail_entries)
        if self._rooms.get(channel) is state:
            state.epoch, state.last, state.top = found.epoch, found.last, found.top
            self._call(self._listener.tail, state.room, tail, reason)

    def _mend(self, channel: bytes, state: Followed) -> None:
        if state.task is None:
            if state.held is None:
                state.held = []
            state.task = self._spawn(self._repair(channel, state))

    async def _repair(self, channel: bytes, state: Followed) -> None:
        """Read what was missed, or tell the listener that it cannot be told."""
        try:
            while self._rooms.get(channel) is state:
                page = await self._reader.page(state.room, state.top, None, REPAIR_PAGE)
                if self._rooms.get(channel) is not state:
                    return
                if not page.complete:
                    await self._restart(channel, state, page.reason)
                    break
                self._deliver(state, page.entries)
                if len(page.entries) < REPAIR_PAGE:
                    break
        except Unavailable:
            return  # held stays: the next comparison, or the next link, comes back to it
        finally:
            state.task = None
        self._release(channel, state)

    def _release(self, channel: bytes, state: Followed) -> None:
        if self._rooms.get(channel) is not state:
            return
        held, state.held = state.held or [], None
        for index, data in enumerate(held):
            if not self._pass(state, data):
                state.held = held[index:]
                self._mend(channel, state)
                return

    # Watching -----------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Compare, and probe the pub/sub link, every few seconds."""
        touched = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(COMPARE_SECONDS * random.uniform(0.7, 1))  # noqa: S311
            now = asyncio.get_running_loop().time()
            touch = now - touched > TOUCH_SECONDS
            try:
                await self.probe(PATIENCE)
                await self.compare(touch=touch)
            except Unavailable:
                # Deaf, for all rooms or for one, or mute: a new link finds out which.
                link = self._link
                if link is not None:
                    await link.drop()
            else:
                touched = now if touch else touched

    async def compare(self, *, touch: bool = False) -> None:
        """Mend every followed room whose top at the server is not what its listener heard last.

        Raise `Unavailable` where that was so at the last comparison, too, and pub/sub has brought nothing of
        the room since: what is on its way is late for a moment only.
        """
        deaf = False
        rooms = [(c, s) for c, s in self._rooms.items() if s.epoch]
        for start in range(0, len(rooms), 500):
            part = rooms[start : start + 500]

            def commands(
                link: Link, attempt: int, part: list[tuple[bytes, Followed]] = part
            ) -> list[Command]:
                seconds = self._keys.state(link, self._reader.window)[-1]
                metas = [self._keys.room(state.room)[0] for _, state in part]
                sent: list[Command] = [("HMGET", meta, "e", "n", "p", "r", "d") for meta in metas]
                if touch:
                    sent += [("EXPIRE", meta, seconds) for meta in metas]
                self._run_id = link.run_id.encode()
                return sent

            replies = await self._line.call(commands, asyncio.get_running_loop().time() + CALL_DEADLINE)
            for (channel, state), reply in zip(part, replies, strict=False):
                *place, run, durable = reply
                same = _top(place) == state.top
                restarted = run != self._run_id and durable != b"1"
                deaf = deaf or (not same and state.missed)
                state.missed = not same
                if (not same or restarted) and self._rooms.get(channel) is state:
                    # What is on its way by pub/sub just now is read once more, and dropped there.
                    self._mend(channel, state)
        if deaf:
            raise Unavailable("pub/sub does not bring what is published to a room")


def _top(place: list[Any]) -> str | None:
    """The position in a room's state; None where that is gone, or not as we write it."""
    try:
        epoch, last, proof = place
        return codec.position(epoch.decode(), int(last), proof.decode())
    except (AttributeError, TypeError, ValueError):
        return None


def prev_of(state: Followed) -> str | None:
    """`Entry.prev` of the next entry: the very first one has none."""
    return state.top if state.last else None


def unpack_batch(data: bytes) -> tuple[str, int, str, list[Stored]]:
    """Epoch, first number, proof of the entry before it, and entries of a published batch."""
    head, newline, body = data.partition(b"\n")
    parts = head[1:].split(b" ")
    if data[:1] != b"E" or not newline or len(parts) != 3:
        raise ValueError("not a batch")
    if not parts[1].isdigit() or len(parts[1]) > 16:
        raise ValueError("not a batch")
    number = first = int(parts[1])
    stored, at = [], 0
    while at < len(body):
        if at + 4 > len(body):
            raise ValueError("a batch cut short")
        (size,) = struct.unpack_from(">I", body, at)
        blob = body[at + 4 : at + 4 + size]
        if len(blob) != size:
            raise ValueError("a batch cut short")
        stored.append(Stored(number, codec.proof_of(blob), blob))
        number += 1
        at += 4 + size
    return parts[0].decode("ascii"), first, parts[2].decode("ascii"), stored
