"""Everybody is cut off in one instant and comes back in one instant, which is the worst that can happen."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from brokers import Append, Appended, Broker, Outcome, Window, connect
from quartchat.hub import Hub
from quartchat.protocol import User, store
from quartchat.settings import Settings
from tests.e2e.lean import Lean, room_for_sockets
from tests.e2e.places import ROOMY
from tests.support.client import ChatClient
from tests.support.instance import Instance

CLIENTS = 1000
ROOMS = 20

BACK_WITHIN = 10.0
"""Seconds, as the contract has it."""


async def say(speaker: ChatClient, name: str) -> list[str]:
    texts = [f"{name} {number}" for number in range(10)]
    for text in texts:
        await speaker.say(text)
    return texts


async def return_with_all(one: Instance, room: str, since: str, missed: asyncio.Future[list[str]]) -> Lean:
    client = await Lean(one.port, room, since=since).open()
    await client.wait_texts(await missed)
    assert client.of("welcome")[0]["resumed"] is True
    assert not client.of("reset")
    return client


async def test_a_thousand_that_are_cut_off_at_once_are_all_back_within_ten_seconds(
    broker_url: str, room: str
) -> None:
    """They do not spread their returns, and people go on talking."""
    room_for_sockets()
    names = [f"{room}-{number}" for number in range(ROOMS)]
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Instance(broker_url, ROOMY))
        await one.wait_ready()
        speakers = [await stack.enter_async_context(ChatClient(one, name)) for name in names]
        clients = [Lean(one.port, names[number % ROOMS], history=0) for number in range(CLIENTS)]
        await asyncio.gather(*(client.open() for client in clients))
        before = await asyncio.gather(*(say(speaker, "before") for speaker in speakers))
        await asyncio.gather(
            *(client.wait_texts(before[number % ROOMS]) for number, client in enumerate(clients))
        )
        since = [client.messages[-1]["position"] for client in clients]

        for client in clients:
            client.cut()
        away = await asyncio.gather(*(say(speaker, "while away") for speaker in speakers))
        back = time.monotonic()
        missed: list[asyncio.Future[list[str]]] = [asyncio.Future() for _ in names]
        returning = [
            asyncio.create_task(
                return_with_all(one, names[number % ROOMS], since[number], missed[number % ROOMS])
            )
            for number in range(CLIENTS)
        ]
        during = await asyncio.gather(*(say(speaker, "on the way back") for speaker in speakers))
        for number, future in enumerate(missed):
            future.set_result([*away[number], *during[number]])
        clients = await asyncio.gather(*returning)
        took = time.monotonic() - back
        for client in clients:
            client.cut()
        assert took < BACK_WITHIN


# What it costs the broker ---------------------------------------------------------------------------------


class Counted:
    """A hub on a broker of its own, and how often that was asked."""

    def __init__(self, url: str) -> None:
        self.broker: Broker = connect(url, window=Window(2000, 86400.0))
        self.hub = Hub(Settings(message_rate=0.0), self.broker)
        self.reads = self.follows = 0
        read, follow = self.broker.read, self.broker.follow

        async def counted_read(*given: Any, **named: Any) -> Any:
            self.reads += 1
            return await read(*given, **named)

        async def counted_follow(*given: Any) -> None:
            self.follows += 1
            await follow(*given)

        self.broker.read, self.broker.follow = counted_read, counted_follow  # type: ignore[method-assign]

    async def resumes(self, name: str, since: str) -> int:
        """One client comes back; the number of messages that follow its position."""
        room = await self.hub.enter(name)
        try:
            place = await room.resume(since)
            assert isinstance(place, int), place
            return room.end - place
        finally:
            self.hub.release(room)

    async def __aenter__(self) -> Counted:
        await self.broker.open(self.hub)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hub.stop()
        await self.broker.close()


async def fill(broker: Broker, names: list[str], count: int) -> dict[str, str]:
    """So many messages in each room; the position of the first of each."""
    positions: dict[str, str] = {}
    left = count * len(names)
    done = asyncio.Event()

    def stored(name: str, outcome: Outcome) -> None:
        nonlocal left
        assert isinstance(outcome, Appended), outcome
        positions.setdefault(name, outcome.position)
        left -= 1
        if not left:
            done.set()

    now = int(time.time() * 1000)
    for number in range(count):
        for name in names:
            key, digest, data = store(f"m{number}", f"message {number}", User("ada", "Ada"), now)
            broker.submit(Append(name, key, digest, now, data, partial(stored, name)))
    async with asyncio.timeout(30):
        await done.wait()
    return positions


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
async def test_the_broker_s_work_for_those_who_return_grows_with_rooms_and_not_with_clients(
    kind: str, request: pytest.FixtureRequest, room: str
) -> None:
    """They come to an instance that knew none of the rooms, with positions of long ago."""
    url: str = request.getfixturevalue(f"{kind}_url")
    work: dict[tuple[int, int], int] = {}
    async with Counted(url) as writer:
        names = [f"{room}-{number}" for number in range(ROOMS)]
        since = await fill(writer.broker, names, 300)
    for clients, rooms in ((200, ROOMS), (CLIENTS, ROOMS), (200, ROOMS // 2)):
        async with Counted(url) as place:
            back = [names[number % rooms] for number in range(clients)]
            counts = await asyncio.gather(*(place.resumes(name, since[name]) for name in back))
            assert counts == [299] * clients
            assert place.follows == rooms
            work[clients, rooms] = place.reads
    assert work[CLIENTS, ROOMS] == work[200, ROOMS] == 2 * work[200, ROOMS // 2]
    assert 0 < work[CLIENTS, ROOMS] <= 2 * ROOMS  # of 200 entries each
