"""One trial: fresh rooms, people who talk, something breaks and heals, and what was noted is judged."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .breaking import Breakage, Missed, Scene
from .checker import Verdict, judge
from .client import Client
from .history import Event, Fault, History, Person
from .site import WINDOW, Place, Site

ROOMS = 4
CLIENTS = 40

WARM_ACKS = 2
"""Messages of each person that are acknowledged before anything breaks."""

PATIENCE = 45.0
"""Seconds that a trial waits for what should take ten, so that it can say what came late, and how late."""


@dataclass(slots=True)
class Result:
    """What one trial showed."""

    kind: str
    names: list[str]
    seed: int
    verdict: Verdict
    history: History
    heals: list[float] = field(default_factory=list)
    """For each client: seconds from the end of the last fault until a message sent after it was acked."""


class Trial:
    """Plays some faults, all at once, on a site that is in order, and leaves it so where the chat heals."""

    def __init__(
        self,
        site: Site,
        breakages: Sequence[Breakage],
        seed: int,
        *,
        pace: float = 0.3,
        spared: Place | None = None,
    ) -> None:
        """`pace`: seconds between two messages of one person. `spared`: is not killed, stopped or drained."""
        self.site = site
        self.breakages = breakages
        self.seed = seed
        self._pace = pace
        self._spared = spared
        names = ", ".join(one.name for one in breakages)
        self._rng = random.Random(f"{site.kind}/{names}/{seed}")
        self._began = time.monotonic()
        self._events: list[Event] = []
        self._people: dict[str, Person] = {}
        self._faults: list[Fault] = []
        self._clients: list[Client] = []
        self._tasks: list[asyncio.Task[None]] = []

    def _now(self) -> float:
        return time.monotonic() - self._began

    async def play(self) -> Result:
        try:
            await self._enter()
            await self._break()
            heals = await self._heal()
            await self._come_to_rest()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        history = History(
            self._people,
            sorted(self._events, key=lambda event: event.at),
            self._faults,
            self._now(),
            WINDOW,
            {"broker": self.site.kind, "seed": self.seed},
        )
        names = [one.name for one in self.breakages]
        return Result(self.site.kind, names, self.seed, judge(history), history, heals)

    # The parts of a trial -----------------------------------------------------------------------------------

    async def _enter(self) -> None:
        """Everybody joins, and says a first few things."""
        base = f"{self._rng.getrandbits(40):010x}"
        sessions = await self.site.people(CLIENTS + ROOMS * len(self.site.places))
        for number in range(CLIENTS):
            self._add(f"c{number:02}", f"{base}-{number % ROOMS}", sessions[number], number // ROOMS)
        for client in self._clients:
            self._start(client)
        await self._until(lambda: all(len(client.acked) >= WARM_ACKS for client in self._clients), 20)

    async def _break(self) -> None:
        async with asyncio.TaskGroup() as group:
            places = self._rng.sample(self.site.places, len(self.site.places))
            for number, breakage in enumerate(self.breakages):
                place = places[number % len(places)]
                if breakage.target == "instance" and place is self._spared:
                    place = places[(number + 1) % len(places)]
                group.create_task(self._one(breakage, Scene(self.site, place, self._clients, self._rng)))

    async def _one(self, breakage: Breakage, scene: Scene) -> None:
        if len(self.breakages) > 1:
            await asyncio.sleep(self._rng.uniform(0, 2))
        fault = Fault(breakage.name, self._now(), 0.0, hit=False, loses=breakage.loses(self.site.kind))
        self._faults.append(fault)
        try:
            fault.detail = await breakage.do(scene)
            fault.hit = True
        except Missed as error:
            fault.detail = f"missed: {error}"
        fault.ended = self._now()

    async def _heal(self) -> list[float]:
        """Until a message first sent after the last fault was acknowledged to everybody."""
        end = max(fault.ended for fault in self._faults)
        healed: dict[str, float] = {}

        def all_healed() -> bool:
            for client in self._clients:
                if client.who not in healed and client.acked_after(end):
                    healed[client.who] = self._now() - end
            return len(healed) == len(self._clients)

        await self._until(all_healed, PATIENCE)
        return sorted(healed.values())

    async def _come_to_rest(self) -> None:
        """Nobody talks any more; all sends are answered; a last word reaches everybody, late readers too."""
        for client in self._clients:
            client.hush()
        await self._until(lambda: not any(client.unanswered for client in self._clients), PATIENCE)
        last = {client.person.room: client.say("that is all") for client in self._clients[:ROOMS]}
        await self._until(lambda: not any(client.unanswered for client in self._clients), PATIENCE)
        sessions = await self.site.people(CLIENTS + ROOMS * len(self.site.places))
        for number in range(ROOMS * len(self.site.places)):
            room = self._clients[number % ROOMS].person.room
            who = f"late{number:02}"
            reader = self._add(who, room, sessions[CLIENTS + number], number // ROOMS, late=True)
            self._start(reader)
        await self._until(
            lambda: all(last[client.person.room] in client.seen for client in self._clients), PATIENCE
        )

    # Smaller parts ------------------------------------------------------------------------------------------

    def _add(
        self, who: str, room: str, session: tuple[str, str, str], first: int, *, late: bool = False
    ) -> Client:
        cookie, user, name = session
        person = self._people[who] = Person(room, user, name)
        ways = self.site.ways
        ways = ways[first % len(ways) :] + ways[: first % len(ways)]
        client = Client(
            who,
            person,
            cookie,
            ways,
            self._events.append,
            self._now,
            random.Random(self._rng.getrandbits(64)),
            pace=0.0 if late else self._pace,
            late=late,
        )
        self._clients.append(client)
        return client

    def _start(self, client: Client) -> None:
        self._tasks.append(asyncio.create_task(client.run()))

    async def _until(self, true: Callable[[], bool], seconds: float) -> bool:
        """Wait for something; whether it came true. What did not is for the checker to say."""
        end = self._now() + seconds
        while not true():
            if self._now() > end:
                return False
            await asyncio.sleep(0.02)
        return True
