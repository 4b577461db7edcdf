"""Clients that read slowly, not at all, or whose link died without a word."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from typing import Literal

import pytest

from tests.e2e.lean import Lean, resident
from tests.support.client import ChatClient
from tests.support.instance import Instance
from tests.support.proxy import Proxy
from tests.support.waiting import until

MB = 1 << 20

SLOW_SECONDS = 40
"""Of reading a little: longer than what would be taken for none."""

Server = Literal["hypercorn", "uvicorn"]


def big(number: int) -> str:
    return f"{number:06}" + "x" * 8000


def instance(history: int, server: Server = "hypercorn") -> Instance:
    env: dict[str, str | None] = {"QUARTCHAT_MESSAGE_RATE": "0", "QUARTCHAT_HISTORY": str(history)}
    return Instance(
        "memory://", env, server=server, options=("--ws", "wsproto") if server == "uvicorn" else ()
    )


async def flood(one: Instance, room: str, count: int) -> list[str]:
    """Somebody says more than all buffers on the way hold; everybody who reads has it at the end."""
    texts = [big(number) for number in range(count)]
    async with ChatClient(one, room, history=0) as speaker:
        for start in range(0, count, 25):  # fewer than the shortest window here, or it would miss some itself
            part = texts[start : start + 25]
            for text in part:
                await speaker.send(text)
            so_far = start + len(part)
            await speaker.wait(lambda wanted=so_far: len(speaker.messages) == wanted, 30, "what was said")
        assert speaker.texts == texts
    return texts


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_long_messages_said_at_once_come_at_once(loop: Literal["asyncio", "uvloop"], room: str) -> None:
    """Where the kernel has little room for what comes in, TCP waits 40 ms for each: twelve seconds."""
    async with Instance("memory://", {"QUARTCHAT_MESSAGE_RATE": "0"}, loop=loop) as one:
        began = time.monotonic()
        await flood(one, room, 300)
        assert time.monotonic() - began < 8


async def value(one: Instance, name: str) -> float:
    """A figure of `/metrics`; 0 where it is not told."""
    found = re.findall(rf"^{re.escape(f'quartchat_{name}')} (.+)$", (await one.get("/metrics")).text, re.M)
    return float(found[0]) if found else 0


async def reaches(one: Instance, name: str, wanted: float, seconds: float) -> None:
    async def there() -> bool:
        return await value(one, name) == wanted

    await until(there, seconds, f"{name} is {wanted}")


@pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])
@pytest.mark.parametrize("plain", [False, True])
async def test_who_reads_again_within_the_window_gets_everything_once(
    server: Server, plain: bool, room: str
) -> None:
    async with instance(20_000, server) as one, Lean(one.port, room, plain=plain) as stuck:
        texts = await flood(one, room, 800)
        assert await value(one, "members_behind") == 1
        await stuck.wait_texts(texts)
        assert not stuck.of("reset")
        await reaches(one, "members_behind", 0, 5)
        async with ChatClient(one, room) as speaker:
            await speaker.say("live again")
        await stuck.wait_texts([*texts, "live again"])
        if not plain:
            chain = [message["position"] for message in stuck.messages]
            assert [message["prev"] for message in stuck.messages] == [None, *chain[:-1]]


async def test_who_reads_again_beyond_the_window_is_told_and_goes_on_from_the_page(room: str) -> None:
    async with instance(100) as one, Lean(one.port, room) as stuck:
        texts = await flood(one, room, 1500)
        await stuck.until(lambda: stuck.of("reset") and stuck.texts[-1:] == texts[-1:], "the newest")
        async with ChatClient(one, room) as speaker:
            await speaker.say("live again")
        await stuck.until(lambda: stuck.texts[-1:] == ["live again"], "what is live")
        log = [frame for frame in stuck.frames if frame["type"] in ("message", "reset")]
        (at,) = [number for number, frame in enumerate(log) if frame["type"] == "reset"]
        assert (log[at]["reason"], log[at]["position"]) == ("trimmed", log[-2]["position"])
        assert stuck.texts == [*texts[:at], *texts[-50:], "live again"]
        page = log[at + 1 :]
        assert [frame["prev"] for frame in page[1:]] == [frame["position"] for frame in page[:-1]]


async def test_fifty_that_stop_reading_cost_no_more_than_their_buffers(room: str) -> None:
    async with instance(100) as one, contextlib.AsyncExitStack() as stack:
        await flood(one, room, 400)  # the ring is full
        before = resident(one.pid)
        for _ in range(50):
            await stack.enter_async_context(Lean(one.port, room, narrow=True, history=0))
        # 240 MB for all of them, and said before the ten seconds are over after which they are let go.
        await flood(one, room, 600)
        assert resident(one.pid) - before < 60 * MB
        assert await value(one, "members_behind") == 50


# Deadlines ------------------------------------------------------------------------------------------------


async def stops_reading(server: Server, room: str) -> None:
    """Gone after ten seconds; two of them stand on one instance with somebody who reads."""
    async with (
        instance(20_000, server) as one,
        ChatClient(one, room) as reader,
        Lean(one.port, room) as stuck,
        Lean(one.port, room, plain=True),
    ):
        texts = await flood(one, room, 1000)
        await reaches(one, 'closed_total{code="1013"}', 2, 12)
        await reaches(one, "members", 1, 5)
        await reader.say("nobody else noticed")
        await reader.wait_texts([*texts, "nobody else noticed"])
        while await stuck.read():
            pass  # what was under way; then the connection is over
        assert stuck.texts == texts[: len(stuck.texts)]
        async with Lean(one.port, room, since=stuck.messages[-1]["position"]) as back:
            await back.wait_texts([*texts[len(stuck.texts) :], "nobody else noticed"])
            assert back.of("welcome")[0]["resumed"] is True


async def reads_slowly(room: str) -> None:
    """Four kilobytes a second are progress."""
    async with (
        instance(20_000) as one,
        Lean(one.port, room, narrow=True) as slow,
        asyncio.TaskGroup() as beside,
    ):
        # From the start: who reads only when all was said has taken nothing for as long as that takes.
        said = beside.create_task(flood(one, room, 1000))
        for _ in range(SLOW_SECONDS):
            assert await slow.read(4096), "it was let go"
            await asyncio.sleep(1)  # as slow as that
        texts = await said
        assert await value(one, "members_behind") == 1
        await slow.wait_texts(texts)
        assert not slow.of("reset")


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_who_takes_nothing_for_ten_seconds_is_let_go_and_who_takes_a_little_is_not(room: str) -> None:
    await asyncio.gather(
        stops_reading("hypercorn", room),
        stops_reading("uvicorn", room),
        reads_slowly(room),
    )


# A link that died without a word ------------------------------------------------------------------------


async def dies_silently(server: Server, room: str) -> None:
    async with (
        instance(100, server) as one,
        Proxy("127.0.0.1", one.port) as link,
        ChatClient(f"http://127.0.0.1:{link.port}", room),
        ChatClient(f"http://127.0.0.1:{link.port}", room, subprotocol=None),
        ChatClient(one, room, subprotocol=None),
    ):
        link.stall()
        await reaches(one, "members", 1, 60)  # who only answers pings is still there


async def leaves_a_ghost(url: str, room: str) -> None:
    """On three instances: one is killed, and to one the links of some go silent."""
    async with (
        Instance(url) as one,
        Instance(url) as two,
        Instance(url) as killed,
        Proxy("127.0.0.1", one.port) as link,
        ChatClient(one, room) as here,
        ChatClient(two, room) as there,
        ChatClient(killed, room) as ghost,
        ChatClient(f"http://127.0.0.1:{link.port}", room) as silent,
    ):

        def left(watcher: ChatClient) -> set[str]:
            told = [frame["left"] for frame in watcher.frames if frame["type"] == "presence"]
            return {person["id"] for people in told for person in people}

        def known(watcher: ChatClient) -> bool:
            counts = [frame["count"] for frame in watcher.frames if "count" in frame]
            return bool(counts[-1] == 4)

        for watcher in (here, there):
            await watcher.wait(lambda watcher=watcher: known(watcher), what="all four are here")
        killed.kill()
        link.stall()
        for watcher in (here, there):
            who = ghost.welcome["you"]["id"]
            await watcher.wait(lambda watcher=watcher, who=who: who in left(watcher), 30, "no ghost")
            assert silent.welcome["you"]["id"] not in left(watcher)
        await reaches(one, "members", 1, 60)
        for watcher in (here, there):
            who = silent.welcome["you"]["id"]
            await watcher.wait(lambda watcher=watcher, who=who: who in left(watcher), 30, "no ghost")
            assert not watcher.closed


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_link_that_died_is_gone_within_a_minute_and_who_was_there_soon_after(
    redis_url: str, room: str
) -> None:
    await asyncio.gather(
        leaves_a_ghost(redis_url, room),
        dies_silently("hypercorn", room),
        dies_silently("uvicorn", room),
    )
