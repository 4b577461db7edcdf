"""The link to the server is cut, delayed, or swallows what is sent (C3, C4, C6 and healing)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from typing import Any, ClassVar

import pytest_asyncio

from ...base import APPEND_DEADLINE, CALL_DEADLINE, Appended, Outcome, Window
from ...errors import Unavailable, Unknown
from ..proxy import Proxy
from ..site import HEALING, SLACK, Site, Station
from .cancelling import storm
from .common import Checks


class LinkChecks(Checks):
    """Give a fixture `link` where a TCP proxy before the URL's host and port is wrong."""

    slow: ClassVar[bool] = True

    @pytest_asyncio.fixture(loop_scope="function")
    async def link(self, url: str) -> AsyncIterator[Proxy]:
        """What stands between the broker under test and its server."""
        async with Proxy.before(url) as proxy:
            yield proxy

    async def test_a_black_hole_leaves_nobody_without_an_answer(
        self, site: Site, link: Proxy, url: str
    ) -> None:
        one, two = await site.open(url=link.through(url)), await site.open()
        room, other = site.room(), site.room("other")
        await asyncio.gather(one.follow(room), two.follow(room))
        await one.fill(room, 3)
        link.black_hole()
        keys = [f"lost{number}" for number in range(20)]
        answers = [one.submit(room, key, key.encode()) for key in keys]
        calls = asyncio.gather(
            *map(unavailable, (one.follow(other), one.broker.read(room), one.broker.probe()))
        )
        await two.fill(room, 5, first=4)
        outcomes = await all_of(answers)
        await calls
        assert all(isinstance(outcome, Unknown) for outcome in outcomes), outcomes
        await noticed(one)
        await link.heal()
        await healed(one)
        await one.deliver(room, keys)
        # Repeats of what arrived late, and of what did not, are one entry each, in the old order.
        await one.append(room, "end")
        await two.hears_key(room, "end")
        await one.hears_key(room, "end")
        assert [key for key in two[room].keys if key.startswith("lost")] == keys
        assert one[room].log == two[room].log
        assert not one[room].resets
        await one.follow(other)
        await one.append(other, "k1")
        await one.hears(other, ["k1"])

    async def test_a_lost_confirmation_is_no_second_entry(self, site: Site, link: Proxy, url: str) -> None:
        """Only the way back is dead: the server stores, and nobody hears of it."""
        one, two = await site.open(url=link.through(url)), await site.open()
        room = site.room()
        await asyncio.gather(one.follow(room), two.follow(room))
        await one.fill(room, 3)
        link.black_hole("down")
        keys = [f"lost{number}" for number in range(20)]
        answers = [one.submit(room, key, key.encode()) for key in keys]
        deaf = asyncio.create_task(unavailable(one.broker.probe()))
        outcomes = await all_of(answers)
        await deaf
        assert all(isinstance(outcome, Unknown) for outcome in outcomes), outcomes
        await noticed(one)
        await link.heal()
        await healed(one)
        await one.deliver(room, keys)
        await one.append(room, "end")
        wanted = ["k1", "k2", "k3", *keys, "end"]
        await two.hears(room, wanted)
        await one.hears(room, wanted)
        assert not one[room].resets

    async def test_a_connection_that_died_in_silence(self, site: Site, link: Proxy, url: str) -> None:
        """Who stays connected hears of a gap within ten seconds, also where nothing is sent."""
        one, two = await site.open(url=link.through(url)), await site.open()
        room = site.room()
        await asyncio.gather(one.follow(room), two.follow(room))
        await one.fill(room, 3)
        await one.hears(room, ["k1", "k2", "k3"])
        link.stall()
        await two.fill(room, 5, first=4)
        wanted = [f"k{number}" for number in range(1, 9)]
        await one.hears(room, wanted, HEALING + SLACK)
        assert not one[room].resets
        # An append may have to find out for itself that its connection is dead.
        await one.deliver(room, ["k9"], APPEND_DEADLINE + HEALING)
        await two.hears(room, [*wanted, "k9"])

    async def test_cuts_while_appending(self, site: Site, link: Proxy, url: str) -> None:
        """In the middle of frames, again and again: each entry once, in order, for everyone."""
        one, two = await site.open(url=link.through(url)), await site.open()
        room = site.room()
        await asyncio.gather(one.follow(room), two.follow(room))
        chance = random.Random(2)  # noqa: S311
        keys: list[str] = []
        stored: dict[str, Appended] = {}
        for turn in range(40):
            batch = [f"k{turn}-{number}" for number in range(10)]
            keys += batch
            if turn % 4 == 1:
                link.cut_after(chance.randrange(1, 4000))
            elif turn % 4 == 3:
                link.cut()
            stored |= await one.deliver(room, batch)
        await one.hears(room, keys, HEALING)
        await two.hears(room, keys)
        assert one[room].log == two[room].log
        assert [stored[key].position for key in keys] == two[room].positions
        assert not one[room].resets
        assert link.accepted > 4, "the link was not cut"

    async def test_a_follower_behind_a_link_that_is_cut(self, site: Site, link: Proxy, url: str) -> None:
        one, two = await site.open(url=link.through(url)), await site.open()
        rooms = [site.room(f"r{number}") for number in range(5)]
        await asyncio.gather(one.follow(*rooms), two.follow(*rooms))
        keys: list[str] = []
        for turn in range(12):
            if turn % 3 == 0:
                link.cut()
            elif turn % 3 == 1:
                link.cut_after(700)
            if turn in (4, 8):
                await link.refuse()
                link.cut()
            batch = [f"k{turn}-{number}" for number in range(10)]
            await asyncio.gather(*(two.appends(room, batch) for room in rooms))
            keys += batch
            if turn in (5, 9):
                await link.listen()
        await link.heal()
        began = asyncio.get_running_loop().time()
        for room in rooms:
            left = began + HEALING - asyncio.get_running_loop().time()
            await one.hears(room, keys, left)
            await two.hears(room, keys)
            assert one[room].log == two[room].log
            assert not one[room].resets, "continuity could be proved"

    async def test_a_gap_beyond_the_window_is_told(self, site: Site, link: Proxy, url: str) -> None:
        window = Window(entries=10)
        one, two = await site.open(window, link.through(url)), await site.open(window)
        lost, kept = site.room("lost"), site.room("kept")
        await one.follow(lost, kept)
        await two.fill(lost, 5)
        await two.fill(kept, 5)
        await one.hears(lost, [f"k{number}" for number in range(1, 6)])
        await one.hears(kept, [f"k{number}" for number in range(1, 6)])
        await link.refuse()
        link.cut()
        await two.fill(lost, 40, first=6)
        await two.fill(kept, 4, first=6)
        await link.heal()
        await one.hears(kept, [f"k{number}" for number in range(1, 10)], HEALING)
        await one.hears(lost, [f"k{number}" for number in range(36, 46)], HEALING)
        assert one[lost].resets == ["trimmed"]
        assert one[kept].resets == []
        await two.append(lost, "end")
        await one.hears(lost, [*(f"k{number}" for number in range(36, 46)), "end"])

    async def test_starting_while_the_server_is_down(self, site: Site, link: Proxy, url: str) -> None:
        await link.refuse()
        one, room = site.make(url=link.through(url)), site.room()
        async with asyncio.timeout(2):
            await one.open()
        one.broker.signal(room, b"s")
        answers = [one.submit(room, f"lost{number}") for number in range(3)]
        calls = (one.follow(room), one.broker.read(room), one.broker.probe())
        await asyncio.gather(*map(unavailable, calls))
        assert not one.broker.connected
        outcomes = await all_of(answers)
        assert all(isinstance(outcome, Unknown) for outcome in outcomes), outcomes
        await link.listen()
        await healed(one)
        await one.follow(room)
        await one.append(room, "k1")
        await one.hears_key(room, "k1")

    async def test_what_is_followed_while_the_server_comes_back(
        self, site: Site, link: Proxy, url: str
    ) -> None:
        """A call that began while the server was down ends well when it is back in time."""
        await link.refuse()
        one, room = await site.open(url=link.through(url)), site.room()
        answer = one.submit(room, "k1", b"k1")
        following = asyncio.create_task(one.follow(room))
        await asyncio.sleep(0.5)  # some tries have failed by now
        await link.listen()
        await following
        async with asyncio.timeout(APPEND_DEADLINE + SLACK):
            outcome = await answer
        assert isinstance(outcome, Appended | Unknown)
        await one.deliver(room, ["k1"])
        await one.hears(room, ["k1"])

    async def test_cancelled_calls_on_a_slow_link(self, site: Site, link: Proxy, url: str) -> None:
        """All of them are under way when their callers leave."""
        one = await site.open(url=link.through(url))
        await one.broker.probe()
        link.delay(0.01)
        await storm(site, one, 21)
        link.delay(0.05)
        room = site.room()
        await one.follow(room)
        keys = [f"k{number}" for number in range(300)]
        await one.appends(room, keys)
        await one.hears(room, keys)

    async def test_close_does_not_wait_for_a_dead_server(self, site: Site, link: Proxy, url: str) -> None:
        one, room = await site.open(url=link.through(url)), site.room()
        await one.follow(room)
        await one.append(room, "k1")
        before = asyncio.all_tasks()
        link.black_hole()
        answers = [one.submit(room, f"lost{number}") for number in range(5)]
        call = asyncio.create_task(unavailable(one.broker.read(room)))
        await asyncio.sleep(0.1)  # they are on their way
        began = asyncio.get_running_loop().time()
        await one.close()
        assert asyncio.get_running_loop().time() - began < 3, "close() waited for the server"
        outcomes = await asyncio.gather(*answers)
        assert all(isinstance(outcome, Unknown) for outcome in outcomes)
        await call
        await asyncio.sleep(0)
        assert not [task for task in asyncio.all_tasks() - before if not task.done()]


