"""What the replaying client makes of the way in which a connection ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from quartchat.replay.client import BACKOFF_BASE, Client, ReplayError

WELCOME = (
    '{"type":"welcome","position":"0-0","resumed":true,"you":{"id":"me","name":"Me"},'
    '"limits":{"message_bytes":4096},"window":{"entries":1000}}'
)


@asynccontextmanager
async def a_server_that_closes(code: int, reason: str = "") -> AsyncIterator[str]:
    """A chat that welcomes everybody and sends them away at once."""

    async def answer(socket: ServerConnection) -> None:
        await socket.send(WELCOME)
        await socket.close(code, reason)

    async with serve(answer, "127.0.0.1", 0, subprotocols=["quartchat.v1"]) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        yield f"http://{host}:{port}"


def noted(ceilings: list[float], enough: asyncio.Event) -> Callable[[float, float], float]:
    """Dice that note how long a wait could have been, and wait no time."""

    def uniform(_: float, ceiling: float) -> float:
        ceilings.append(ceiling)
        if len(ceilings) >= 8:
            enough.set()
        return 0.0

    return uniform


async def waits_after(code: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The longest waits that the client allows itself before each of its next eight tries."""
    ceilings: list[float] = []
    enough = asyncio.Event()
    monkeypatch.setattr(random, "uniform", noted(ceilings, enough))
    async with a_server_that_closes(code) as site, Client([site], "room"):
        await asyncio.wait_for(enough.wait(), 20)
    return ceilings[:8]


async def test_who_is_sent_on_by_an_instance_that_leaves_is_never_kept_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await waits_after(1012, monkeypatch) == [BACKOFF_BASE] * 8


async def test_who_is_sent_away_again_and_again_without_a_reason_comes_back_ever_slower(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = await waits_after(1011, monkeypatch)
    assert waits == sorted(waits)
    assert waits[-1] > 10 * waits[0]


@pytest.mark.parametrize("code", [1003, 1008, 1009, 4401])
async def test_a_close_for_good_ends_the_replay_with_the_server_s_words(code: int) -> None:
    async with a_server_that_closes(code, "go away") as site:
        client = Client([site], "room")
        async with client:
            assert client._task is not None
            await asyncio.wait_for(client._task, 20)
            with pytest.raises(ReplayError, match=f"closed with {code}: go away"):
                await client.say("still here?")
