"""The life of a broker: made, opened, closed."""

from __future__ import annotations

import asyncio

import pytest

from ...base import Appended
from ...errors import Unavailable, Unknown
from ..site import MakeBroker, Site
from .common import Checks


class LifeChecks(Checks):
    """Nothing happens before `open`, and nothing is left after `close`."""

    async def test_a_broker_is_made_without_a_loop(self, url: str, make_broker: MakeBroker) -> None:
        """At import time, in whatever thread."""
        broker = await asyncio.to_thread(make_broker, url, None)
        assert broker.url == url
        await broker.close()

    async def test_before_open(self, site: Site) -> None:
        one, room = site.make(), site.room()
        async with asyncio.timeout(1):
            assert isinstance(await one.submit(room, "k1"), Unknown)
        one.broker.unfollow(room)
        one.broker.signal(room, b"s")
        for call in (one.broker.follow(room), one.broker.read(room), one.broker.probe()):
            with pytest.raises(Unavailable):
                await call
        assert not one.broker.connected

    async def test_after_close(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        await one.append(room, "k1")
        await one.broker.close()
        calls = one[room].calls
        async with asyncio.timeout(1):
            assert isinstance(await one.submit(room, "k2"), Unknown)
        one.broker.unfollow(room)
        one.broker.signal(room, b"s")
        for call in (one.broker.follow(room), one.broker.read(room), one.broker.probe()):
            with pytest.raises(Unavailable):
                await call
        assert not one.broker.connected
        assert one[room].calls == calls

    async def test_close_twice(self, site: Site) -> None:
        one = await site.open()
        await one.broker.close()
        await one.broker.close()
        never = site.make()
        await never.broker.close()

    async def test_close_answers_what_waits(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        answers = [one.submit(room, f"k{number}") for number in range(50)]
        await one.broker.close()
        async with asyncio.timeout(1):
            outcomes = await asyncio.gather(*answers)
        assert all(isinstance(outcome, Appended | Unknown) for outcome in outcomes)

    async def test_close_ends_calls_under_way(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        one.heard.expect(room)
        calls = [
            asyncio.create_task(one.broker.follow(room)),
            asyncio.create_task(one.broker.read(room)),
            asyncio.create_task(one.broker.probe()),
        ]
        await asyncio.sleep(0)
        await one.broker.close()
        async with asyncio.timeout(2):
            results = await asyncio.gather(*calls, return_exceptions=True)
        for result in results:
            assert not isinstance(result, BaseException) or isinstance(result, Unavailable)

    async def test_close_leaves_no_task_behind(self, site: Site) -> None:
        before = asyncio.all_tasks()
        one, rooms = await site.open(), [site.room(f"r{number}") for number in range(10)]
        await one.follow(*rooms)
        await asyncio.gather(*(one.append(room, "k1") for room in rooms))
        one.unfollow(*rooms[:5])
        await one.broker.close()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() - before == set()

    async def test_one_broker_after_the_other(self, site: Site) -> None:
        room = site.room()
        for _ in range(3):
            one = await site.open()
            await one.follow(room)
            await one.append(room, f"k{_}")
            await one.close()
