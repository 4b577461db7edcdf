"""The brokers on uvloop, which is what most instances run on: its transports have words of their own."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from brokers import connect
from brokers.base import APPEND_DEADLINE, Listener
from tests.support.proxy import Proxy
from tests.support.waiting import until


@pytest.mark.parametrize("broker_kind", ["redis", "rabbitmq"], indirect=True)
async def test_after_links_that_broke_while_nobody_used_them_appends_are_stored(broker_url: str) -> None:
    """uvloop raises `RuntimeError` for a write to a connection that was reset: no kind of `OSError`."""
    here = asyncio.get_running_loop()

    async def work(proxy: Proxy) -> None:
        broker = connect(proxy.through(broker_url))
        await broker.open(Listener())
        try:
            await broker.follow("room")
            for number in range(3):
                await broker.append("room", f"before-{number}", b"")
                before = proxy.accepted
                here.call_soon_threadsafe(proxy.cut)
                # One of its links is made again by itself: by then it has heard that all were cut.
                await until(lambda seen=before: proxy.accepted > seen, what="the cut was noticed")
                async with asyncio.timeout(APPEND_DEADLINE + 1):
                    await broker.append("room", f"after-{number}", b"")
            page = await broker.read("room")
            keys = [entry.key for entry in page.entries]
            assert keys == [f"{when}-{n}" for n in range(3) for when in ("before", "after")]
        finally:
            await broker.close()

    def on_uvloop(proxy: Proxy) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work(proxy))

    async with Proxy.before(broker_url) as proxy:
        await asyncio.to_thread(on_uvloop, proxy)
