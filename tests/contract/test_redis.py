"""What only Redis' two ways, commands and pub/sub, can do to a broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest_asyncio

from brokers import Unavailable, Unknown, connect
from brokers.base import APPEND_DEADLINE, CALL_DEADLINE
from brokers.conformance import Proxy, Site
from tests.support.redis_server import RedisServer
from tests.support.waiting import until

SOON = 12.0
"""A chat promises ten seconds; the machine may be busy."""


@pytest_asyncio.fixture
async def site(redis_url: str) -> AsyncIterator[Site]:
    site = Site(redis_url, lambda url, window: connect(url, window=window))
    yield site
    await site.close()


async def test_a_room_that_pub_sub_does_not_bring_any_more(site: Site) -> None:
    """All else on the link is heard, the probe too; only comparing shows it, and only a new link mends it."""
    one, two, room = await site.open(), await site.open(), site.room()
    await asyncio.gather(one.follow(room), two.follow(room))
    broker = one.broker
    link = broker._parts.follower._link  # type: ignore[attr-defined]
    await link.send("UNSUBSCRIBE", broker._keys.channel(room))  # type: ignore[attr-defined]
    await one.broker.probe()
    keys: list[str] = []

    async def signals_come() -> bool:
        keys.append(f"k{len(keys)}")
        await two.append(room, keys[-1])
        two.broker.signal(room, b"typing")
        return bool(one[room].signals)

    await until(signals_come, SOON, "the room is heard by pub/sub again")
    await asyncio.gather(one.hears(room, keys), two.hears(room, keys))
    assert one[room].log == two[room].log
    assert not one[room].resets


async def test_a_probe_does_not_outlive_its_link(
    site: Site, redis_server: RedisServer, redis_url: str
) -> None:
    """What it waits for cannot come any more; whoever asks next would wait along with it."""
    async with Proxy.before(redis_url) as proxy:
        one = await site.open(url=proxy.through(redis_url))
        await one.broker.probe()
        listening = redis_server.command("CLIENT", "LIST", "TYPE", "pubsub").decode()
        (link,) = [
            link
            for link in proxy._links
            if f"addr=127.0.0.1:{link.far.get_extra_info('sockname')[1]} " in listening
        ]
        link.stalled.add("down")
        probing = asyncio.create_task(one.broker.probe())
        await until(lambda: one.broker._parts.follower._probes, 1, "under way")  # type: ignore[attr-defined]
        link.reset()
        async with asyncio.timeout(CALL_DEADLINE / 2):
            with contextlib.suppress(Unavailable):
                await probing
            await one.broker.probe()


async def test_an_append_behind_a_signal_into_a_black_hole_is_answered_in_time(
    site: Site, redis_url: str
) -> None:
    """However many links are tried, and in vain, meanwhile."""
    async with Proxy.before(redis_url) as proxy:
        one, room = await site.open(url=proxy.through(redis_url)), site.room()
        await one.follow(room)
        await one.append(room, "k1")
        proxy.black_hole("down")
        one.broker.signal(room, b"typing")
        await until(lambda: not one.broker._parts.appender._signals, 1, "on its way")  # type: ignore[attr-defined]
        began = asyncio.get_running_loop().time()
        assert isinstance(await one.submit(room, "k2"), Unknown)
        assert asyncio.get_running_loop().time() - began < APPEND_DEADLINE + 0.9
