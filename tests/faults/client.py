"""One person who talks and listens through every fault, and notes all that is seen.

A correct client of `quartchat.v1`: it resumes from the last position it knows, sends again with the same id
until there is an answer, in order, and looks for another instance when its own does not answer. It judges
nothing and drops nothing: that is the checker's part.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from .history import Event, Person

PIPELINE = 4
"""Sends on their way at a time."""

OPEN_SECONDS = 3.0
"""A handshake that takes longer is given up: the instance may be frozen."""

PING_SECONDS = 1.0
"""Between two of our pings: the server always has something to answer, and always hears from us."""

DEAD_SECONDS = 3.0
"""Without a word from the server, until the connection is given up."""

BACKOFF = (0.1, 0.2, 0.4, 0.8)
"""Seconds before the next connection, with full jitter; the last one repeats."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """One message without a final answer."""

    id: str
    text: str
    waits: bool = True
    """It is (again) to be put on the wire."""
    held: bool = False
    """Not yet: the server asked for some patience. What stands behind it waits as well."""


class Client:
    """One person in one room. `run` it in a task; `note` takes every `Event`, `now` is the clock."""

    def __init__(
        self,
        who: str,
        person: Person,
        cookie: str,
        sites: Sequence[str],
        note: Callable[[Event], None],
        now: Callable[[], float],
        rng: random.Random,
        *,
        pace: float = 0.3,
        late: bool = False,
    ) -> None:
        """`pace`: seconds between two messages on average; 0: only listens. `late`: wants the window."""
        self.who = who
        self.person = person
        self.seen: set[str] = set()
        """Ids of messages seen."""
        self.acked: dict[str, float] = {}
        """When each id was first sent, of those that were acknowledged."""
        self.connected = False
        self.patient = False
        """Does not read: must not take silence for death."""
        self._cookie = cookie
        self._sites = list(sites)
        self._note = note
        self._now = now
        self._rng = rng
        self._pace = pace
        self._late = late
        self._position = ""
        self._turn = 0
        self._count = 0
        self._outbox: deque[Outgoing] = deque()
        self._sent_at: dict[str, float] = {}
        self._quiet = pace <= 0
        self._socket: ClientConnection | None = None
        self._heard = 0.0
        self._go = asyncio.Event()
        self.changed = asyncio.Event()

    # From outside -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Live until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._talk())
            group.create_task(self._stay())

    def hush(self) -> None:
        """Say nothing new."""
        self._quiet = True

    def say(self, text: str) -> str:
        """Say one more thing, after all that waits; its id."""
        self._count += 1
        id = f"{self.who}-{self._count}"
        self._outbox.append(Outgoing(id, text))
        self._go.set()
        return id

    @property
    def unanswered(self) -> int:
        return len(self._outbox)

    def acked_after(self, at: float) -> bool:
        """Whether something that was first sent after that moment was acknowledged."""
        return any(sent > at for sent in self.acked.values())

    def cut(self) -> None:
        """Reset the connection, without a word."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def stop_reading(self, seconds: float) -> float:
        """Take nothing from the network for a while; for how long there was a connection meanwhile."""
        socket, began = self._socket, self._now()
        if socket is None:
            return 0.0
        self.patient = True
        socket.transport.pause_reading()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await socket.wait_closed()
            return self._now() - began
        finally:
            self.patient = False
            # What came meanwhile is read now; where nothing did, the link is given up soon.
            self._heard = max(self._heard, self._now() - DEAD_SECONDS + 2 * PING_SECONDS)
            with contextlib.suppress(Exception):
                socket.transport.resume_reading()

    # Talking ----------------------------------------------------------------------------------------------

    async def _talk(self) -> None:
        while True:
            await asyncio.sleep(self._rng.uniform(0.5, 1.5) * (self._pace or 1.0))
            if not self._quiet and self.connected and len(self._outbox) < 50:
                # Now and then something that the chat refuses: it must never appear.
                bad = self._rng.random() < 0.02
                self.say("  " if bad else f"{self.who} says {self._count} 안녕 🎉")

    async def _write(self, socket: ClientConnection) -> None:
        for outgoing in self._outbox:
            outgoing.waits, outgoing.held = True, False
        while True:
            await self._go.wait()
            self._go.clear()
            for place, outgoing in enumerate(list(self._outbox)):
                if place >= PIPELINE or outgoing.held:
                    break
                if outgoing.waits:
                    outgoing.waits = False
                    at = self._now()
                    self._sent_at.setdefault(outgoing.id, at)
                    self._note(Event(at, self.who, "sent", id=outgoing.id, text=outgoing.text))
                    await socket.send(
                        json.dumps({"type": "send", "id": outgoing.id, "message": outgoing.text})
                    )

    def _answered(self, id: str) -> None:
        for outgoing in self._outbox:
            if outgoing.id == id:
                self._outbox.remove(outgoing)
                break
        self._go.set()

    def _again(self, id: str, seconds: float) -> None:
        """The fate of this one is unknown: it goes out again, after what stands before it."""

        def due() -> None:
            outgoing.held = False
            self._go.set()

        for outgoing in self._outbox:
            if outgoing.id == id:
                outgoing.waits = outgoing.held = True
                asyncio.get_running_loop().call_later(seconds, due)
                return

    # Being there ------------------------------------------------------------------------------------------

    async def _stay(self) -> None:
        tries = 0
        while True:
            began = self._now()
            await self._connect()
            self._turn += 1
            tries = 0 if self._now() - began > 2 else tries + 1
            await asyncio.sleep(self._rng.uniform(0, BACKOFF[min(tries, len(BACKOFF) - 1)]))

    async def _connect(self) -> None:
        site = self._sites[self._turn % len(self._sites)]
        query: dict[str, str] = {"as": self.person.user}
        if self._position:
            query["since"] = self._position
        else:
            query["history"] = "5000" if self._late else "0"
        url = f"{site}/ws/chat/{quote(self.person.room, safe='')}/?{urlencode(query)}"
        with contextlib.suppress(OSError, TimeoutError, WebSocketException, ConnectionClosed, InvalidStatus):
            socket = await connect(
                url,
                subprotocols=[Subprotocol("quartchat.v1")],
                additional_headers={"Cookie": self._cookie},
                compression=None,
                open_timeout=OPEN_SECONDS,
                ping_interval=None,
                max_size=None,
                max_queue=None,
                proxy=None,
            )
            await self._live(socket, query.get("since", ""))

    async def _live(self, socket: ClientConnection, since: str) -> None:
        self._heard = self._now()
        self._go.set()
        work: list[asyncio.Task[None]] = [asyncio.create_task(self._watch(socket))]
        welcomed = False
        try:
            async for text in socket:
                self._heard = at = self._now()
                frame = json.loads(text)
                if frame["type"] == "welcome":
                    welcomed = True
                    self._welcome(frame, since, at)
                    self._socket, self.connected = socket, True
                    work.append(asyncio.create_task(self._write(socket)))
                else:
                    self._hear(frame, at)
                self.changed.set()
        finally:
            self._socket, self.connected = None, False
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            socket.transport.abort()
            if welcomed:
                code = str(socket.close_code) if socket.close_code not in (None, 1006) else "0"
                self._note(Event(self._now(), self.who, "closed", code=code))
            self.changed.set()

    async def _watch(self, socket: ClientConnection) -> None:
        """Ask for a word every now and then, and give the connection up where none comes."""
        while True:
            await socket.send('{"type":"ping"}')
            await asyncio.sleep(PING_SECONDS)
            if not self.patient and self._now() - self._heard > DEAD_SECONDS:
                socket.transport.abort()

    def _welcome(self, frame: dict[str, Any], since: str, at: float) -> None:
        self._note(
            Event(
                at,
                self.who,
                "welcome",
                position=frame["position"],
                user=frame["you"]["id"],
                name=frame["you"]["name"],
                since=since,
                resumed=frame["resumed"],
                history=self._late and not since,
                durability=frame["durability"],
            )
        )
        # Who wants the past gets it from its beginning on: nothing to come back with until it comes.
        if not self._position and not self._late:
            self._position = frame["position"]

    def _hear(self, frame: dict[str, Any], at: float) -> None:
        kind = frame["type"]
        if kind == "message":
            user = frame["user"]
            self._note(
                Event(
                    at,
                    self.who,
                    "message",
                    id=frame["id"],
                    text=frame["message"],
                    position=frame["position"],
                    prev=frame["prev"] or "",
                    user=user["id"],
                    name=user["name"],
                )
            )
            self._position = frame["position"]
            self.seen.add(frame["id"])
        elif kind == "ack":
            self._note(Event(at, self.who, "ack", id=frame["id"], position=frame["position"]))
            self.acked.setdefault(frame["id"], self._sent_at.get(frame["id"], at))
            self._answered(frame["id"])
        elif kind == "nack":
            self._note(Event(at, self.who, "nack", id=frame["id"], code=frame["code"]))
            self._answered(frame["id"])
        elif kind == "unknown":
            self._note(Event(at, self.who, "unknown", id=frame["id"]))
            self._again(frame["id"], frame["retry_after"] * self._rng.uniform(0.8, 1.2))
        elif kind == "reset":
            self._note(Event(at, self.who, "reset", reason=frame["reason"], position=frame["position"]))
            self._position = frame["position"]
