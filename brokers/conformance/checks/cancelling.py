"""Cancelling: whoever leaves in the middle disturbs nobody (C8, CVE-2023-28858)."""

from __future__ import annotations

import asyncio
import gc
import random

from ...base import Appended
from ..site import PATIENCE, Site, Station
from .common import Checks

CALLERS = 120


class CancelChecks(Checks):
    """The server cancels a socket's handler when its client leaves."""

    async def test_cancelled_calls_disturb_nobody(self, site: Site) -> None:
        for seed in range(4):
            await storm(site, await site.open(), seed)

    async def test_a_cancelled_append_is_stored_once_or_not_at_all(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        chance = random.Random(3)  # noqa: S311
        keys = [f"k{number}" for number in range(60)]
        for key in keys:
            task = asyncio.create_task(one.broker.append(room, key, key.encode()))
            await asyncio.sleep(chance.choice((0, 0, 0.0005, 0.001, 0.002)))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        # Order among the cancelled ones is that of submission; a repeat changes nothing.
        await one.appends(room, keys)
        await one.append(room, "end")
        await one.hears_key(room, "end")
        assert sorted(one[room].keys) == sorted([*keys, "end"])

    async def test_a_cancelled_follow_can_be_taken_back(self, site: Site) -> None:
        one, other = await site.open(), site.room("other")
        await one.follow(other)
        chance = random.Random(5)  # noqa: S311
        rooms = [site.room(f"r{number}") for number in range(40)]
        for room in rooms:
            one.heard.expect(room)
            task = asyncio.create_task(one.broker.follow(room))
            await asyncio.sleep(chance.choice((0, 0, 0.0005, 0.001, 0.002)))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            one.unfollow(room)
        await asyncio.gather(*(one.append(room, "k1") for room in rooms))
        await one.append(other, "end")
        await one.hears(other, ["end"])
        await one.follow(*rooms)
        for room in rooms:
            await one.append(room, "k2")
            await one.hears(room, ["k1", "k2"])

    async def test_cancelled_calls_leave_no_task_behind(self, site: Site) -> None:
        before = asyncio.all_tasks()
        one = await site.open()
        await storm(site, one, 11)
        await one.broker.close()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() - before == set()
        gc.collect()  # a task whose exception nobody took tells of it now


async def storm(site: Site, one: Station, seed: int) -> None:
    """Callers with answers that can be told apart; half of them leave at some instant."""
    chance = random.Random(seed)  # noqa: S311
    rooms = [site.room(f"storm{seed}-{number}") for number in range(20)]
    for number, room in enumerate(rooms):
        await one.appends(room, [f"{number}/{i}" for i in range(number + 1)])

    async def read(number: int) -> None:
        page = await one.broker.read(rooms[number], limit=number + 1)
        tags = [entry.key.partition("/")[0] for entry in page.entries]
        assert tags == [str(number)] * (number + 1), f"room {number} was answered with {tags}"

    async def append(number: int, key: str) -> None:
        answer = await one.broker.append(rooms[number], key, key.encode())
        page = await one.broker.read(rooms[number], before=answer.position, limit=1000)
        again = await one.broker.read(rooms[number], limit=1000)
        place = len(page.entries)
        assert again.entries[place].position == answer.position
        assert again.entries[place].key == key, f"{key} was answered with another one's position"

    async def follow(name: str) -> None:
        room = site.room(name)
        one.heard.expect(room)
        try:
            await one.broker.follow(room)
            assert one[room].tails
            await one.broker.append(room, name, b"")
            await one.hears_key(room, name)
            assert one[room].keys == [name]
        finally:
            one.unfollow(room)

    async def probe() -> None:
        assert await one.broker.probe() >= 0

    async def caller(index: int) -> None:
        await asyncio.sleep(chance.random() * 0.05)  # callers come when they come
        number = index % len(rooms)
        kind = index % 7
        if kind in (0, 1, 2):
            await append(number, f"{number}/{seed}-{index}")
        elif kind in (3, 4):
            await read(number)
        elif kind == 5:
            await follow(f"own{seed}-{index}")
        else:
            await probe()

    tasks = [asyncio.create_task(caller(index)) for index in range(CALLERS)]
    doomed = chance.sample(tasks, CALLERS // 2)
    while doomed:
        await asyncio.sleep(chance.random() * 0.003)  # the random instant
        doomed.pop().cancel()
    async with asyncio.timeout(PATIENCE):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    failures = [result for result in results if isinstance(result, Exception)]
    assert not failures, f"{len(failures)} of those who stayed were disturbed: {failures[0]!r}"
    # And afterwards the broker is as good as new.
    for number in range(len(rooms)):
        await read(number)
    stored = await one.append(rooms[0], f"0/end{seed}", b"")
    assert stored == Appended(stored.position, duplicate=False)
