"""Everybody together: each speaker on a connection of its own, in the conversation's order."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import NamedTuple

from .client import PATIENCE, Client, Said, begin_session
from .conversation import Conversation, Line, valid_name

AT_ONCE = 8
"""Sessions and connections that are begun at a time."""


class Performance(NamedTuple):
    """What became of a conversation."""

    said: list[list[Said]]
    """For each line the messages that it became."""
    speakers: int
    resent: int
    reconnects: int
    resets: int
    window: int
    """How many messages the room keeps."""
    seconds: float

    @property
    def messages(self) -> list[Said]:
        return [message for line in self.said for message in line]

    @property
    def acked(self) -> int:
        return sum(message.position is not None for message in self.messages)

    @property
    def refused(self) -> dict[str, int]:
        """Codes of refusals and how often they came."""
        return dict(Counter(message.refused for message in self.messages if message.refused))


async def play(
    conversation: Conversation,
    sites: Sequence[str],
    room: str,
    *,
    speed: float | None = 1.0,
    in_flight: int = 1,
    patience: float = PATIENCE,
) -> Performance:
    """Say all lines. Raise `ReplayError` where that is not possible.

    speed      how many times faster than the log's own timing; None: as fast as the answers come
    in_flight  lines under way at a time. With one, each line waits for the answer to the one before, so that
               the room's order is the file's; with more, only each speaker's own order is kept
    """
    async with AsyncExitStack() as stack:
        speakers = await _speakers(stack, conversation.speakers, sites, room, patience)
        start = time.monotonic()
        said = await _say_all(conversation.lines, speakers, speed, in_flight)
        clients = speakers.values()
        return Performance(
            said=said,
            speakers=len(speakers),
            resent=sum(client.resent for client in clients),
            reconnects=sum(client.reconnects for client in clients),
            resets=sum(client.resets for client in clients),
            window=max(client.window for client in clients),
            seconds=round(time.monotonic() - start, 3),
        )


async def _speakers(
    stack: AsyncExitStack, names: list[str], sites: Sequence[str], room: str, patience: float
) -> dict[str, Client]:
    speakers: dict[str, Client] = {}
    gate = asyncio.Semaphore(AT_ONCE)

    async def begin(number: int, name: str) -> None:
        mine = [*sites[number % len(sites) :], *sites[: number % len(sites)]]
        async with gate:
            cookie = await asyncio.to_thread(begin_session, mine, valid_name(name))
            client = Client(mine, room, cookie, patience=patience)
            speakers[name] = await stack.enter_async_context(client)
            await client.connected()

    with _one_error():
        async with asyncio.TaskGroup() as group:
            for number, name in enumerate(names):
                group.create_task(begin(number, name))
    return speakers


async def _say_all(
    lines: list[Line], speakers: dict[str, Client], speed: float | None, in_flight: int
) -> list[list[Said]]:
    said: list[list[Said]] = [[] for _ in lines]
    gate = asyncio.Semaphore(in_flight)

    async def say(number: int, line: Line) -> None:
        try:
            said[number] = await speakers[line.speaker].say(line.text)
        finally:
            gate.release()

    start = time.monotonic()
    with _one_error():
        async with asyncio.TaskGroup() as group:
            for number, line in enumerate(lines):
                if speed is not None:
                    await asyncio.sleep(start + line.at / speed - time.monotonic())
                await gate.acquire()
                # Tasks begin in the order in which they were made, so one speaker's lines stay in line.
                group.create_task(say(number, line))
    return said


@contextmanager
def _one_error() -> Iterator[None]:
    """The first trouble of a group instead of the group: one line is to be told."""
    try:
        yield
    except ExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