async def unavailable(call: Awaitable[Any]) -> None:
    """The call ends with `Unavailable`, in time."""
    began = asyncio.get_running_loop().time()
    try:
        result = await call
    except Unavailable:
        took = asyncio.get_running_loop().time() - began
        assert took < CALL_DEADLINE + SLACK, f"Unavailable after {took:.1f} s"
    else:
        raise AssertionError(f"an answer from a server that cannot be reached: {result!r}")


async def noticed(one: Station) -> None:
    """The broker knows by itself that its link is no good, soon enough after the fault."""
    end = asyncio.get_running_loop().time() + HEALING + SLACK
    while one.broker.connected:
        assert asyncio.get_running_loop().time() < end, f"not noticed within {HEALING} s"
        await asyncio.sleep(0.05)


async def healed(one: Station) -> None:
    """A probe comes back, soon enough after the last fault."""
    end = asyncio.get_running_loop().time() + HEALING + SLACK
    while True:
        try:
            async with asyncio.timeout_at(end):
                await one.broker.probe()
            return
        except (Unavailable, TimeoutError) as error:
            if asyncio.get_running_loop().time() >= end:
                raise AssertionError(f"not healed within {HEALING} s: {error!r}") from None
        await asyncio.sleep(0.05)


async def all_of(answers: list[asyncio.Future[Outcome]]) -> list[Outcome]:
    """All answers, within the deadline for appends."""
    try:
        async with asyncio.timeout(APPEND_DEADLINE + SLACK):
            return await asyncio.gather(*answers)
    except TimeoutError:
        left = sum(not answer.done() or answer.cancelled() for answer in answers)
        raise AssertionError(f"C6: {left} appends are without an answer") from None
