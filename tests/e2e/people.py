"""People who talk and listen while things break, and come back by themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from quartchat.replay.client import Client, Frame, Said, begin_session
from quartchat.replay.verify import read_log
from tests.e2e.checker import wrong_with
from tests.support.instance import Instance

PACE = 0.02
"""Seconds between an answer and the next message of one person: no flood, but no pause either."""


class Listener:
    """Somebody who is in the room, notes every message and reset, and comes back after every fault."""

    def __init__(self, sites: Sequence[str], room: str) -> None:
        self.seen: list[dict[str, Any]] = []
        self.count = 0
        """Messages since the last reset."""
        self.client = Client(sites, room, heard=self._hear)
        self._changed = asyncio.Event()

    def _hear(self, frame: Frame) -> None:
        if frame.type in ("message", "reset"):
            self.seen.append(msgspec.to_builtins(frame))
            self.count = self.count + 1 if frame.type == "message" else 0
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def resets(self) -> list[str]:
        return [frame["reason"] for frame in self.seen if frame["type"] == "reset"]

    async def hears(self, said: Sequence[Said], within: float = 20) -> None:
        """Until all that was stored came to its ears."""
        wanted = {(one.user_id, one.id) for one in said if one.position}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not wanted <= self.keys:
                    await self._changed.wait()
        assert wanted <= self.keys, f"{len(wanted - self.keys)} of {len(wanted)} not within {within} s"

    @property
    def keys(self) -> set[tuple[str, str]]:
        return {(f["user"]["id"], f["id"]) for f in self.seen if f["type"] == "message"}

    async def reaches(self, count: int, within: float = 30) -> None:
        """Until so many messages were heard since the last reset."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.count < count:
                    await self._changed.wait()
        assert self.count >= count, f"{self.count} of {count} messages within {within} s"

    async def __aenter__(self) -> Listener:
        await self.client.__aenter__()
        await self.client.connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.__aexit__()


class Crowd:
    """People who talk all the time, on all instances, and listen on each."""

    def __init__(self, listeners: dict[str, Listener], speakers: list[Client]) -> None:
        self.listeners = listeners
        self.speakers = speakers
        self.said: list[Said] = []
        self._talking: list[asyncio.Task[None]] = []
        self._quiet = asyncio.Event()
        self._changed = asyncio.Event()

    def begin(self) -> None:
        """Start to talk."""
        self._talking = [
            asyncio.create_task(self._talk(number, one)) for number, one in enumerate(self.speakers)
        ]
        for task in self._talking:
            task.add_done_callback(lambda _: self._changed.set())

    async def _talk(self, number: int, speaker: Client) -> None:
        count = 0
        while not self._quiet.is_set():
            self.said += await speaker.say(f"{number}: message {count} 안녕 🎉")
            self._changed.set()
            self._changed = asyncio.Event()
            count += 1
            await asyncio.sleep(PACE)

    async def more(self, count: int, within: float = 30) -> None:
        """Until so many more messages were stored."""
        end = len(self.said) + count
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while len(self.said) < end and not any(task.done() for task in self._talking):
                    await self._changed.wait()
        for task in self._talking:
            if task.done():
                await task
        left = end - len(self.said)
        assert left <= 0, f"{left} of {count} more messages were not stored within {within} s"

    async def judge(self) -> None:
        """Fall silent, wait until everybody heard everything, and check what was promised."""
        self._quiet.set()
        await asyncio.gather(*self._talking)
        for listener in self.listeners.values():
            await listener.hears(self.said)
        seen = {name: listener.seen for name, listener in self.listeners.items()}
        assert wrong_with(self.said, seen) == []

    @property
    def resets(self) -> list[str]:
        """Why anybody was told of a reset."""
        return [reason for listener in self.listeners.values() for reason in listener.resets]

    @property
    def seen(self) -> list[dict[str, Any]]:
        """What the first of the listeners saw."""
        return next(iter(self.listeners.values())).seen

    def leave(self) -> None:
        for task in self._talking:
            task.cancel()


@asynccontextmanager
async def crowd(places: Sequence[Instance], room: str, speakers: int = 4) -> AsyncIterator[Crowd]:
    """People on each of the instances, who may go to any other one."""
    sites = [place.url for place in places]
    async with AsyncExitStack() as stack:
        listeners = {}
        for number in range(len(sites)):
            mine = sites[number:] + sites[:number]
            listeners[f"listener on {number}"] = await stack.enter_async_context(Listener(mine, room))
        talkers = []
        for number in range(speakers):
            mine = sites[number % len(sites) :] + sites[: number % len(sites)]
            cookie = await asyncio.to_thread(begin_session, mine, f"Speaker {number}")
            client = await stack.enter_async_context(Client(mine, room, cookie, patience=40))
            await client.connected()
            talkers.append(client)
        people = Crowd(listeners, talkers)
        people.begin()
        try:
            yield people
        finally:
            people.leave()


async def read_all(place: Instance, room: str) -> list[dict[str, Any]]:
    """What a late reader gets by the API, as frames."""
    messages = await asyncio.to_thread(read_log, [place.url], room)
    return [{"type": "message", **msgspec.to_builtins(message)} for message in messages]
