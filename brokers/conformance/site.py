"""Where a test works: brokers with their recorders, own rooms, and an inspection at the end."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..base import (
    APPEND_DEADLINE,
    Append,
    Appended,
    Broker,
    Outcome,
    Page,
    Window,
)
from ..codec import digest_of, now_ms
from ..errors import Unknown
from .recorder import CALLER, PATIENCE, Heard, Recorder

SLACK = 2.0
"""Seconds that a busy machine may be late: a chat promises ten, the broker has eight."""

HEALING = 10.0
"""Seconds after the last fault until everything works again."""

MakeBroker = Callable[[str, Window | None], Broker]
"""Makes a broker, not yet open, for a URL."""


class Server(Protocol):
    """What a test may do to the server. Plain functions, called in a thread: they may block."""

    def start(self) -> None:
        """Start it again, with what it kept; returns when it can be used."""

    def kill(self) -> None:
        """kill -9."""

    def freeze(self) -> None:
        """SIGSTOP: it keeps its port and connections, and does nothing."""

    def thaw(self) -> None:
        """SIGCONT."""

    def wipe(self) -> None:
        """Delete all logs while it runs."""


class Station:
    """One process's side: a broker and who listens to it."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.heard = Recorder()
        self._answers: list[asyncio.Future[Outcome]] = []

    def __getitem__(self, room: str) -> Heard:
        """What was heard of a room."""
        return self.heard[room]

    async def open(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.broker.open(self.heard)

    async def close(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.broker.close()
        await asyncio.sleep(0)
        if not all(answer.done() for answer in self._answers):
            self.heard.fault("C6: an append was not answered by close()")

    async def follow(self, *rooms: str) -> None:
        """Follow rooms at the same time; each tail must have come when its `follow` returns."""
        await asyncio.gather(*(self._follow(room) for room in rooms))

    async def _follow(self, room: str) -> None:
        self.heard.expect(room)
        turn = self[room].turn
        try:
            await self.broker.follow(room)
        except Exception:
            if self[room].turn == turn:
                self.heard.dismiss(room)
            raise
        # Where an unfollow came in between, it has nothing to promise any more.
        if self[room].turn == turn and self[room].fresh:
            self.heard.fault(f"follow({room!r}) returned before its tail")

    def unfollow(self, *rooms: str) -> None:
        for room in rooms:
            self.broker.unfollow(room)
            self.heard.dismiss(room)

    def submit(
        self,
        room: str,
        key: str,
        data: bytes = b"",
        *,
        digest: bytes | None = None,
        time: int | None = None,
    ) -> asyncio.Future[Outcome]:
        """Put an entry in line; the future has the answer."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()
        began = loop.time()

        def done(outcome: Outcome) -> None:
            late = loop.time() - began - APPEND_DEADLINE
            if late > SLACK:
                self.heard.fault(f"C6: the answer for {key!r} came {late:.1f} s after the deadline")
            if answer.done():
                self.heard.fault(f"C6: {key!r} was answered twice")
            else:
                answer.set_result(outcome)

        self._answers.append(answer)
        made = digest_of(data) if digest is None else digest
        self.broker.submit(Append(room, key, made, time or now_ms(), data, done))
        return answer

    async def append(self, room: str, key: str, data: bytes = b"", **more: Any) -> Appended:
        """Append one entry that must be stored."""
        async with asyncio.timeout(APPEND_DEADLINE + SLACK):
            outcome = await self.submit(room, key, data, **more)
        assert isinstance(outcome, Appended), f"append of {key!r}: {outcome!r}"
        return outcome

    async def fill(self, room: str, count: int, first: int = 1) -> list[str]:
        """Append `count` entries with keys k1, k2, ... and their key as data; their positions."""
        keys = [f"k{number}" for number in range(first, first + count)]
        return [stored.position for stored in await self.appends(room, keys)]

    async def appends(self, room: str, keys: Sequence[str]) -> list[Appended]:
        """Submit at once, all must be stored."""
        async with asyncio.timeout(APPEND_DEADLINE + SLACK):
            outcomes = await asyncio.gather(*(self.submit(room, k, k.encode()) for k in keys))
        for key, outcome in zip(keys, outcomes, strict=True):
            assert isinstance(outcome, Appended), f"append of {key!r}: {outcome!r}"
        return [outcome for outcome in outcomes if isinstance(outcome, Appended)]

    async def deliver(self, room: str, keys: Sequence[str], seconds: float = 60.0) -> dict[str, Appended]:
        """Append through faults as a client does it: what is `Unknown` is sent again, in order."""
        stored: dict[str, Appended] = {}
        async with asyncio.timeout(seconds):
            while waiting := [key for key in keys if key not in stored]:
                outcomes = await asyncio.gather(*(self.submit(room, key, key.encode()) for key in waiting))
                lost = False
                for key, outcome in zip(waiting, outcomes, strict=True):
                    if isinstance(outcome, Appended):
                        if lost:
                            self.heard.fault(f"C5: {key!r} overtook one that ended Unknown")
                        stored[key] = outcome
                    else:
                        assert isinstance(outcome, Unknown), f"append of {key!r}: {outcome!r}"
                        lost = True
                if lost:
                    await asyncio.sleep(0.05)  # a client's own pause before it tries again
        return stored

    async def read(self, room: str, **asked: Any) -> Page:
        async with asyncio.timeout(PATIENCE):
            return await self.broker.read(room, **asked)

    async def read_all(self, room: str) -> Page:
        """Everything that is retained (of what a test writes)."""
        return await self.read(room, limit=10_000)

    async def hears(self, room: str, keys: Sequence[str], seconds: float | None = None) -> None:
        """Until the room's log, as it was heard, is exactly these keys."""
        heard, wanted = self[room], list(keys)

        def gap() -> str:
            have = heard.keys
            same = next(
                (i for i, (a, b) in enumerate(zip(have, wanted, strict=False)) if a != b),
                min(len(have), len(wanted)),
            )
            return (
                f"{len(wanted)} entries in {room!r}; there are {len(have)}, different from number "
                f"{same} on: {have[same : same + 3]} instead of {wanted[same : same + 3]}"
            )

        await self.heard.wait(lambda: len(heard.log) >= len(wanted), gap, seconds)
        assert heard.keys == wanted, gap()

    async def hears_key(self, room: str, key: str, seconds: float | None = None) -> None:
        """Until an entry with this key is heard."""
        heard = self[room]
        what = f"{key!r} is heard in {room!r}"
        await self.heard.wait(lambda: key in heard.keys, what, seconds)

    async def hears_count(self, room: str, count: int, seconds: float | None = None) -> None:
        """Until so many entries are heard."""
        heard = self[room]
        what = f"{count} entries are heard in {room!r}"
        await self.heard.wait(lambda: len(heard.log) >= count, what, seconds)

    async def hears_end(self, room: str, end: list[str], seconds: float | None = None) -> None:
        """Until the room's log, as it was heard, ends with these positions."""
        heard = self[room]

        def gap() -> str:
            return f"the end of {room!r} is {heard.positions[-len(end) :]} instead of {end}"

        await self.heard.wait(lambda: heard.positions[-len(end) :] == end, gap, seconds)

    async def hears_reset(self, room: str, seconds: float | None = None) -> None:
        """Until the room is told to begin again."""
        heard = self[room]
        await self.heard.wait(lambda: heard.resets, f"a reset of {room!r}", seconds)

    async def hears_signal(self, room: str, count: int = 1) -> None:
        """Until so many signals are heard."""
        heard = self[room]
        what = f"{count} signals are heard in {room!r}"
        await self.heard.wait(lambda: len(heard.signals) >= count, what)


class Site:
    """Makes stations and rooms for one test; `close` ends with the inspection."""

    def __init__(self, url: str, make: MakeBroker) -> None:
        self.url = url
        self.faults: list[str] = []
        self.tolerant = False
        """True where a test provokes errors in the log on purpose."""
        self._make = make
        self._stations: list[Station] = []
        self._token = secrets.token_hex(4)
        self._loop = asyncio.get_running_loop()
        self._handler = _Errors(self.faults)
        logging.getLogger().addHandler(self._handler)
        self._loop.set_exception_handler(self._unhandled)

    def room(self, name: str = "room") -> str:
        """A room that no other test has, on a server that is used again and again."""
        return f"{name}-{self._token}"

    def make(self, window: Window | None = None, url: str | None = None) -> Station:
        """A station whose broker is not open yet."""
        station = Station(self._make(url or self.url, window))
        self._stations.append(station)
        return station

    async def open(self, window: Window | None = None, url: str | None = None) -> Station:
        """A station at work."""
        station = self.make(window, url)
        await station.open()
        return station

    async def close(self) -> None:
        """Close all, then fail for whatever breach of the contract anyone noticed on the way."""
        try:
            for station in self._stations:
                await station.close()
            faults = [text for station in self._stations for text in station.heard.faults]
            if not self.tolerant:
                faults += self.faults
            assert not faults, "\n".join([f"{len(faults)} breaches:", *faults[:10]])
        finally:
            logging.getLogger().removeHandler(self._handler)
            self._loop.set_exception_handler(None)

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(f"unhandled in the event loop: {context.get('message')} {context!r}")


class _Errors(logging.Handler):
    """Tracebacks in the log are faults."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults
        self._format = logging.Formatter("%(name)s: %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not None:
            self._faults.append(f"an error in the log: {self._format.format(record)}")


__all__ = ["CALLER", "HEALING", "PATIENCE", "SLACK", "MakeBroker", "Server", "Site", "Station"]
