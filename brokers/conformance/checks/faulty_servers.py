"""The server is killed, frozen or loses its logs (C1, C4)."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from ...base import Durability, Entry
from ..site import HEALING, SLACK, Server, Site, Station
from .common import Checks
from .faulty_links import all_of, healed, unavailable


class ServerChecks(Checks):
    """Give a fixture `server`."""

    slow: ClassVar[bool] = True

    async def test_a_wiped_log_is_a_new_epoch(self, site: Site, server: Server) -> None:
        one, two, three = [await site.open() for _ in range(3)]
        busy, quiet = site.room("busy"), site.room("quiet")
        await asyncio.gather(one.follow(busy, quiet), two.follow(busy))
        before = await one.fill(busy, 5)
        gone = await one.fill(quiet, 5)
        await one.hears(busy, [f"k{number}" for number in range(1, 6)])
        await two.hears(busy, [f"k{number}" for number in range(1, 6)])
        await asyncio.to_thread(server.wipe)
        # The same keys again: what is gone counts no more.
        stored = await one.deliver(busy, [f"k{number}" for number in range(3, 10)])
        after = [answer.position for answer in stored.values()]
        assert not set(after) & set(before), "positions were used again"
        for each in (one, two):
            await each.hears_end(busy, after, HEALING + SLACK)
            assert set(each[busy].resets) == {"epoch"}, each[busy].resets
            assert each[busy].positions == after
        for position in before:
            page = await three.read(busy, after=position)
            assert [entry.position for entry in page.entries] == after
            assert (page.complete, page.reason) == (False, "epoch")
            page = await three.read(busy, before=position)
            assert (page.entries, page.complete) == ([], False)
        # Where nobody writes, too, it is noticed in time.
        await one.hears_reset(quiet, HEALING + SLACK)
        page = await three.read(quiet, after=gone[2])
        assert (page.entries, page.complete, page.reason) == ([], False, "epoch")

    async def test_killed_and_started_again(self, site: Site, server: Server) -> None:
        """What was acked is there, or durability was below D2 and everyone is told."""
        one, two = await site.open(), await site.open()
        room = site.room()
        await asyncio.gather(one.follow(room), two.follow(room))
        await one.fill(room, 20)
        durability = one.broker.durability
        keys = [f"more{number}" for number in range(30)]
        answers = [one.submit(room, key, key.encode()) for key in keys]
        await answers[9]
        await asyncio.to_thread(server.kill)
        await unavailable(two.broker.probe())
        await asyncio.to_thread(server.start)
        await asyncio.gather(healed(one), healed(two))
        await all_of(answers)
        stored = await one.deliver(room, keys)
        end = await one.append(room, "end")
        for each in (one, two):
            await each.hears_end(room, [end.position], HEALING + SLACK)
        wanted = [*(f"k{number}" for number in range(1, 21)), *keys, "end"]
        log = (await two.read_all(room)).entries
        if durability >= Durability.CRASH:
            assert [entry.key for entry in log] == wanted
            assert not one[room].resets
            assert not two[room].resets
            assert [entry.position for entry in log][20:-1] == [stored[k].position for k in keys]
        for each in (one, two):
            assert each[room].log == log[-len(each[room].log) :]
            if not each[room].resets:
                assert each[room].keys == wanted, "entries are lost, and nobody was told"
            assert len(set(each[room].keys)) == len(each[room].keys)
        await resumes_are_honest(two, room, log)


class FreezeChecks(Checks):
    """Give a fixture `server`. Apart, because it costs a deadline."""

    slow: ClassVar[bool] = True

    async def test_frozen_and_thawed(self, site: Site, server: Server) -> None:
        one, two = await site.open(), await site.open()
        room, other = site.room(), site.room("other")
        await asyncio.gather(one.follow(room), two.follow(room))
        await one.fill(room, 3)
        keys = [f"lost{number}" for number in range(20)]
        try:
            await asyncio.to_thread(server.freeze)
            answers = [one.submit(room, key, key.encode()) for key in keys]
            calls = (one.follow(other), one.broker.read(room), one.broker.probe())
            await asyncio.gather(*map(unavailable, calls))
            await all_of(answers)
        finally:
            await asyncio.to_thread(server.thaw)
        await asyncio.gather(healed(one), healed(two))
        await one.deliver(room, keys)
        await one.append(room, "end")
        for each in (one, two):
            await each.hears(room, ["k1", "k2", "k3", *keys, "end"], HEALING + SLACK)
            assert not each[room].resets
        assert one[room].log == two[room].log


async def resumes_are_honest(one: Station, room: str, log: list[Entry]) -> None:
    """From any position of the log everything that follows comes."""
    positions = [entry.position for entry in log]
    for number in range(0, len(positions), 7):
        page = await one.read(room, after=positions[number], limit=1000)
        assert [entry.position for entry in page.entries] == positions[number + 1 :]
        assert page.complete
